// What the control loop and the other threads of a plugin share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "bc_controllers/controller.hpp"
#include "bc_controllers/statistics.hpp"

namespace bc_plugins {

inline std::int64_t steady_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct LoopStatus {
  double rate_hz = 0.0, realtime_factor = 0.0;
  std::uint64_t late_over_1ms = 0;
  double late_p50_us = 0.0, late_p99_us = 0.0, late_max_us = 0.0;
  double update_p50_us = 0.0, update_p99_us = 0.0, update_max_us = 0.0;
};

// The controller and what is known of its loop. The loop's thread calls begin(), done() and controller.update(), and
// sets `running`; everybody may read.
class Loop {
 public:
  Loop(bc::ControllerConfig config, const std::string& robot_description)
      : controller(std::move(config), robot_description) {}

  bc::Controller controller;
  std::atomic<bool> running{false};  // between activation and deactivation

  // A period begins; `first`: of an activation.
  void begin(std::int64_t steady_ns, bool first) {
    const std::int64_t elapsed = steady_ns - last_ns_;
    last_ns_ = steady_ns;
    if (first) return;
    late_.add(elapsed > controller.config().period_ns ? elapsed - controller.config().period_ns : 0);
    active_ns_.fetch_add(elapsed, std::memory_order_relaxed);
  }
  void done() { update_.add(steady_now() - last_ns_); }

  LoopStatus status() const {
    LoopStatus status;
    const double active = static_cast<double>(active_ns_.load(std::memory_order_relaxed)) * 1e-9;
    if (active > 0.0) status.rate_hz = static_cast<double>(late_.count()) / active;
    status.realtime_factor = status.rate_hz * static_cast<double>(controller.config().period_ns) * 1e-9;
    status.late_over_1ms = late_.count_over_1ms();
    status.late_p50_us = late_.quantile_us(0.5);
    status.late_p99_us = late_.quantile_us(0.99);
    status.late_max_us = late_.maximum_us();
    status.update_p50_us = update_.quantile_us(0.5);
    status.update_p99_us = update_.quantile_us(0.99);
    status.update_max_us = update_.maximum_us();
    return status;
  }

 private:
  std::int64_t last_ns_ = 0;
  bc::DurationHistogram late_, update_;
  std::atomic<std::int64_t> active_ns_{0};
};

}  // namespace bc_plugins
