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

std::vector<bc::GroupLayout> groups(const chunk_controller::Params& parameters) {
  std::vector<bc::GroupLayout> groups;
  if (parameters.space == "cartesian_pose") {
    groups.push_back(
        {parameters.arm_group, bc::Space::kCartesianPose, {}, parameters.tcp_frame, parameters.base_frame});
  } else {
    groups.push_back({parameters.arm_group, bc::Space::kJointPosition, parameters.joints});
  }
  if (!parameters.gripper.name.empty()) {
    groups.push_back({parameters.gripper.group, bc::Space::kGripper, {parameters.gripper.name}});
  }
  return groups;
}

bc::CartesianConfig cartesian(const chunk_controller::Params::Cartesian& section) {
  bc::CartesianConfig config;
  config.stiffness_frame = section.stiffness_frame;
  config.stiffness = section.stiffness;
  config.damping_ratio = section.damping_ratio;
  config.least_damping = section.least_damping;
  config.nullspace_stiffness = section.nullspace_stiffness;
  config.nullspace_damping_ratio = section.nullspace_damping_ratio;
  config.projector = section.projector;
  config.inertia_shaping = section.inertia_shaping;
  config.shaped_inertia = section.shaped_inertia;
  config.translation_error = section.translation_error;
  config.rotation_error = section.rotation_error;
  return config;
}

bc::SettingsConfig settings(const chunk_controller::Params::Gains& section) {
  bc::SettingsConfig config;
  for (const std::string& name : section.presets.names) {
    const auto& preset = section.presets.names_map.at(name);
    config.presets.push_back({name, preset.stiffness, preset.damping_ratio});
  }
  config.preset = section.preset;
  config.most = section.most;
  config.time = section.time;
  config.payload_mass = section.payload_mass;
  config.wrench_force = section.wrench_force;
  config.wrench_torque = section.wrench_torque;
  config.wrench_time_ns = nanoseconds(section.wrench_time);
  return config;
}

void take_limits(const chunk_controller::Params::Limits& section, bc::ControllerConfig& config) {
  config.position_margin = section.position_margin;
  config.velocity = section.velocity;
  config.acceleration = section.acceleration;
  config.peak_acceleration = section.peak_acceleration;
  config.velocity_margin = section.velocity_margin;
  config.joint_error = section.joint_error;
  config.repulsion = section.repulsion;
  config.torque = section.torque;
  config.torque_rate = section.torque_rate;
  config.gripper_lower = section.gripper_opening[0];
  config.gripper_upper = section.gripper_opening[1];
  config.gripper_velocity = section.gripper_velocity;
}

}  // namespace

bc::ControllerConfig configuration(const chunk_controller::Params& parameters, bc::Output output,
                                   unsigned int update_rate) {
  check_gripper(parameters.gripper);
  if (update_rate == 0) throw bc::ConfigError("update_rate is 0 Hz: set the controller manager's");
  bc::ControllerConfig config;
  config.period_ns = 1'000'000'000 / update_rate;
  config.output = output;
  config.base_frame = parameters.base_frame;
  config.tcp_frame = parameters.tcp_frame;
  config.groups = groups(parameters);
  config.joints = parameters.joints;
  config.armature = parameters.armature;
  config.stiffness = parameters.impedance.stiffness;
  config.damping = parameters.impedance.damping;
  config.gravity_compensation = parameters.impedance.gravity_compensation;
  config.coriolis_compensation = parameters.impedance.coriolis_compensation;
  config.inertia_compensation = parameters.impedance.inertia_compensation;
  config.cartesian = cartesian(parameters.cartesian);
  const auto& kinematics = parameters.kinematics;
  config.kinematics = {kinematics.posture, kinematics.posture_time, kinematics.error_time, kinematics.damping,
                       kinematics.manipulability};
  config.friction = {parameters.friction.coulomb, parameters.friction.viscous, parameters.friction.velocity};
  config.payload.mass = parameters.payload.mass;
  std::copy_n(parameters.payload.center.begin(), 3, config.payload.center.begin());
  config.settings = settings(parameters.gains);
  take_limits(parameters.limits, config);
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
  config.clock_tolerance_ns = nanoseconds(parameters.safety.clock_tolerance);
  config.receive_time_ns = nanoseconds(parameters.safety.receive_time);
  config.frozen_encoder_motion = parameters.safety.frozen_encoder_motion;
  return config;
}

}  // namespace bc_plugins
