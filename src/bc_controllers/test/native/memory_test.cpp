// The whole controller under AddressSanitizer and UndefinedBehaviorSanitizer (Pinocchio itself is not instrumented).
//   memory_test URDF    every output through all modes, refusals and live settings; a fork; 0 when nothing was found
#include <cstdio>

#include "run.hpp"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: memory_test URDF\n");
    return 2;
  }
  const auto plainly = [](const auto& update) { update(); };
  int periods = 0;
  for (const bc::Output output :
       {bc::Output::kJointImpedance, bc::Output::kCartesianImpedance, bc::Output::kPosition}) {
    for (const bool pose : {false, true}) {
      bc_test::Run run(argv[1], output, pose);
      bc_test::everything(run, plainly);
      bc_test::Run fork(argv[1], output, pose);
      fork.controller().copy_from(run.controller());
      fork.step(10, plainly);
      periods += run.periods() + fork.periods();
    }
  }
  std::printf("{\"periods\": %d}\n", periods);
  return 0;
}
