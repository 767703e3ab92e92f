#include "realtime.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "bc_controllers/statistics.hpp"

namespace bc_sim {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t clock_now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * kSecond + time.tv_nsec;
}

}  // namespace

std::int64_t steady_now() {
  return clock_now(CLOCK_MONOTONIC);
}
std::int64_t system_now() {
  return clock_now(CLOCK_REALTIME);
}

void sleep_until(std::int64_t steady_ns) {
  timespec time{};
  time.tv_sec = static_cast<time_t>(steady_ns / kSecond);
  time.tv_nsec = static_cast<long>(steady_ns % kSecond);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, nullptr) == EINTR) {
  }
}

std::string raise_priority(int priority) {
  prctl(PR_SET_TIMERSLACK, 1UL);  // without FIFO the kernel may otherwise wake it 50 us late
  sched_param parameters{};
  parameters.sched_priority = priority;
  const int error = pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters);
  if (error == 0) return "fifo " + std::to_string(priority);
  return "normal (SCHED_FIFO " + std::to_string(priority) + " refused: " + std::strerror(error) + ")";
}

TimerLateness timer_lateness(double seconds, int priority) {
  constexpr std::int64_t kPeriod = 1'000'000;
  bc::DurationHistogram late;
  TimerLateness found;
  std::thread thread([&] {
    found.scheduling = raise_priority(priority);
    std::int64_t deadline = steady_now() + kPeriod;
    const std::int64_t end = deadline + static_cast<std::int64_t>(seconds * static_cast<double>(kSecond));
    for (; deadline < end; deadline += kPeriod) {
      sleep_until(deadline);
      late.add(steady_now() - deadline);
    }
  });
  thread.join();
  found.periods = late.count();
  found.late_over_1ms = late.count_over_1ms();
  found.late_p99_us = late.quantile_us(0.99);
  found.late_max_us = late.maximum_us();
  return found;
}

std::string lock_memory() {
  // Under a limit, locking what comes later would make allocations fail one day: then lock what is there only.
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  const bool unlimited = limit.rlim_cur == RLIM_INFINITY || geteuid() == 0;
  const int flags = MCL_CURRENT | MCL_ONFAULT | (unlimited ? MCL_FUTURE : 0);
  if (mlockall(flags) == 0) return "memory locked";
  return std::string("memory not locked (") + std::strerror(errno) + ")";
}

}  // namespace bc_sim
