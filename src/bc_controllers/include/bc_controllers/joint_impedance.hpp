// Joint impedance: torque = s K (q_d - q) + sqrt(s) D (dq_d - dq) + C(q, dq) dq + g(q).
#pragma once

#include "bc_controllers/config.hpp"
#include "bc_controllers/robot_model.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

// s, the share of stiffness in use, scales damping by its root: the damping ratio stays what it was.
class JointImpedance {
 public:
  JointImpedance(const ControllerConfig& config, RobotModel& model);
  void torque(const double* position, const double* velocity, const JointVector& position_reference,
              const JointVector& velocity_reference, double stiffness_scale, JointVector& torque);
  // What holds the arm against gravity alone (nil where the robot does so itself).
  void rest(const double* position, JointVector& torque);

 private:
  RobotModel& model_;
  std::size_t joints_;
  JointVector stiffness_{}, damping_{};
  bool gravity_, coriolis_;
};

}  // namespace bc
