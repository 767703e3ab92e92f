#include "bc_controllers/joint_impedance.hpp"

#include <algorithm>
#include <cmath>

#include "linear.hpp"

namespace bc {

JointImpedance::JointImpedance(const ControllerConfig& config, RobotModel& model)
    : model_(model), joints_(config.joint_names().size()) {
  std::copy(config.joint_error.begin(), config.joint_error.end(), most_error_.begin());
}

bool JointImpedance::torque(const Measurement& measured, const Setpoint& setpoint, const Settings& settings,
                            double share, JointVector& torque) {
  const double damping_share = std::sqrt(share);
  bool clipped = false;
  for (std::size_t i = 0; i < joints_; ++i) {
    const double error = setpoint.position[i] - measured.position[i];
    const double stretched = std::clamp(error, -most_error_[i], most_error_[i]);
    clipped |= stretched != error;
    torque[i] = share * settings.gains.stiffness[i] * stretched +
                damping_share * settings.gains.damping[i] * (setpoint.velocity[i] - measured.velocity[i]);
  }
  if (!as_task(settings.wrench).isZero(0.0)) {
    Kinematics tool;
    model_.kinematics(measured.position.data(), tool);
    as_joints(torque, joints_).noalias() += tool.jacobian.transpose() * as_task(settings.wrench);
  }
  return clipped;
}

}  // namespace bc
