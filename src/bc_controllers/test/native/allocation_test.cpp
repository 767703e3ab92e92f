// Counts what the control loop allocates, for every output.
//   allocation_test URDF [--allocate]    prints one line of JSON per output: periods, heap calls, and what was covered.
// --allocate allocates once per period on purpose: it shows that the counter counts.
#include <cstdio>
#include <string>

#include "heap_counter.hpp"
#include "run.hpp"

int main(int argc, char** argv) {
  const bool allocate = argc == 3 && std::string(argv[2]) == "--allocate";
  if (argc != 2 && !allocate) {
    std::fprintf(stderr, "usage: allocation_test URDF [--allocate]\n");
    return 2;
  }
  std::string scratch;
  const auto counted = [&](const auto& update) {
    heap::counting = true;
    update();
    if (allocate) scratch = std::string(64, 'x');
    heap::counting = false;
  };
  for (const bc::Output output :
       {bc::Output::kJointImpedance, bc::Output::kCartesianImpedance, bc::Output::kPosition}) {
    for (const bool pose : {false, true}) {
      heap::calls = 0;
      bc_test::Run run(argv[1], output, pose);
      bc_test::everything(run, counted);
      std::printf(
          "{\"output\": \"%s\", \"pose\": %s, \"periods\": %d, \"heap_calls\": %llu, \"modes\": %zu, "
          "\"rungs\": %zu, \"reasons\": %zu}\n",
          bc::name_of(output), pose ? "true" : "false", run.periods(), static_cast<unsigned long long>(heap::calls),
          run.modes().size(), run.rungs().size(), run.reasons().size());
    }
  }
  return 0;
}
