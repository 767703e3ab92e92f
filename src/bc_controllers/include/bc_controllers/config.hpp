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

// What the controller commands.
enum class Output : std::uint8_t { kJointImpedance, kCartesianImpedance, kPosition };
Output output_of(const std::string& name);  // joint_impedance, cartesian_impedance, position; else ConfigError
const char* name_of(Output output);

// Named factors on the configured gains: K' = stiffness K, and damping ratios times damping_ratio.
struct Preset {
  std::string name;
  double stiffness = 1.0;
  double damping_ratio = 1.0;
};

// How live gains, payload and wrench may be changed.
struct SettingsConfig {
  std::vector<Preset> presets;
  std::string preset;          // in use from the start; empty: the configured gains
  double most = 2.5;           // a gain is at most this many times the largest configured one of its kind
  double time = 1.0;           // for the whole way from nil to the most [s]
  double payload_mass = 3.0;   // at most [kg]
  double wrench_force = 30.0;  // at most, per axis [N]
  double wrench_torque = 5.0;  // [Nm]
  std::int64_t wrench_time_ns = 200'000'000;  // a wrench that is not renewed for so long is dropped
};

// Carried by the tool, beyond what the URDF knows.
struct Payload {
  double mass = 0.0;  // [kg]
  Vector3 center{};   // of mass, in the axes of the tool centre point [m]
};

// Cartesian impedance (docs/controllers.md). Axes: x y z translation, x y z rotation.
struct CartesianConfig {
  std::string stiffness_frame = "base";  // whose axes stiffness is along: base, or tool (of the reference)
  std::vector<double> stiffness;         // [N/m], [Nm/rad]; zero: the axis is free
  std::vector<double> damping_ratio;     // with the mass that is felt along the axis
  std::vector<double> least_damping = {10.0, 10.0, 10.0,
                                       0.5,  0.5,  0.5};  // also where stiffness is zero [N s/m], [Nm s/rad]
  std::vector<double> nullspace_stiffness;                // of the posture task, one per joint [Nm/rad]
  double nullspace_damping_ratio = 1.0;
  std::string projector = "dynamic";  // of the posture task: dynamic, or kinematic
  bool inertia_shaping = false;       // the tool moves as if it had shaped_inertia; contact forces scale with it
  std::vector<double> shaped_inertia = {3.0, 3.0, 3.0, 0.3, 0.3, 0.3};  // [kg], [kg m^2]
  double translation_error = 0.05;                                      // the spring is stretched at most so far [m]
  double rotation_error = 0.3;                                          // [rad]
};

// Inverse kinematics of a pose, and what near-singular Jacobians are damped with.
struct KinematicsConfig {
  std::vector<double> posture;   // drawn to as far as the pose leaves free, one per joint; empty: where the robot began
  double posture_time = 1.0;     // time constant of that [s]
  double error_time = 0.02;      // time constant with which a missed pose is caught up [s]
  double damping = 0.1;          // greatest damping of the pseudo-inverse
  double manipulability = 0.01;  // below which damping sets in
};

// Joint friction to compensate: coulomb tanh(dq_d / velocity) + viscous dq_d. Empty: none.
struct FrictionConfig {
  std::vector<double> coulomb;  // [Nm]
  std::vector<double> viscous;  // [Nm s/rad]
  double velocity = 0.05;       // [rad/s]
};

struct ControllerConfig {
  std::int64_t period_ns = 1'000'000;
  Output output = Output::kJointImpedance;
  std::string base_frame;
  std::string tcp_frame;
  std::vector<GroupLayout> groups;  // joint groups or one pose, and at most one gripper of one column, in column order
  std::vector<std::string> joints;  // that carry the pose; joint groups name theirs themselves

  std::vector<double> stiffness;  // [Nm/rad], one per joint, as all vectors here
  std::vector<double> damping;    // [Nm s/rad]
  bool gravity_compensation = true;
  bool coriolis_compensation = true;
  bool inertia_compensation = false;  // of the setpoint's acceleration: M(q) ddq_d
  CartesianConfig cartesian;
  KinematicsConfig kinematics;
  FrictionConfig friction;
  Payload payload;
  SettingsConfig settings;
  std::vector<double> armature;  // rotor inertia at the joint, which URDFs lack [kg m^2]; empty: none

  std::vector<double> position_lower;  // [rad]; empty: from the URDF, position_margin inside its range
  std::vector<double> position_upper;
  double position_margin = 0.0;
  std::vector<double> velocity;      // of the reference [rad/s]
  std::vector<double> acceleration;  // of the reference when it stops or blends [rad/s^2]
  double peak_acceleration = 0.0;    // times this, at most, while rows are followed
  WorkspaceLimits workspace;
  double velocity_margin = 0.1;     // share of the URDF's velocity from which a measured one is braked
  std::vector<double> joint_error;  // a joint's spring is stretched, or its command leads, at most so far [rad]
  std::vector<double> repulsion;    // stiffness that pushes back from position limits [Nm/rad]; empty: none
  std::vector<double> torque;       // [Nm]
  double torque_rate = 1000.0;      // [Nm/s]
  double gripper_lower = 0.0;       // opening [m]
  double gripper_upper = 0.0;
  double gripper_velocity = 0.2;             // [m/s]
  std::int64_t blend_time_ns = 100'000'000;  // window in which a raw jump fades, longer where limits ask for it

  std::int64_t hold_time_ns = 300'000'000;
  std::int64_t lease_time_ns = 250'000'000;
  std::int64_t compliant_time_ns = 2'000'000'000;
  double compliant_scale = 0.3;
  std::int64_t recovery_time_ns = 1'000'000'000;
  double frozen_encoder_motion = 0.1;             // [rad]
  std::int64_t clock_tolerance_ns = 500'000'000;  // longer than its rows say no chunk is followed, by the steady clock
  std::int64_t receive_time_ns = 5'000'000'000;   // a policy or human silent for so long does not command any more

  std::vector<std::string> joint_names() const;
  std::size_t width() const;  // columns of a row
  bool commands_torque() const { return output != Output::kPosition; }
  bool has_gripper() const;
  bool has_pose() const;
};

// Throws ConfigError when values contradict each other; limits may still be empty.
void validate(const ControllerConfig& config);
// The same, and position limits must be there.
void validate_with_limits(const ControllerConfig& config);

}  // namespace bc
