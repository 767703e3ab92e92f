// How long one update takes, and what it allocates; and how long an empty loop takes that is as long as an update and
// is timed after each, so that what the machine takes (interrupts, a hypervisor) can be told from what the code does.
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

constexpr std::size_t kCycle = 200;  // updates from one chunk to the next

using Durations = std::vector<std::int64_t>;  // [ns]

// Registers only: no memory, no call. Its time is the machine's.
void empty_loop(std::int64_t rounds) {
  for (std::int64_t i = 0; i < rounds; ++i) asm volatile("" : "+r"(i));
}

template <typename Work>
std::int64_t timed(const Work& work) {
  const std::int64_t began = steady_now();
  work();
  return steady_now() - began;
}

double quantile(Durations durations, double share) {
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(durations.size() - 1));
  std::nth_element(durations.begin(), durations.begin() + at, durations.end());
  return static_cast<double>(durations[static_cast<std::size_t>(at)]) * 1e-3;
}

// Of the places in the cycle from chunk to chunk the slowest one's median: what is slow every time is the code's.
double slowest_place(const Durations& durations) {
  double slowest = 0.0;
  for (std::size_t place = 0; place < std::min(kCycle, durations.size()); ++place) {
    Durations here;
    for (std::size_t i = place; i < durations.size(); i += kCycle) here.push_back(durations[i]);
    slowest = std::max(slowest, quantile(here, 0.5));
  }
  return slowest;
}

void print(const char* prefix, const Durations& durations) {
  std::printf("\"%sp50_us\": %.2f, \"%sp99_us\": %.2f, \"%sp999_us\": %.2f, \"%smax_us\": %.2f, ", prefix,
              quantile(durations, 0.5), prefix, quantile(durations, 0.99), prefix, quantile(durations, 0.999), prefix,
              quantile(durations, 1.0));
}

void measure(const std::string& urdf, bc::Output output, bool pose, int updates, bool realtime) {
  bc_test::Run run(urdf, output, pose);
  Durations durations, empty;
  durations.reserve(static_cast<std::size_t>(updates));
  empty.reserve(static_cast<std::size_t>(updates));
  const auto plainly = [](const auto& update) { update(); };
  std::int64_t rounds = 10'000, deadline = steady_now();
  const auto counted = [&](const auto& update) {
    if (realtime) sleep_until(deadline += bc_test::kPeriod);
    heap::counting = true;
    durations.push_back(timed(update));
    heap::counting = false;
    empty.push_back(timed([rounds] { empty_loop(rounds); }));
  };
  run.step(10, plainly);
  run.request(bc::Request::kResume);
  run.step(10, plainly);
  for (int warm = 0; warm < 10; ++warm) {
    run.send(bc::Source::kPolicy);
    run.step(100, counted);
    // As long as an update, in the median.
    rounds = static_cast<std::int64_t>(static_cast<double>(rounds) * quantile(durations, 0.5) / quantile(empty, 0.5));
    durations.clear();
    empty.clear();
  }
  heap::calls = 0;
  deadline = steady_now();
  // Chunks of 0.8 s, a new one every 0.2 s, as a policy sends them; a wrench at 10 Hz.
  while (static_cast<int>(durations.size()) < updates) {
    if (durations.size() % kCycle == 0) run.send(bc::Source::kPolicy, 0.0, 16);
    if (durations.size() % 100 == 0) run.controller().settings().set_wrench({1.0, 2.0, 3.0, 0.1, 0.2, 0.3});
    run.step(100, counted);
  }
  const bc::Counters counters = run.controller().view().state.counters;
  std::printf("{\"output\": \"%s\", \"reference\": \"%s\", \"updates\": %zu, ", bc::name_of(output),
              pose ? "pose" : "joints", durations.size());
  print("", durations);
  print("empty_", empty);
  std::printf("\"slowest_place_us\": %.2f, \"heap_calls\": %llu, \"chunks\": %llu, \"starved\": %llu}\n",
              slowest_place(durations), static_cast<unsigned long long>(heap::calls),
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
