#include "bc_controllers/config.hpp"

#include <cmath>
#include <set>

namespace bc {

namespace {

void require(bool condition, const std::string& message) {
  if (!condition) throw ConfigError(message);
}

// One finite value per joint, not below (or, strictly, above) zero.
void check_vector(const char* name, const std::vector<double>& values, const std::vector<std::string>& joints,
                  bool strictly_positive) {
  require(values.size() == joints.size(), std::string(name) + " has " + std::to_string(values.size()) + " values for " +
                                              std::to_string(joints.size()) + " joints: give one per joint");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool good = std::isfinite(values[i]) && (strictly_positive ? values[i] > 0.0 : values[i] >= 0.0);
    require(good, std::string(name) + " of " + joints[i] + " is " + std::to_string(values[i]) + ": it must be " +
                      (strictly_positive ? "positive" : "zero or positive"));
  }
}

void check_positive(const char* name, double value) {
  require(std::isfinite(value) && value > 0.0,
          std::string(name) + " is " + std::to_string(value) + ": it must be positive");
}

void check_range(const std::string& name, double lower, double upper) {
  require(std::isfinite(lower) && std::isfinite(upper) && lower < upper,
          name + " ranges from " + std::to_string(lower) + " to " + std::to_string(upper) +
              ": the lower limit must be below the upper one");
}

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
  check_vector("stiffness", config.stiffness, joints, true);
  check_vector("damping", config.damping, joints, false);
  check_vector("velocity limit", config.velocity, joints, true);
  check_vector("acceleration limit", config.acceleration, joints, true);
  check_vector("torque limit", config.torque, joints, true);
  check_positive("torque_rate", config.torque_rate);
  check_positive("blend_time", static_cast<double>(config.blend_time_ns) * 1e-9);
  check_positive("period", static_cast<double>(config.period_ns) * 1e-9);
  check_positive("hold_time", static_cast<double>(config.hold_time_ns) * 1e-9);
  check_positive("lease_time", static_cast<double>(config.lease_time_ns) * 1e-9);
  check_positive("compliant_time", static_cast<double>(config.compliant_time_ns) * 1e-9);
  check_positive("recovery_time", static_cast<double>(config.recovery_time_ns) * 1e-9);
  check_positive("frozen_encoder_motion", config.frozen_encoder_motion);
  require(config.blend_time_ns >= 10 * config.period_ns,
          "blend_time is " + std::to_string(static_cast<double>(config.blend_time_ns) * 1e-9) +
              " s: give it ten control periods at least");
  require(std::isfinite(config.peak_acceleration) && config.peak_acceleration >= 1.0,
          "peak_acceleration is " + std::to_string(config.peak_acceleration) +
              ": it multiplies the accelerations, 1 at least");
  check_workspace(config.workspace);
  require(std::isfinite(config.position_margin) && config.position_margin >= 0.0,
          "position_margin is " + std::to_string(config.position_margin) + ": it must be zero or positive");
  require(config.compliant_scale >= 0.0 && config.compliant_scale <= 1.0,
          "compliant_scale is " + std::to_string(config.compliant_scale) + ": it is a share, 0 to 1");
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
