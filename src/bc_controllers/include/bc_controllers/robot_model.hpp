// Rigid-body model of the controlled joints, from the URDF, through Pinocchio.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "bc_controllers/types.hpp"

namespace bc {

// Every other joint of the URDF (fingers) is locked in its neutral position. Vectors are in the order of joint_names.
class RobotModel {
 public:
  // `urdf`: a file, or the description itself (a text with a '<' in it). ConfigError for one that cannot be read, and
  // for joints and frames that it lacks.
  RobotModel(const std::string& urdf, const std::vector<std::string>& joint_names, const std::string& base_frame,
             const std::string& tcp_frame);
  ~RobotModel();

  const std::vector<double>& position_lower() const { return position_lower_; }
  const std::vector<double>& position_upper() const { return position_upper_; }
  const std::vector<double>& velocity() const { return velocity_; }
  const std::vector<double>& effort() const { return effort_; }

  // Gravity and/or Coriolis torques. Allocates nothing; one thread.
  void compensation(const double* position, const double* velocity, bool gravity, bool coriolis, JointVector& torque);
  // Pose of the tool centre point in the base frame, x y z qx qy qz qw. Another single thread.
  std::array<double, 7> tcp(const double* position);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  std::vector<double> position_lower_, position_upper_, velocity_, effort_;
};

}  // namespace bc
