#include "bc_controllers/compensation.hpp"

#include <algorithm>
#include <cmath>

namespace bc {

Compensation::Compensation(const ControllerConfig& config, RobotModel& model)
    : model_(model),
      joints_(config.joint_names().size()),
      gravity_(config.gravity_compensation),
      coriolis_(config.coriolis_compensation),
      inertia_(config.inertia_compensation),
      friction_velocity_(config.friction.velocity) {
  std::copy(config.friction.coulomb.begin(), config.friction.coulomb.end(), coulomb_.begin());
  std::copy(config.friction.viscous.begin(), config.friction.viscous.end(), viscous_.begin());
}

// Friction goes by the setpoint's velocity, not by the measured one: it cannot feed itself.
void Compensation::torque(const Measurement& measured, const Setpoint& setpoint, JointVector& torque) {
  model_.compensation(measured.position.data(), measured.velocity.data(), gravity_, coriolis_, torque);
  JointVector inertia{};
  if (inertia_) model_.inertia(measured.position.data(), setpoint.acceleration.data(), inertia);
  for (std::size_t i = 0; i < joints_; ++i) {
    const double rate = setpoint.velocity[i];
    torque[i] += inertia[i] + coulomb_[i] * std::tanh(rate / friction_velocity_) + viscous_[i] * rate;
  }
}

void Compensation::rest(const double* position, JointVector& torque) {
  const JointVector still{};
  model_.compensation(position, still.data(), gravity_, false, torque);
}

}  // namespace bc
