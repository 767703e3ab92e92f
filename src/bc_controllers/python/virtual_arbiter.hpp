// Arbiter and reference without a robot, driven by clock readings: what the conformance suite talks to.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bc_controllers/arbiter.hpp"

namespace bc {

class VirtualArbiter {
 public:
  VirtualArbiter(ControllerConfig config, std::vector<double> position, double gripper)
      : config_(checked(std::move(config), position)), port_(config_), arbiter_(config_, port_) {
    arbiter_.relocate(0, position.data(), gripper, "start");
  }

  Port& port() { return port_; }
  Arbiter& arbiter() { return arbiter_; }
  std::int64_t now_ns() const { return now_.value_or(0); }

  // Every control period up to a time, in which both clocks agree.
  std::vector<double> advance(std::int64_t now_ns) {
    if (now_.has_value() && now_ns < *now_) {
      throw std::invalid_argument("time " + std::to_string(now_ns) + " ns lies before " + std::to_string(*now_) +
                                  " ns: use update() for clocks that jump");
    }
    while (now_.has_value() && *now_ + config_.period_ns < now_ns) {
      *now_ += config_.period_ns;
      steady_ += config_.period_ns;
      arbiter_.update(*now_, steady_);
    }
    return update(now_ns, now_.has_value() ? steady_ + (now_ns - *now_) : now_ns);
  }

  // One period at given readings of both clocks.
  std::vector<double> update(std::int64_t now_ns, std::int64_t steady_ns) {
    now_ = now_ns;
    steady_ = steady_ns;
    arbiter_.update(now_ns, steady_ns);
    std::vector<double> row(config_.width());
    arbiter_.reference().row(row.data());
    return row;
  }

  void fault(const std::string& reason) { arbiter_.fault(now_.value_or(0), reason); }

 private:
  static ControllerConfig checked(ControllerConfig config, const std::vector<double>& position) {
    validate_with_limits(config);
    const std::size_t values = config.has_pose() ? kPoseColumns : config.joint_names().size();
    if (position.size() != values) {
      throw std::invalid_argument("the place has " + std::to_string(position.size()) + " values, not " +
                                  std::to_string(values));
    }
    return config;
  }

  ControllerConfig config_;
  Port port_;
  Arbiter arbiter_;
  std::optional<std::int64_t> now_;
  std::int64_t steady_ = 0;
};

}  // namespace bc
