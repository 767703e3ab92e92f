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

// Limits a commanded position in range, speed and lead over the measured one.
class PositionLimiter {
 public:
  explicit PositionLimiter(const ControllerConfig& config);
  void reset(const double* position);
  // Whether a position had to be changed. `clipped`: because it was too far from the measured one.
  bool limit(const double* measured, JointVector& position, double seconds, bool& clipped);
  const JointVector& last() const { return last_; }

 private:
  std::size_t joints_;
  JointVector lower_{}, upper_{}, velocity_{}, most_lead_{};
  JointVector last_{};
};

// Pushes measured joints back into their range, and takes from fast ones what drives them on.
class JointGuard {
 public:
  // `fastest`: what the URDF allows, per joint [rad/s].
  JointGuard(const ControllerConfig& config, const std::vector<double>& fastest);
  // `torque` is what acts beyond the model's compensation.
  void guard(const double* position, const double* velocity, const JointVector& damping, JointVector& torque);
  bool repelled() const { return repelled_; }  // in the last call
  bool overspeed() const { return overspeed_; }

 private:
  std::size_t joints_;
  JointVector lower_{}, upper_{}, repulsion_{}, fastest_{};
  bool repelled_ = false, overspeed_ = false;
};

// An encoder that repeats one value to the bit while its joint is sent somewhere else, or says that it moves.
class FrozenEncoder {
 public:
  explicit FrozenEncoder(const ControllerConfig& config);
  void reset(const double* position, const JointVector& reference);
  // The joint found frozen, or -1.
  int check(const double* position, const double* velocity, const JointVector& reference, double seconds);

 private:
  std::size_t joints_;
  double motion_;
  JointVector reading_{};
  JointVector reference_then_{};  // when the reading changed last
  JointVector moved_{};           // since then, by the measured velocity
};

}  // namespace bc
