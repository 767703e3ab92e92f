// Counts what the control loop allocates: every heap call of the process goes through the functions below.
//   allocation_test URDF [--allocate]    prints one JSON line: periods, heap calls, and what was covered.
// --allocate allocates once per period on purpose: it shows that the counter counts.
#include <malloc.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "bc_controllers/controller.hpp"

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {
thread_local bool counting = false;
thread_local std::uint64_t heap_calls = 0;
}  // namespace

extern "C" {
void* malloc(std::size_t size) {
  heap_calls += counting ? 1 : 0;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  heap_calls += counting ? 1 : 0;
  return __libc_calloc(count, size);
}
void* realloc(void* pointer, std::size_t size) {
  heap_calls += counting ? 1 : 0;
  return __libc_realloc(pointer, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  heap_calls += counting ? 1 : 0;
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** pointer, std::size_t alignment, std::size_t size) {
  heap_calls += counting ? 1 : 0;
  *pointer = __libc_memalign(alignment, size);
  return *pointer == nullptr ? 12 : 0;
}
void free(void* pointer) {
  heap_calls += counting && pointer != nullptr ? 1 : 0;
  __libc_free(pointer);
}
}

namespace {

constexpr std::int64_t kPeriod = 1'000'000;
constexpr std::size_t kJoints = 7;
const std::vector<double> kHome = {0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785};

bc::ControllerConfig panda() {
  bc::ControllerConfig config;
  config.base_frame = "panda_link0";
  config.tcp_frame = "panda_hand_tcp";
  bc::GroupLayout arm{"arm", bc::Space::kJointPosition, {}};
  for (std::size_t i = 1; i <= kJoints; ++i) arm.names.push_back("panda_joint" + std::to_string(i));
  config.groups = {arm, {"gripper", bc::Space::kGripper, {"panda_gripper"}}};
  config.stiffness.assign(kJoints, 200.0);
  config.damping.assign(kJoints, 20.0);
  config.velocity.assign(kJoints, 2.0);
  config.acceleration.assign(kJoints, 8.0);
  config.peak_acceleration = 4.0;
  config.workspace = {{-1.0, -1.0, -1.0}, {1.0, 1.0, 1.5}, 1.5, 2.5, 6.0, 12.0, 4.0};
  config.torque.assign(kJoints, 11.0);
  config.gripper_upper = 0.08;
  config.position_margin = 0.05;
  config.joint_error.assign(kJoints, 0.2);
  return config;
}

// One run of a controller on a measurement that follows its reference, with everything that can come in.
class Run {
 public:
  Run(const std::string& urdf, bool allocate)
      : controller_(panda(), urdf), position_(kHome), velocity_(kJoints, 0.0), allocate_(allocate) {}

  void step(int periods) {
    for (int i = 0; i < periods; ++i) {
      now_ += kPeriod;
      counting = true;
      controller_.update(now_, now_, position_.data(), velocity_.data(), 0.04);
      if (allocate_) scratch_ = std::string(64, 'x');
      counting = false;
      ++periods_;
      const auto state = controller_.view().state;
      rungs_.insert(static_cast<int>(state.ladder));
      modes_.insert(static_cast<int>(state.mode));
      // Another reading every period, as encoders give: never frozen.
      for (std::size_t j = 0; j < kJoints; ++j) {
        position_[j] = state.position_reference[j] + 1e-6 * static_cast<double>(i % 2);
      }
    }
    for (const bc::Ack& ack : controller_.port().acks()) reasons_.insert(static_cast<int>(ack.reason));
    controller_.port().modes();
    controller_.port().results();
  }

  bc::WireChunk chunk(bc::Source source, double lead_seconds, int rows) {
    bc::WireChunk wire;
    wire.stamp_ns = now_ + static_cast<std::int64_t>(lead_seconds * 1e9);
    wire.dt_ns = 50'000'000;
    wire.horizon = rows;
    wire.producer = "a producer with a name longer than any short-string buffer";
    wire.producer_id = 1 + static_cast<std::uint64_t>(source);
    wire.sequence = ++sequence_;
    wire.mode_epoch = controller_.view().state.mode_epoch;
    const bc::ControllerConfig config = panda();
    wire.groups = {{"arm", 1, config.groups[0].names, "", "", 0, 7}, {"gripper", 3, {"panda_gripper"}, "", "", 7, 1}};
    for (int row = 0; row < rows; ++row) {
      for (std::size_t j = 0; j < kJoints; ++j) {
        wire.actions.push_back(kHome[j] + 0.1 * std::sin(0.3 * static_cast<double>(sequence_) + 0.2 * row));
      }
      wire.actions.push_back(0.02);
    }
    return wire;
  }

  void send(bc::Source source, const bc::WireChunk& wire) { controller_.port().submit(source, wire); }
  void send(bc::Source source, double lead_seconds = 0.0, int rows = 8) {
    send(source, chunk(source, lead_seconds, rows));
  }
  void request(bc::Request request) { controller_.port().request(static_cast<std::uint8_t>(request), "test"); }
  void relocate() { controller_.relocate("test"); }
  void break_encoder(bool broken) { velocity_[3] = broken ? std::nan("") : 0.0; }

  int report() const {
    std::printf("{\"periods\": %d, \"heap_calls\": %llu, \"modes\": %zu, \"rungs\": %zu, \"reasons\": %zu}\n", periods_,
                static_cast<unsigned long long>(heap_calls), modes_.size(), rungs_.size(), reasons_.size());
    return 0;
  }

 private:
  bc::Controller controller_;
  std::vector<double> position_, velocity_;
  bool allocate_;
  std::string scratch_;
  std::int64_t now_ = 1'000'000'000;
  std::uint64_t sequence_ = 0;
  int periods_ = 0;
  std::set<int> modes_, rungs_, reasons_;
};

void refusals(Run& run) {
  const auto spoiled = [&run](auto&& spoil, double lead = 0.0) {
    bc::WireChunk wire = run.chunk(bc::Source::kPolicy, lead, 8);
    spoil(wire);
    run.send(bc::Source::kPolicy, wire);
    run.step(3);
  };
  spoiled([](bc::WireChunk& wire) { wire.horizon = 1000; });
  spoiled([](bc::WireChunk& wire) { wire.actions.pop_back(); });
  spoiled([](bc::WireChunk& wire) { wire.groups[0].names[2] = "another"; });
  spoiled([](bc::WireChunk& wire) { wire.dt_ns = 0; });
  spoiled([](bc::WireChunk& wire) { wire.actions[5] = std::nan(""); });
  spoiled([](bc::WireChunk& wire) { wire.sequence = 1; });
  spoiled([](bc::WireChunk& wire) { wire.mode_epoch += 7; });
  spoiled([](bc::WireChunk&) {}, -5.0);
  spoiled([](bc::WireChunk&) {}, 5.0);
  run.send(bc::Source::kPlanner);
  for (int i = 0; i < 6; ++i) run.send(bc::Source::kPolicy, 0.5 - 0.05 * i);
  run.step(3);
}

}  // namespace

int main(int argc, char** argv) {
  const bool allocate = argc == 3 && std::string(argv[2]) == "--allocate";
  if (argc != 2 && !allocate) {
    std::fprintf(stderr, "usage: allocation_test URDF [--allocate]\n");
    return 2;
  }
  Run run(argv[1], allocate);
  run.step(10);
  run.request(bc::Request::kResume);
  run.step(2500);  // no first chunk: compliant
  for (int i = 0; i < 20; ++i) {
    run.send(bc::Source::kPolicy, 0.02);
    run.step(100);
  }
  refusals(run);
  run.send(bc::Source::kHuman, 0.02, 3);
  run.step(600);  // lease over
  run.request(bc::Request::kGrant);
  run.step(1);
  run.send(bc::Source::kPlanner);
  run.step(1000);  // starved
  run.break_encoder(true);
  run.step(10);
  run.break_encoder(false);
  run.request(bc::Request::kReset);
  run.relocate();
  run.step(2500);
  return run.report();
}
