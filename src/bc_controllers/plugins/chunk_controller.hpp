// A robot's controller in ros2_control: a shell around bc::Controller.
#pragma once

#include <controller_interface/controller_interface.hpp>
#include <memory>
#include <string>
#include <vector>

#include "bc_controllers/chunk_controller_parameters.hpp"
#include "link.hpp"
#include "live_parameters.hpp"
#include "loop.hpp"
#include "trajectory_action.hpp"

namespace bc_plugins {

// What all plugins share; they differ in what they command to the joints. update() allocates, locks, logs and throws
// nothing. Time: chunks are stamped in ROS time, which update() is given; watchdogs run on the steady clock.
class ChunkController : public controller_interface::ControllerInterface {
 public:
  using Callback = controller_interface::CallbackReturn;

  controller_interface::InterfaceConfiguration command_interface_configuration() const override;
  controller_interface::InterfaceConfiguration state_interface_configuration() const override;
  controller_interface::return_type update(const rclcpp::Time& time, const rclcpp::Duration& period) override;

  Callback on_init() override;
  Callback on_configure(const rclcpp_lifecycle::State& previous) override;
  Callback on_activate(const rclcpp_lifecycle::State& previous) override;
  Callback on_deactivate(const rclcpp_lifecycle::State& previous) override;
  Callback on_cleanup(const rclcpp_lifecycle::State& previous) override;
  Callback on_error(const rclcpp_lifecycle::State& previous) override;
  Callback on_shutdown(const rclcpp_lifecycle::State& previous) override;

 protected:
  virtual bc::Output output() const = 0;
  // The command interface of this output where the parameter names none.
  virtual std::string default_command_interface() const = 0;
  // A joint's command in this period.
  virtual double command(const bc::Command& command, std::size_t joint) const = 0;
  // What a joint is left with, measured at `position`, when nobody commands it any more.
  virtual double parting_command(double position) const = 0;

 private:
  bool read();
  bool write(const bc::Command& command);
  bool write_opening(double opening);
  double held_opening() const;
  void clear();

  std::shared_ptr<chunk_controller::ParamListener> listener_;
  chunk_controller::Params parameters_;
  std::string command_interface_;
  std::shared_ptr<Loop> loop_;
  std::shared_ptr<Link> link_;
  std::shared_ptr<TrajectoryAction> action_;  // none where chunks hold a pose
  std::unique_ptr<LiveParameters> live_;

  // The loop's.
  std::size_t joints_ = 0;
  std::vector<double> travel_, commanded_travel_;  // of the gripper's joints, per metre of opening
  bc::JointVector position_{}, velocity_{};
  double opening_ = 0.0;
  int missed_ = 0;  // periods in a row in which a value could not be exchanged with the hardware
  bool first_ = true, faulted_ = false;
};

}  // namespace bc_plugins
