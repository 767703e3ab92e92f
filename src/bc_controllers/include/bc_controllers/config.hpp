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
  std::vector<std::string> names;
};

struct ControllerConfig {
  std::int64_t period_ns = 1'000'000;
  std::string base_frame;
  std::string tcp_frame;
  std::vector<GroupLayout> groups;  // joint groups and at most one gripper of one column, in column order

  std::vector<double> stiffness;  // [Nm/rad], one per joint, as all vectors here
  std::vector<double> damping;    // [Nm s/rad]
  bool gravity_compensation = true;
  bool coriolis_compensation = true;

  std::vector<double> position_lower;  // [rad]; empty: from the URDF, position_margin inside its range
  std::vector<double> position_upper;
  double position_margin = 0.0;
  std::vector<double> velocity;      // of the reference [rad/s]
  std::vector<double> acceleration;  // of the reference when it stops or blends [rad/s^2]
  std::vector<double> torque;        // [Nm]
  double torque_rate = 1000.0;       // [Nm/s]
  double gripper_lower = 0.0;        // opening [m]
  double gripper_upper = 0.0;
  double gripper_velocity = 0.2;  // [m/s]
  double blend_rate = 20.0;       // [1/s]

  std::int64_t hold_time_ns = 300'000'000;
  std::int64_t lease_time_ns = 250'000'000;
  std::int64_t compliant_time_ns = 2'000'000'000;
  double compliant_scale = 0.3;
  std::int64_t recovery_time_ns = 1'000'000'000;
  double frozen_encoder_motion = 0.1;  // [rad]

  std::vector<std::string> joint_names() const;
  std::size_t width() const;  // columns of a row
  bool has_gripper() const;
};

// Throws ConfigError when values contradict each other; limits may still be empty.
void validate(const ControllerConfig& config);
// The same, and position limits must be there.
void validate_with_limits(const ControllerConfig& config);

}  // namespace bc
