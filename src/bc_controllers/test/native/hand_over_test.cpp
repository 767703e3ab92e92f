// The hand-over between the control loop and other threads, under ThreadSanitizer: port, settings and state.
//   hand_over_test [--race]    0 when nothing was found; --race writes past the hand-over on purpose
#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "bc_controllers/arbiter.hpp"
#include "bc_controllers/settings.hpp"
#include "panda.hpp"

namespace {

constexpr int kPeriods = 3000;

bc::WireChunk chunk(const bc::ControllerConfig& config, std::uint64_t producer, std::uint64_t sequence,
                    std::int64_t now_ns) {
  bc::WireChunk wire;
  wire.stamp_ns = now_ns;
  wire.dt_ns = 20'000'000;
  wire.horizon = 8;
  wire.producer = "test";
  wire.producer_id = producer;
  wire.sequence = sequence;
  wire.mode_epoch = 2;
  wire.groups = {{"arm", 1, config.joints, "", "", 0, 7}, {"gripper", 3, {"panda_gripper"}, "", "", 7, 1}};
  wire.actions.assign(64, 0.1);
  return wire;
}

}  // namespace

int main(int argc, char** argv) {
  const bool race = argc == 2 && std::string(argv[1]) == "--race";
  bc::ControllerConfig config = bc_test::panda(bc::Output::kJointImpedance, false);
  config.position_lower.assign(bc_test::kJoints, -2.5);
  config.position_upper.assign(bc_test::kJoints, 2.5);
  bc::Port port(config);
  bc::Arbiter arbiter(config, port);
  bc::LiveSettings settings(config);
  bc::Latest<bc::Counters> state;
  std::atomic<std::int64_t> clock{1'000'000'000};
  std::atomic<bool> done{false};
  std::uint64_t unguarded = 0;
  const std::vector<double> place(bc_test::kJoints, 0.1);
  arbiter.relocate(clock.load(), place.data(), 0.04, "start");
  port.request(1, "resume");

  std::thread loop([&] {
    for (int i = 0; i < kPeriods; ++i) {
      const std::int64_t now = clock.fetch_add(1'000'000) + 1'000'000;
      settings.advance(1e-3, now, true);
      arbiter.update(now, now);
      state.writable() = arbiter.counters();
      state.publish();
      if (race) ++unguarded;
    }
    done.store(true);
  });
  std::vector<std::thread> others;
  for (const bc::Source source : bc::kSources) {
    others.emplace_back([&, source] {
      for (std::uint64_t sequence = 1; !done.load(); ++sequence) {
        port.submit(source, chunk(config, 1 + static_cast<std::uint64_t>(source), sequence, clock.load()));
      }
    });
  }
  std::uint64_t answers = 0, periods = 0;
  others.emplace_back([&] {
    // Once more after the end: on a busy machine the loop may be over before this thread is ever scheduled.
    bool over = false;
    for (std::uint8_t request = 0; !over; request = static_cast<std::uint8_t>((request + 1) % 6)) {
      over = done.load();
      port.request(request, "test");
      answers += port.acks().size() + port.modes().size() + port.results().size();
      periods = state.read().periods;
      if (race) ++unguarded;
    }
  });
  others.emplace_back([&] {
    while (!done.load()) {
      settings.use_preset("CO");
      settings.set_payload({0.5, {0.0, 0.0, 0.1}});
      settings.set_wrench({1.0, 0.0, 0.0, 0.0, 0.0, 0.0});
      settings.wanted();
    }
  });
  loop.join();
  for (std::thread& other : others) other.join();
  std::printf("{\"periods\": %llu, \"answers\": %llu, \"unguarded\": %llu}\n", static_cast<unsigned long long>(periods),
              static_cast<unsigned long long>(answers), static_cast<unsigned long long>(unguarded));
  return 0;
}
