#include "configuration.hpp"

#include <algorithm>
#include <cmath>

namespace bc_plugins {

namespace {

std::int64_t nanoseconds(double seconds) {
  return static_cast<std::int64_t>(std::llround(seconds * 1e9));
}

void check_gripper(const chunk_controller::Params::Gripper& gripper) {
  const auto refuse = [&gripper](const std::string& why) {
    throw bc::ConfigError("gripper '" + gripper.name + "': " + why);
  };
  if (gripper.name.empty()) return;
  if (gripper.joints.empty()) refuse("gripper.joints is empty: name the joints that make up its opening");
  if (gripper.commanded.empty()) refuse("gripper.commanded is empty: name the joints that take its command");
  if (gripper.travel.size() != gripper.joints.size()) {
    refuse("gripper.travel has " + std::to_string(gripper.travel.size()) + " values for " +
           std::to_string(gripper.joints.size()) + " joints: give one per joint");
  }
  for (const double travel : gripper.travel) {
    if (!std::isfinite(travel) || travel == 0.0) refuse("a value of gripper.travel is not finite, or zero: correct it");
  }
  for (const std::string& joint : gripper.commanded) {
    if (std::find(gripper.joints.begin(), gripper.joints.end(), joint) == gripper.joints.end()) {
      refuse("'" + joint + "' of gripper.commanded is not in gripper.joints: add it there");
    }
  }
}

}  // namespace

bc::ControllerConfig configuration(const chunk_controller::Params& parameters, unsigned int update_rate) {
  check_gripper(parameters.gripper);
  if (update_rate == 0) throw bc::ConfigError("update_rate is 0 Hz: set the controller manager's");
  bc::ControllerConfig config;
  config.period_ns = 1'000'000'000 / update_rate;
  config.base_frame = parameters.base_frame;
  config.tcp_frame = parameters.tcp_frame;
  config.joints = parameters.joints;
  config.groups.push_back({parameters.arm_group, bc::Space::kJointPosition, parameters.joints});
  if (!parameters.gripper.name.empty()) {
    config.groups.push_back({parameters.gripper.group, bc::Space::kGripper, {parameters.gripper.name}});
  }

  config.stiffness = parameters.impedance.stiffness;
  config.damping = parameters.impedance.damping;
  config.gravity_compensation = parameters.impedance.gravity_compensation;
  config.coriolis_compensation = parameters.impedance.coriolis_compensation;

  config.position_margin = parameters.limits.position_margin;
  config.velocity = parameters.limits.velocity;
  config.acceleration = parameters.limits.acceleration;
  config.peak_acceleration = parameters.limits.peak_acceleration;
  config.torque = parameters.limits.torque;
  config.torque_rate = parameters.limits.torque_rate;
  config.gripper_lower = parameters.limits.gripper_opening[0];
  config.gripper_upper = parameters.limits.gripper_opening[1];
  config.gripper_velocity = parameters.limits.gripper_velocity;

  const auto& space = parameters.workspace;
  config.workspace = {space.lower,
                      space.upper,
                      space.linear_velocity,
                      space.angular_velocity,
                      space.linear_acceleration,
                      space.angular_acceleration,
                      space.peak_acceleration};
  config.blend_time_ns = nanoseconds(parameters.blend_time);
  config.hold_time_ns = nanoseconds(parameters.ladder.hold_time);
  config.lease_time_ns = nanoseconds(parameters.ladder.lease_time);
  config.compliant_time_ns = nanoseconds(parameters.ladder.compliant_time);
  config.compliant_scale = parameters.ladder.compliant_scale;
  config.recovery_time_ns = nanoseconds(parameters.ladder.recovery_time);
  config.frozen_encoder_motion = parameters.safety.frozen_encoder_motion;
  return config;
}

}  // namespace bc_plugins
