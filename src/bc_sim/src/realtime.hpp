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
// Keeps the process's memory resident from its first touch on, without touching it ahead; says what came of it.
std::string lock_memory();

}  // namespace bc_sim
