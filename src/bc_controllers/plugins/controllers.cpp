// The plugins by name: what each commands to the joints.
#include <pluginlib/class_list_macros.hpp>

#include "chunk_controller.hpp"

namespace bc_controllers {

// Nobody commands: no torque, as joint_trajectory_controller leaves an effort interface.
class TorqueController : public bc_plugins::ChunkController {
 protected:
  std::string default_command_interface() const override { return "effort"; }
  double command(const bc::Command& command, std::size_t joint) const override { return command.torque[joint]; }
  double parting_command(double) const override { return 0.0; }
};

class JointImpedanceController : public TorqueController {
 protected:
  bc::Output output() const override { return bc::Output::kJointImpedance; }
};

class CartesianImpedanceController : public TorqueController {
 protected:
  bc::Output output() const override { return bc::Output::kCartesianImpedance; }
};

// Nobody commands: the arm stays where it is.
class PositionChunkController : public bc_plugins::ChunkController {
 protected:
  bc::Output output() const override { return bc::Output::kPosition; }
  std::string default_command_interface() const override { return "position"; }
  double command(const bc::Command& command, std::size_t joint) const override { return command.position[joint]; }
  double parting_command(double position) const override { return position; }
};

}  // namespace bc_controllers

PLUGINLIB_EXPORT_CLASS(bc_controllers::JointImpedanceController, controller_interface::ControllerInterface)
PLUGINLIB_EXPORT_CLASS(bc_controllers::CartesianImpedanceController, controller_interface::ControllerInterface)
PLUGINLIB_EXPORT_CLASS(bc_controllers::PositionChunkController, controller_interface::ControllerInterface)
