// An arm for ros2_control where there is none: rigid-body dynamics of the URDF in the place of the hardware.
#pragma once

#include <hardware_interface/system_interface.hpp>
#include <memory>
#include <string>
#include <vector>

namespace bc_plugins {

// Joints with an effort command move by their torque (forward dynamics through Pinocchio, symplectic Euler in steps of
// a millisecond at most; no contacts, no friction but the URDF's damping); those with a position command go where it
// says. A joint that no controller commands is braked: it stands. Joints start at the initial_value of their position
// state interface. A loop that falls behind by more than 20 ms in a period sees a slower world, not a longer period.
// Hardware parameters: `armature`, reflected rotor inertia of every joint [kg m^2], not in URDFs;
// `compensates_gravity`: true for an arm whose driver adds the torques that hold it up to those that are commanded.
class RigidBodySystem : public hardware_interface::SystemInterface {
 public:
  using Callback = hardware_interface::CallbackReturn;
  using Return = hardware_interface::return_type;

  RigidBodySystem();
  ~RigidBodySystem() override;
  Callback on_init(const hardware_interface::HardwareComponentInterfaceParams& params) override;
  Callback on_activate(const rclcpp_lifecycle::State& previous) override;
  Return perform_command_mode_switch(const std::vector<std::string>& start,
                                     const std::vector<std::string>& stop) override;
  Return read(const rclcpp::Time& time, const rclcpp::Duration& period) override;
  Return write(const rclcpp::Time& time, const rclcpp::Duration& period) override;

 private:
  struct Model;
  enum class Drive { kBraked, kEffort, kPosition };
  struct Joint {
    std::string name;
    Drive drive = Drive::kBraked;
    double position = 0.0, velocity = 0.0, command = 0.0;
    int index = -1;  // in the model's vectors
  };

  void step(double seconds);

  std::unique_ptr<Model> model_;
  std::vector<Joint> joints_;
};

}  // namespace bc_plugins
