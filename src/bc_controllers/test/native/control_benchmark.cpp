// How long one update takes, and what it allocates.
//   control_benchmark URDF UPDATES [--realtime]    one line of JSON per output; --realtime: one update per millisecond
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "heap_counter.hpp"
#include "run.hpp"

namespace {

std::int64_t steady_now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void sleep_until(std::int64_t steady_ns) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(steady_ns / 1'000'000'000);
  time.tv_nsec = static_cast<long>(steady_ns % 1'000'000'000);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) != 0) {
  }
}

void measure(const std::string& urdf, bc::Output output, bool pose, int updates, bool realtime) {
  bc_test::Run run(urdf, output, pose);
  std::vector<std::int64_t> durations;
  durations.reserve(static_cast<std::size_t>(updates));
  const auto plainly = [](const auto& update) { update(); };
  std::int64_t deadline = steady_now();
  const auto timed = [&](const auto& update) {
    if (realtime) sleep_until(deadline += bc_test::kPeriod);
    heap::counting = true;
    const std::int64_t began = steady_now();
    update();
    durations.push_back(steady_now() - began);
    heap::counting = false;
  };
  run.step(10, plainly);
  run.request(bc::Request::kResume);
  run.step(10, plainly);
  for (int warm = 0; warm < 10; ++warm) {
    run.send(bc::Source::kPolicy);
    run.step(100, plainly);
  }
  heap::calls = 0;
  deadline = steady_now();
  // Chunks of 0.8 s, a new one every 0.2 s, as a policy sends them; a wrench at 10 Hz.
  while (static_cast<int>(durations.size()) < updates) {
    if (durations.size() % 200 == 0) run.send(bc::Source::kPolicy, 0.0, 16);
    if (durations.size() % 100 == 0) run.controller().settings().set_wrench({1.0, 2.0, 3.0, 0.1, 0.2, 0.3});
    run.step(100, timed);
  }
  std::sort(durations.begin(), durations.end());
  const auto quantile = [&](double share) {
    const auto at = static_cast<std::size_t>(share * static_cast<double>(durations.size() - 1));
    return static_cast<double>(durations[at]) * 1e-3;
  };
  const bc::Counters counters = run.controller().view().state.counters;
  std::printf(
      "{\"output\": \"%s\", \"reference\": \"%s\", \"updates\": %zu, \"p50_us\": %.2f, \"p99_us\": %.2f, "
      "\"p999_us\": %.2f, \"max_us\": %.2f, \"heap_calls\": %llu, \"chunks\": %llu, \"starved\": %llu}\n",
      bc::name_of(output), pose ? "pose" : "joints", durations.size(), quantile(0.5), quantile(0.99), quantile(0.999),
      quantile(1.0), static_cast<unsigned long long>(heap::calls),
      static_cast<unsigned long long>(counters.chunks_in_force),
      static_cast<unsigned long long>(counters.starved_periods));
}

}  // namespace

int main(int argc, char** argv) {
  const bool realtime = argc == 4 && std::string(argv[3]) == "--realtime";
  const int updates = argc >= 3 ? std::atoi(argv[2]) : 0;
  if ((argc != 3 && !realtime) || updates < 1) {
    std::fprintf(stderr, "usage: control_benchmark URDF UPDATES [--realtime]\n");
    return 2;
  }
  for (const bc::Output output :
       {bc::Output::kCartesianImpedance, bc::Output::kJointImpedance, bc::Output::kPosition}) {
    for (const bool pose : {true, false}) measure(argv[1], output, pose, updates, realtime);
  }
  return 0;
}
