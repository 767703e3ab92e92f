// The plugins by name: what each commands to the joints.
#include <pluginlib/class_list_macros.hpp>

#include "chunk_controller.hpp"

namespace bc_controllers {

// Torques of joint impedance. Nobody commands: no torque, as joint_trajectory_controller leaves an effort interface.
class JointImpedanceController : public bc_plugins::ChunkController {
 protected:
  std::string default_command_interface() const override { return "effort"; }
  double command(const bc::Command& command, std::size_t joint) const override { return command.torque[joint]; }
  double parting_command(double) const override { return 0.0; }
};

}  // namespace bc_controllers

PLUGINLIB_EXPORT_CLASS(bc_controllers::JointImpedanceController, controller_interface::ControllerInterface)
