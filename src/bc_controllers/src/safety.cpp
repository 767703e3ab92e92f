#include "bc_controllers/safety.hpp"

#include <algorithm>
#include <cmath>

namespace bc {

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

FrozenEncoder::FrozenEncoder(const ControllerConfig& config)
    : joints_(config.joint_names().size()), motion_(config.frozen_encoder_motion) {}

void FrozenEncoder::reset(const double* position, const JointVector& reference) {
  std::copy_n(position, joints_, reading_.begin());
  reference_then_ = reference;
}

int FrozenEncoder::check(const double* position, const JointVector& reference) {
  int frozen = -1;
  for (std::size_t i = 0; i < joints_; ++i) {
    if (position[i] != reading_[i]) {
      reading_[i] = position[i];
      reference_then_[i] = reference[i];
    } else if (std::abs(reference[i] - reference_then_[i]) > motion_) {
      frozen = static_cast<int>(i);
    }
  }
  return frozen;
}

}  // namespace bc
