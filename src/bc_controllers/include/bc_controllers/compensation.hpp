// Torques that a model owes the arm whatever it is to do: gravity, Coriolis, inertia, friction, payload.
#pragma once

#include "bc_controllers/config.hpp"
#include "bc_controllers/robot_model.hpp"
#include "bc_controllers/torque_law.hpp"

namespace bc {

class Compensation {
 public:
  Compensation(const ControllerConfig& config, RobotModel& model);
  void torque(const Measurement& measured, const Setpoint& setpoint, JointVector& torque);
  // What holds the arm against gravity alone (nil where the robot does so itself).
  void rest(const double* position, JointVector& torque);

 private:
  RobotModel& model_;
  std::size_t joints_;
  bool gravity_, coriolis_, inertia_;
  JointVector coulomb_{}, viscous_{};
  double friction_velocity_;
};

}  // namespace bc
