#include "bc_controllers/joint_impedance.hpp"

#include <algorithm>
#include <cmath>

namespace bc {

JointImpedance::JointImpedance(const ControllerConfig& config, RobotModel& model)
    : model_(model),
      joints_(config.stiffness.size()),
      gravity_(config.gravity_compensation),
      coriolis_(config.coriolis_compensation) {
  std::copy(config.stiffness.begin(), config.stiffness.end(), stiffness_.begin());
  std::copy(config.damping.begin(), config.damping.end(), damping_.begin());
}

void JointImpedance::torque(const double* position, const double* velocity, const JointVector& position_reference,
                            const JointVector& velocity_reference, double stiffness_scale, JointVector& torque) {
  model_.compensation(position, velocity, gravity_, coriolis_, torque);
  const double damping_scale = std::sqrt(stiffness_scale);
  for (std::size_t i = 0; i < joints_; ++i) {
    torque[i] += stiffness_scale * stiffness_[i] * (position_reference[i] - position[i]) +
                 damping_scale * damping_[i] * (velocity_reference[i] - velocity[i]);
  }
}

void JointImpedance::rest(const double* position, JointVector& torque) {
  const JointVector still{};
  model_.compensation(position, still.data(), gravity_, false, torque);
}

}  // namespace bc
