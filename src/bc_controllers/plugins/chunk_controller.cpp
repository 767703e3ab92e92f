#include "chunk_controller.hpp"

#include <algorithm>
#include <cmath>

#include "configuration.hpp"

namespace bc_plugins {

using controller_interface::InterfaceConfiguration;
using controller_interface::return_type;

namespace {

constexpr int kMaxMissed = 5;  // a value of the period before may stand in for so many periods

InterfaceConfiguration individual() {
  return {controller_interface::interface_configuration_type::INDIVIDUAL, {}};
}

bool take(const hardware_interface::LoanedStateInterface& interface, double& value) {
  const std::optional<double> reading = interface.get_optional<double>();
  if (reading.has_value()) value = *reading;
  return reading.has_value();
}

}  // namespace

ChunkController::Callback ChunkController::on_init() {
  try {
    listener_ = std::make_shared<chunk_controller::ParamListener>(get_node());
    parameters_ = listener_->get_params();
  } catch (const std::exception& error) {
    RCLCPP_ERROR(get_node()->get_logger(), "parameters are refused: %s", error.what());
    return Callback::ERROR;
  }
  return Callback::SUCCESS;
}

ChunkController::Callback ChunkController::on_configure(const rclcpp_lifecycle::State&) {
  clear();
  try {
    parameters_ = listener_->get_params();
    command_interface_ =
        parameters_.command_interface.empty() ? default_command_interface() : parameters_.command_interface;
    loop_ = std::make_shared<Loop>(configuration(parameters_, output(), get_update_rate()), get_robot_description());
    link_ = Link::make(*get_node(), loop_, parameters_.state_rate);
    if (!loop_->controller.config().has_pose()) {
      action_ = TrajectoryAction::make(*get_node(), link_, parameters_.trajectory);
    }
    live_ = std::make_unique<LiveParameters>(*get_node(), loop_);
  } catch (const std::exception& error) {
    RCLCPP_ERROR(get_node()->get_logger(), "configuration is refused: %s", error.what());
    clear();
    return Callback::ERROR;
  }
  const auto& gripper = parameters_.gripper;
  joints_ = parameters_.joints.size();
  travel_ = gripper.name.empty() ? std::vector<double>() : gripper.travel;
  commanded_travel_.clear();
  if (gripper.name.empty()) return Callback::SUCCESS;
  for (const std::string& joint : gripper.commanded) {
    const auto at = std::find(gripper.joints.begin(), gripper.joints.end(), joint) - gripper.joints.begin();
    commanded_travel_.push_back(gripper.travel[static_cast<std::size_t>(at)]);
  }
  return Callback::SUCCESS;
}

InterfaceConfiguration ChunkController::command_interface_configuration() const {
  InterfaceConfiguration configuration = individual();
  for (const std::string& joint : parameters_.joints) configuration.names.push_back(joint + "/" + command_interface_);
  if (parameters_.gripper.name.empty()) return configuration;
  for (const std::string& joint : parameters_.gripper.commanded) {
    configuration.names.push_back(joint + "/" + parameters_.gripper.command_interface);
  }
  return configuration;
}

// Positions of all joints, their velocities, positions of the gripper's joints.
InterfaceConfiguration ChunkController::state_interface_configuration() const {
  InterfaceConfiguration configuration = individual();
  for (const char* value : {"/position", "/velocity"}) {
    for (const std::string& joint : parameters_.joints) configuration.names.push_back(joint + value);
  }
  if (parameters_.gripper.name.empty()) return configuration;
  for (const std::string& joint : parameters_.gripper.joints) configuration.names.push_back(joint + "/position");
  return configuration;
}

ChunkController::Callback ChunkController::on_activate(const rclcpp_lifecycle::State&) {
  const bool complete = read();
  for (const auto& interface : state_interfaces_) {
    const std::optional<double> value = interface.get_optional<double>();
    if (complete && value.has_value() && std::isfinite(*value)) continue;
    RCLCPP_ERROR(get_node()->get_logger(), "activation is refused: state interface '%s' has no finite value yet",
                 interface.get_name().c_str());
    return Callback::FAILURE;  // it stays inactive, configured: the next attempt may succeed
  }
  missed_ = 0;
  first_ = true;
  faulted_ = loop_->controller.faulted();
  loop_->controller.begin_again("activated");
  // The first period is now: the hardware, which has just changed to this command, must not be left with none.
  const bc::Command first = loop_->controller.update(get_node()->now().nanoseconds(), steady_now(), position_.data(),
                                                     velocity_.data(), held_opening());
  if (!write(first)) {
    RCLCPP_ERROR(get_node()->get_logger(), "activation is refused: the hardware does not take a first command");
    return Callback::FAILURE;
  }
  loop_->running.store(true, std::memory_order_release);
  return Callback::SUCCESS;
}

// What the gripper is told at the moment: it keeps its grip, on whatever it holds. Where it is when it is told nothing.
double ChunkController::held_opening() const {
  if (commanded_travel_.empty()) return opening_;
  const std::optional<double> told = command_interfaces_[joints_].get_optional<double>();
  return told.has_value() && std::isfinite(*told) ? *told / commanded_travel_.front() : opening_;
}

return_type ChunkController::update(const rclcpp::Time& time, const rclcpp::Duration&) {
  const std::int64_t steady = steady_now();
  loop_->begin(steady, first_);
  first_ = false;
  const bool heard = read();
  const bc::Command command =
      loop_->controller.update(time.nanoseconds(), steady, position_.data(), velocity_.data(), opening_);
  const bool said = write(command);
  loop_->done();
  missed_ = heard && said ? 0 : missed_ + 1;
  const bool new_fault = loop_->controller.faulted() && !faulted_;
  faulted_ = loop_->controller.faulted();
  const bool give_up = missed_ > kMaxMissed || (new_fault && parameters_.error_on_fault);
  return give_up ? return_type::ERROR : return_type::OK;
}

// False when a value could not be had; the one before stays.
bool ChunkController::read() {
  bool complete = true;
  for (std::size_t i = 0; i < joints_; ++i) {
    complete &= take(state_interfaces_[i], position_[i]);
    complete &= take(state_interfaces_[joints_ + i], velocity_[i]);
  }
  if (travel_.empty()) return complete;
  // Fingers that are not quite where they should be: their mean tells the opening.
  double sum = 0.0;
  for (std::size_t i = 0; i < travel_.size(); ++i) {
    double position = opening_ * travel_[i];
    complete &= take(state_interfaces_[2 * joints_ + i], position);
    sum += position / travel_[i];
  }
  opening_ = sum / static_cast<double>(travel_.size());
  return complete;
}

bool ChunkController::write(const bc::Command& command) {
  bool complete = true;
  for (std::size_t i = 0; i < joints_; ++i) {
    complete &= command_interfaces_[i].set_value(this->command(command, i));
  }
  return write_opening(command.gripper) && complete;
}

bool ChunkController::write_opening(double opening) {
  bool complete = true;
  for (std::size_t i = 0; i < commanded_travel_.size(); ++i) {
    complete &= command_interfaces_[joints_ + i].set_value(opening * commanded_travel_[i]);
  }
  return complete;
}

// Whoever comes next, in the same period or never: no command of ours acts on. The gripper keeps its grip.
ChunkController::Callback ChunkController::on_deactivate(const rclcpp_lifecycle::State&) {
  loop_->running.store(false, std::memory_order_release);
  loop_->controller.end(get_node()->now().nanoseconds(), "deactivated");
  bool complete = true;
  for (std::size_t i = 0; i < joints_ && i < command_interfaces_.size(); ++i) {
    complete &= command_interfaces_[i].set_value(parting_command(position_[i]));
  }
  if (!complete)
    RCLCPP_ERROR(get_node()->get_logger(), "a joint kept its last command: the hardware did not take ours");
  return Callback::SUCCESS;
}

ChunkController::Callback ChunkController::on_cleanup(const rclcpp_lifecycle::State&) {
  clear();
  return Callback::SUCCESS;
}

ChunkController::Callback ChunkController::on_error(const rclcpp_lifecycle::State&) {
  clear();
  return Callback::SUCCESS;
}

ChunkController::Callback ChunkController::on_shutdown(const rclcpp_lifecycle::State&) {
  clear();
  return Callback::SUCCESS;
}

void ChunkController::clear() {
  if (loop_) loop_->running.store(false, std::memory_order_release);
  live_.reset();
  action_.reset();
  link_.reset();
  loop_.reset();
}

}  // namespace bc_plugins
