// Last limits before the motors, and what tells that a measurement cannot be trusted.
#pragma once

#include "bc_controllers/config.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

bool all_finite(const double* values, std::size_t count);

// Limits torque in size and in change per second.
class TorqueLimiter {
 public:
  explicit TorqueLimiter(const ControllerConfig& config);
  void reset(const JointVector& torque);  // the torque that acts now, from which changes are counted
  void limit(JointVector& torque, double seconds);
  bool size_limited() const { return size_limited_; }  // in the last call
  bool rate_limited() const { return rate_limited_; }
  const JointVector& last() const { return last_; }

 private:
  std::size_t joints_;
  JointVector max_{};
  double max_rate_;
  JointVector last_{};
  bool size_limited_ = false;
  bool rate_limited_ = false;
};

// An encoder that repeats one value to the bit while its joint is sent somewhere else.
class FrozenEncoder {
 public:
  explicit FrozenEncoder(const ControllerConfig& config);
  void reset(const double* position, const JointVector& reference);
  // The joint found frozen, or -1.
  int check(const double* position, const JointVector& reference);

 private:
  std::size_t joints_;
  double motion_;
  JointVector reading_{};
  JointVector reference_then_{};  // when the reading changed last
};

}  // namespace bc
