#include "live_parameters.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace bc_plugins {

namespace {

template <std::size_t N>
void copy(const rclcpp::Parameter& parameter, std::size_t count, std::array<double, N>& into) {
  const std::vector<double> values = parameter.as_double_array();
  if (values.size() != count) {
    throw bc::ConfigError(parameter.get_name() + " has " + std::to_string(values.size()) + " values: give " +
                          std::to_string(count));
  }
  std::copy(values.begin(), values.end(), into.begin());
}

bool take_gain(const rclcpp::Parameter& parameter, std::size_t joints, bc::Gains& gains) {
  const std::string& name = parameter.get_name();
  if (name == "impedance.stiffness") {
    copy(parameter, joints, gains.stiffness);
  } else if (name == "impedance.damping") {
    copy(parameter, joints, gains.damping);
  } else if (name == "cartesian.stiffness") {
    copy(parameter, 6, gains.cartesian_stiffness);
  } else if (name == "cartesian.damping_ratio") {
    copy(parameter, 6, gains.cartesian_damping_ratio);
  } else if (name == "cartesian.nullspace_stiffness") {
    copy(parameter, joints, gains.nullspace_stiffness);
  } else if (name == "cartesian.nullspace_damping_ratio") {
    gains.nullspace_damping_ratio = parameter.as_double();
  } else {
    return false;
  }
  return true;
}

// ConfigError names what is refused.
void apply(const std::vector<rclcpp::Parameter>& parameters, std::size_t joints, bc::LiveSettings& settings) {
  for (const rclcpp::Parameter& parameter : parameters) {
    if (parameter.get_name() == "gains.preset") settings.use_preset(parameter.as_string());
  }
  bc::Gains gains = settings.wanted().gains;
  bc::Payload payload = settings.wanted().payload;
  bool new_gains = false, new_payload = false;
  for (const rclcpp::Parameter& parameter : parameters) {
    new_gains |= take_gain(parameter, joints, gains);
    if (parameter.get_name() == "payload.mass") payload.mass = parameter.as_double(), new_payload = true;
    if (parameter.get_name() == "payload.center") copy(parameter, 3, payload.center), new_payload = true;
  }
  if (new_gains) settings.set_gains(gains);
  if (new_payload) settings.set_payload(payload);
}

}  // namespace

LiveParameters::LiveParameters(rclcpp_lifecycle::LifecycleNode& node, std::shared_ptr<Loop> loop)
    : loop_(std::move(loop)) {
  // Tried on settings of their own first, that start from those in use.
  judge_ = node.add_on_set_parameters_callback([loop = loop_](const std::vector<rclcpp::Parameter>& parameters) {
    rcl_interfaces::msg::SetParametersResult result;
    result.successful = true;
    try {
      const bc::Settings wanted = loop->controller.settings().wanted();
      bc::LiveSettings trial(loop->controller.config());
      trial.set_gains(wanted.gains);
      trial.set_payload(wanted.payload);
      apply(parameters, loop->controller.joints(), trial);
    } catch (const std::exception& error) {
      result.successful = false;
      result.reason = error.what();
    }
    return result;
  });
  take_ = node.add_post_set_parameters_callback([loop = loop_](const std::vector<rclcpp::Parameter>& parameters) {
    apply(parameters, loop->controller.joints(), loop->controller.settings());
  });
}

}  // namespace bc_plugins
