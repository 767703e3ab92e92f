// What the output is to reach now: joints and tool together, inside the envelope of both.
#pragma once

#include "bc_controllers/config.hpp"
#include "bc_controllers/reference.hpp"
#include "bc_controllers/robot_model.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

struct Setpoint {
  JointVector position{};      // [rad]
  JointVector velocity{};      // [rad/s]
  JointVector acceleration{};  // [rad/s^2]
  Pose pose;                   // of the tool centre point in the base frame
  Twist twist;
};

// A reference of joints gets its pose by forward kinematics, and stands where the tool would leave the workspace or
// move too fast; a reference of a pose gets its joints by damped inverse kinematics.
class SetpointSolver {
 public:
  SetpointSolver(const ControllerConfig& config, RobotModel& model);

  // The reference was reset, with the robot at these joints.
  void reset(const Reference& reference, const double* position);
  // One period. Allocates nothing.
  const Setpoint& advance(const Reference& reference, double seconds);
  const Setpoint& setpoint() const { return setpoint_; }
  bool workspace_limited() const { return workspace_limited_; }  // in the last period
  bool tcp_speed_limited() const { return tcp_speed_limited_; }
  bool kinematics_limited() const { return kinematics_limited_; }

  void copy_from(const SetpointSolver& other);

 private:
  void follow_joints(const Reference& reference, double seconds);
  double allowed_share(const Kinematics& there, const JointVector& step, double seconds);
  void solve_pose(const Reference& reference, double seconds);

  RobotModel* model_;
  std::size_t joints_;
  KinematicsConfig kinematics_;
  WorkspaceLimits workspace_;
  JointVector lower_{}, upper_{}, velocity_{}, posture_{};
  bool posture_given_;
  Setpoint setpoint_;
  bool behind_ = false;  // the setpoint is not the reference
  bool workspace_limited_ = false, tcp_speed_limited_ = false, kinematics_limited_ = false;
};

}  // namespace bc
