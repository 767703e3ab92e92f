// What the operating system gives a real-time thread: clocks, absolute sleep, priority, locked memory.
#pragma once

#include <cstdint>
#include <string>

namespace bc_sim {

std::int64_t steady_now();  // CLOCK_MONOTONIC [ns]
std::int64_t system_now();  // CLOCK_REALTIME [ns]
void sleep_until(std::int64_t steady_ns);

// Gives the calling thread SCHED_FIFO; says what came of it: "fifo 80", or "normal (why)".
std::string raise_priority(int priority);
// How late a thread of this priority is on this machine that wakes up every millisecond and does nothing: a control
// loop can do no better. A period counts as late until the backlog of a stall is worked off, as in the plant's loop.
struct TimerLateness {
  std::uint64_t periods = 0;
  std::uint64_t late_over_1ms = 0;
  double late_p99_us = 0.0;
  double late_max_us = 0.0;
  std::string scheduling;
};
TimerLateness timer_lateness(double seconds, int priority);

// Keeps the process's memory resident from its first touch on, without touching it ahead; says what came of it.
std::string lock_memory();

}  // namespace bc_sim
