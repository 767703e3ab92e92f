#include "bc_controllers/safety.hpp"

#include <algorithm>
#include <cmath>

namespace bc {

namespace {
constexpr double kMoving = 0.05;  // [rad/s]: slower may be an estimator's bias over an encoder that stands
}

bool all_finite(const double* values, std::size_t count) {
  return std::all_of(values, values + count, [](double value) { return std::isfinite(value); });
}

TorqueLimiter::TorqueLimiter(const ControllerConfig& config)
    : joints_(config.torque.size()), max_rate_(config.torque_rate) {
  std::copy(config.torque.begin(), config.torque.end(), max_.begin());
}

void TorqueLimiter::reset(const JointVector& torque) {
  for (std::size_t i = 0; i < joints_; ++i) last_[i] = std::clamp(torque[i], -max_[i], max_[i]);
}

void TorqueLimiter::limit(JointVector& torque, double seconds) {
  size_limited_ = rate_limited_ = false;
  const double step = max_rate_ * seconds;
  for (std::size_t i = 0; i < joints_; ++i) {
    const double sized = std::clamp(torque[i], -max_[i], max_[i]);
    const double value = last_[i] + std::clamp(sized - last_[i], -step, step);
    size_limited_ |= sized != torque[i];
    rate_limited_ |= std::abs(sized - last_[i]) > step;
    torque[i] = last_[i] = value;
  }
}

PositionLimiter::PositionLimiter(const ControllerConfig& config) : joints_(config.joint_names().size()) {
  std::copy(config.position_lower.begin(), config.position_lower.end(), lower_.begin());
  std::copy(config.position_upper.begin(), config.position_upper.end(), upper_.begin());
  std::copy(config.velocity.begin(), config.velocity.end(), velocity_.begin());
  std::copy(config.joint_error.begin(), config.joint_error.end(), most_lead_.begin());
}

void PositionLimiter::reset(const double* position) {
  std::copy_n(position, joints_, last_.begin());
}

bool PositionLimiter::limit(const double* measured, JointVector& position, double seconds, bool& clipped) {
  bool limited = false;
  clipped = false;
  for (std::size_t i = 0; i < joints_; ++i) {
    const double near = std::clamp(position[i], measured[i] - most_lead_[i], measured[i] + most_lead_[i]);
    clipped |= near != position[i];
    // A start outside the range may only come nearer to it.
    const double inside = std::clamp(near, std::min(lower_[i], last_[i]), std::max(upper_[i], last_[i]));
    const double step = velocity_[i] * seconds * (1.0 + 1e-6);
    const double value = last_[i] + std::clamp(inside - last_[i], -step, step);
    limited |= inside != near || std::abs(inside - last_[i]) > step;
    position[i] = last_[i] = std::abs(inside - last_[i]) > step ? value : inside;
  }
  return limited;
}

JointGuard::JointGuard(const ControllerConfig& config, const std::vector<double>& fastest)
    : joints_(config.joint_names().size()) {
  std::copy(config.position_lower.begin(), config.position_lower.end(), lower_.begin());
  std::copy(config.position_upper.begin(), config.position_upper.end(), upper_.begin());
  std::copy(config.repulsion.begin(), config.repulsion.end(), repulsion_.begin());
  for (std::size_t i = 0; i < joints_; ++i) fastest_[i] = (1.0 - config.velocity_margin) * fastest[i];
}

void JointGuard::guard(const double* position, const double* velocity, const JointVector& damping,
                       JointVector& torque) {
  repelled_ = overspeed_ = false;
  for (std::size_t i = 0; i < joints_; ++i) {
    const double depth = position[i] - std::clamp(position[i], lower_[i], upper_[i]);
    if (depth != 0.0 && repulsion_[i] > 0.0) {
      torque[i] -= repulsion_[i] * depth;
      repelled_ = true;
    }
    const double excess = std::abs(velocity[i]) - fastest_[i];
    if (excess <= 0.0) continue;
    const double way = velocity[i] > 0.0 ? 1.0 : -1.0;
    torque[i] = way * std::min(way * torque[i], -damping[i] * excess);
    overspeed_ = true;
  }
}

FrozenEncoder::FrozenEncoder(const ControllerConfig& config)
    : joints_(config.joint_names().size()), motion_(config.frozen_encoder_motion) {}

void FrozenEncoder::reset(const double* position, const JointVector& reference) {
  std::copy_n(position, joints_, reading_.begin());
  reference_then_ = reference;
  moved_.fill(0.0);
}

int FrozenEncoder::check(const double* position, const double* velocity, const JointVector& reference, double seconds) {
  int frozen = -1;
  for (std::size_t i = 0; i < joints_; ++i) {
    if (std::abs(velocity[i]) > kMoving) moved_[i] += velocity[i] * seconds;
    if (position[i] != reading_[i]) {
      reading_[i] = position[i];
      reference_then_[i] = reference[i];
      moved_[i] = 0.0;
    } else if (std::abs(reference[i] - reference_then_[i]) > motion_ || std::abs(moved_[i]) > motion_) {
      frozen = static_cast<int>(i);
    }
  }
  return frozen;
}

}  // namespace bc
