// What a controller needs to know of its robot. config/robots/panda.yaml explains every value.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "bc_controllers/types.hpp"

namespace bc {

// A configuration that is refused: the message names thing, value and remedy.
class ConfigError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct GroupLayout {
  std::string name;
  Space space = Space::kJointPosition;
  std::vector<std::string> names{};  // of columns; none for a pose
  std::string tip{}, frame_id{};     // of a pose: the controller's tcp_frame in its base_frame

  std::size_t width() const { return space == Space::kCartesianPose ? kPoseColumns : names.size(); }
};

// Where the tool centre point may be, and how its reference may move: norms.
struct WorkspaceLimits {
  std::vector<double> lower, upper;   // corners of a box along the axes of the base frame [m]
  double linear_velocity = 0.0;       // [m/s]
  double angular_velocity = 0.0;      // [rad/s]
  double linear_acceleration = 0.0;   // of stopping and blending [m/s^2]
  double angular_acceleration = 0.0;  // [rad/s^2]
  double peak_acceleration = 0.0;     // times these, at most, while rows are followed
};

struct ControllerConfig {
  std::int64_t period_ns = 1'000'000;
  std::string base_frame;
  std::string tcp_frame;
  std::vector<GroupLayout> groups;  // joint groups or one pose, and at most one gripper of one column, in column order
  std::vector<std::string> joints;  // that carry the pose; joint groups name theirs themselves

  std::vector<double> stiffness;  // [Nm/rad], one per joint, as all vectors here
  std::vector<double> damping;    // [Nm s/rad]
  bool gravity_compensation = true;
  bool coriolis_compensation = true;

  std::vector<double> position_lower;  // [rad]; empty: from the URDF, position_margin inside its range
  std::vector<double> position_upper;
  double position_margin = 0.0;
  std::vector<double> velocity;      // of the reference [rad/s]
  std::vector<double> acceleration;  // of the reference when it stops or blends [rad/s^2]
  double peak_acceleration = 0.0;    // times this, at most, while rows are followed
  WorkspaceLimits workspace;
  std::vector<double> torque;   // [Nm]
  double torque_rate = 1000.0;  // [Nm/s]
  double gripper_lower = 0.0;   // opening [m]
  double gripper_upper = 0.0;
  double gripper_velocity = 0.2;             // [m/s]
  std::int64_t blend_time_ns = 100'000'000;  // window in which a raw jump fades, longer where limits ask for it

  std::int64_t hold_time_ns = 300'000'000;
  std::int64_t lease_time_ns = 250'000'000;
  std::int64_t compliant_time_ns = 2'000'000'000;
  double compliant_scale = 0.3;
  std::int64_t recovery_time_ns = 1'000'000'000;
  double frozen_encoder_motion = 0.1;  // [rad]

  std::vector<std::string> joint_names() const;
  std::size_t width() const;  // columns of a row
  bool has_gripper() const;
  bool has_pose() const;
};

// Throws ConfigError when values contradict each other; limits may still be empty.
void validate(const ControllerConfig& config);
// The same, and position limits must be there.
void validate_with_limits(const ControllerConfig& config);

}  // namespace bc
