#include "bc_controllers/config.hpp"

#include <set>

#include "checks.hpp"

namespace bc {

namespace {

void check_pose(const GroupLayout& group, const ControllerConfig& config) {
  require(group.names.empty(), "group '" + group.name + "' is a pose and has names: its columns are x y z qx qy qz qw");
  require(group.tip == config.tcp_frame && group.frame_id == config.base_frame,
          "group '" + group.name + "' commands '" + group.tip + "' in '" + group.frame_id +
              "': the controller moves '" + config.tcp_frame + "' in '" + config.base_frame +
              "', its tcp_frame and base_frame");
}

void check_workspace(const WorkspaceLimits& space) {
  require(space.lower.size() == 3 && space.upper.size() == 3,
          "workspace.lower and workspace.upper have " + std::to_string(space.lower.size()) + " and " +
              std::to_string(space.upper.size()) + " values: give x, y and z of both corners");
  for (std::size_t i = 0; i < 3; ++i) {
    check_range(std::string("workspace ") + "xyz"[i], space.lower[i], space.upper[i]);
  }
  check_positive("workspace.linear_velocity", space.linear_velocity);
  check_positive("workspace.angular_velocity", space.angular_velocity);
  check_positive("workspace.linear_acceleration", space.linear_acceleration);
  check_positive("workspace.angular_acceleration", space.angular_acceleration);
  require(std::isfinite(space.peak_acceleration) && space.peak_acceleration >= 1.0,
          "workspace.peak_acceleration is " + std::to_string(space.peak_acceleration) +
              ": it multiplies the accelerations, 1 at least");
}

void check_groups(const ControllerConfig& config) {
  std::set<std::string> names, columns;
  std::size_t grippers = 0, poses = 0, arms = 0;
  for (const GroupLayout& group : config.groups) {
    require(!group.name.empty() && names.insert(group.name).second,
            "group '" + group.name + "' has no name of its own: name every group differently");
    if (group.space == Space::kCartesianPose) {
      check_pose(group, config);
      ++poses;
      continue;
    }
    require(!group.names.empty(), "group '" + group.name + "' has no names: list its columns");
    for (const std::string& column : group.names) {
      require(columns.insert(column).second, "'" + column + "' is named twice in groups: name every column once");
    }
    if (group.space == Space::kGripper) {
      require(group.names.size() == 1, "gripper group '" + group.name + "' has " + std::to_string(group.names.size()) +
                                           " columns: a gripper has one, its opening");
      ++grippers;
    } else {
      ++arms;
    }
  }
  require(poses <= 1 && (poses == 0 || arms == 0), "groups hold " + std::to_string(poses) + " poses and " +
                                                       std::to_string(arms) +
                                                       " joint groups: one pose alone, or joint groups");
  require(grippers <= 1, "groups hold " + std::to_string(grippers) + " grippers: one at most");
  const std::size_t joints = config.joint_names().size();
  require(joints >= 1 && joints <= kMaxJoints, "groups name " + std::to_string(joints) + " joints: 1 to " +
                                                   std::to_string(kMaxJoints) + " can be controlled");
}

}  // namespace

const char* name_of(Output output) {
  constexpr std::array<const char*, 3> kNames = {"joint_impedance", "cartesian_impedance", "position"};
  return kNames[static_cast<std::size_t>(output)];
}

Output output_of(const std::string& name) {
  for (const Output output : {Output::kJointImpedance, Output::kCartesianImpedance, Output::kPosition}) {
    if (name == name_of(output)) return output;
  }
  throw ConfigError("output '" + name + "' is unknown: use joint_impedance, cartesian_impedance or position");
}

std::vector<std::string> ControllerConfig::joint_names() const {
  std::vector<std::string> names;
  for (const GroupLayout& group : groups) {
    if (group.space == Space::kJointPosition) names.insert(names.end(), group.names.begin(), group.names.end());
  }
  return names.empty() ? joints : names;
}

std::size_t ControllerConfig::width() const {
  std::size_t columns = 0;
  for (const GroupLayout& group : groups) columns += group.width();
  return columns;
}

bool ControllerConfig::has_gripper() const {
  for (const GroupLayout& group : groups) {
    if (group.space == Space::kGripper) return true;
  }
  return false;
}

bool ControllerConfig::has_pose() const {
  for (const GroupLayout& group : groups) {
    if (group.space == Space::kCartesianPose) return true;
  }
  return false;
}

void validate(const ControllerConfig& config) {
  check_groups(config);
  const std::vector<std::string> joints = config.joint_names();
  check_vector("velocity limit", config.velocity, joints, true);
  check_vector("acceleration limit", config.acceleration, joints, true);
  check_vector("joint_error limit", config.joint_error, joints, true);
  check_share("velocity_margin", config.velocity_margin);
  check_outputs(config);
  check_positive("blend_time", in_seconds(config.blend_time_ns));
  check_positive("period", in_seconds(config.period_ns));
  check_positive("hold_time", in_seconds(config.hold_time_ns));
  check_positive("lease_time", in_seconds(config.lease_time_ns));
  check_positive("compliant_time", in_seconds(config.compliant_time_ns));
  check_positive("recovery_time", in_seconds(config.recovery_time_ns));
  check_positive("frozen_encoder_motion", config.frozen_encoder_motion);
  check_positive("clock_tolerance", in_seconds(config.clock_tolerance_ns));
  check_positive("receive_time", in_seconds(config.receive_time_ns));
  require(
      config.blend_time_ns >= 10 * config.period_ns,
      "blend_time is " + std::to_string(in_seconds(config.blend_time_ns)) + " s: give it ten control periods at least");
  require(std::isfinite(config.peak_acceleration) && config.peak_acceleration >= 1.0,
          "peak_acceleration is " + std::to_string(config.peak_acceleration) +
              ": it multiplies the accelerations, 1 at least");
  check_workspace(config.workspace);
  check_not_negative("position_margin", config.position_margin);
  check_share("compliant_scale", config.compliant_scale);
  if (config.has_gripper()) {
    check_range("gripper_opening", config.gripper_lower, config.gripper_upper);
    check_positive("gripper_velocity", config.gripper_velocity);
  }
}

void validate_with_limits(const ControllerConfig& config) {
  validate(config);
  const std::vector<std::string> joints = config.joint_names();
  require(config.position_lower.size() == joints.size() && config.position_upper.size() == joints.size(),
          "position limits are given for " + std::to_string(config.position_lower.size()) + " (lower) and " +
              std::to_string(config.position_upper.size()) + " (upper) of " + std::to_string(joints.size()) +
              " joints: give one of each per joint");
  for (std::size_t i = 0; i < joints.size(); ++i) {
    check_range("position of " + joints[i], config.position_lower[i], config.position_upper[i]);
  }
}

}  // namespace bc
