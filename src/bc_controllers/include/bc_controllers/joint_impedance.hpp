// Joint impedance: torque = s K (q_d - q) + sqrt(s) D (dq_d - dq) + J^T W.
#pragma once

#include "bc_controllers/config.hpp"
#include "bc_controllers/robot_model.hpp"
#include "bc_controllers/torque_law.hpp"

namespace bc {

class JointImpedance final : public TorqueLaw {
 public:
  JointImpedance(const ControllerConfig& config, RobotModel& model);
  bool torque(const Measurement& measured, const Setpoint& setpoint, const Settings& settings, double share,
              JointVector& torque) override;

 private:
  RobotModel& model_;
  std::size_t joints_;
  JointVector most_error_{};
};

}  // namespace bc
