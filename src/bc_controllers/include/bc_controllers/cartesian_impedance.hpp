// Cartesian impedance with a posture task in the nullspace (docs/controllers.md has the equations and their sources).
#pragma once

#include "bc_controllers/config.hpp"
#include "bc_controllers/robot_model.hpp"
#include "bc_controllers/torque_law.hpp"

namespace bc {

class CartesianImpedance final : public TorqueLaw {
 public:
  CartesianImpedance(const ControllerConfig& config, RobotModel& model);
  bool torque(const Measurement& measured, const Setpoint& setpoint, const Settings& settings, double share,
              JointVector& torque) override;

 private:
  RobotModel& model_;
  std::size_t joints_;
  bool tool_axes_, dynamic_, shaping_;
  Vector6 shaped_inertia_{}, least_damping_{};
  double translation_error_, rotation_error_;
  KinematicsConfig kinematics_;
};

}  // namespace bc
