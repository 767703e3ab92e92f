// Rigid-body model of the controlled joints, from the URDF, through Pinocchio.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bc_controllers/types.hpp"

namespace bc {

struct Kinematics;

// Every other joint of the URDF (fingers) is locked in its neutral position. Vectors are in the order of joint_names.
class RobotModel {
 public:
  // `urdf`: a path, or the XML itself (which begins with '<'). ConfigError for what cannot be read, for joints and
  // frames that it lacks, and for a base frame that the joints move.
  RobotModel(const std::string& urdf, const std::vector<std::string>& joint_names, const std::string& base_frame,
             const std::string& tcp_frame, const std::vector<double>& armature = {});
  ~RobotModel();

  const std::vector<double>& position_lower() const { return position_lower_; }
  const std::vector<double>& position_upper() const { return position_upper_; }
  const std::vector<double>& velocity() const { return velocity_; }
  const std::vector<double>& effort() const { return effort_; }

  // The control loop's, one thread; nothing of it allocates.
  // Gravity and/or Coriolis torques.
  void compensation(const double* position, const double* velocity, bool gravity, bool coriolis, JointVector& torque);
  // Torque that gives the joints an acceleration: M(q) ddq.
  void inertia(const double* position, const double* acceleration, JointVector& torque);
  // Inertia matrix of the joints, rotors included, row by row into joints * joints values.
  void mass_matrix(const double* position, double* matrix);
  void kinematics(const double* position, Kinematics& kinematics);
  // From here on the tool carries this beyond what the URDF says.
  void set_payload(double mass, const Vector3& center);

  // Pose of the tool centre point in the base frame, x y z qx qy qz qw. Another single thread.
  std::array<double, 7> tcp(const double* position);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::vector<double> position_lower_, position_upper_, velocity_, effort_;
};

}  // namespace bc
