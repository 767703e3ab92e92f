// The Panda for programs that read no robot file: layout and limits as in config/robots/panda.yaml, every feature on.
#pragma once

#include <string>
#include <vector>

#include "bc_controllers/config.hpp"

namespace bc_test {

constexpr std::size_t kJoints = 7;
inline const std::vector<double> kHome = {0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785};

inline bc::ControllerConfig panda(bc::Output output, bool pose) {
  bc::ControllerConfig config;
  config.output = output;
  config.base_frame = "panda_link0";
  config.tcp_frame = "panda_hand_tcp";
  for (std::size_t i = 1; i <= kJoints; ++i) config.joints.push_back("panda_joint" + std::to_string(i));
  if (pose) {
    config.groups = {{"tool", bc::Space::kCartesianPose, {}, config.tcp_frame, config.base_frame}};
  } else {
    config.groups = {{"arm", bc::Space::kJointPosition, config.joints}};
  }
  config.groups.push_back({"gripper", bc::Space::kGripper, {"panda_gripper"}});
  config.stiffness = {600.0, 600.0, 600.0, 600.0, 250.0, 150.0, 80.0};
  config.damping = {39.0, 63.0, 51.0, 50.0, 12.0, 9.6, 5.8};
  config.inertia_compensation = true;
  config.cartesian.stiffness_frame = "tool";
  config.cartesian.stiffness = {800.0, 800.0, 800.0, 40.0, 40.0, 40.0};
  config.cartesian.damping_ratio.assign(6, 1.0);
  config.cartesian.nullspace_stiffness.assign(kJoints, 10.0);
  config.friction.coulomb.assign(kJoints, 0.3);
  config.friction.viscous.assign(kJoints, 0.2);
  config.payload = {0.5, {0.0, 0.0, 0.02}};
  config.settings.presets = {{"CO", 0.25, 1.5}, {"SU", 1.0, 0.4}};
  config.armature.assign(kJoints, 0.1);
  config.velocity = {1.9, 1.9, 1.9, 1.9, 2.3, 2.3, 2.3};
  config.acceleration.assign(kJoints, 7.0);
  config.peak_acceleration = 10.0;
  config.joint_error.assign(kJoints, 0.2);
  config.repulsion.assign(kJoints, 100.0);
  config.torque = {82.0, 82.0, 82.0, 82.0, 11.0, 11.0, 11.0};
  config.workspace = {{-0.9, -0.9, -0.1}, {0.9, 0.9, 1.3}, 1.5, 2.5, 6.0, 12.0, 10.0};
  config.position_margin = 0.05;
  config.gripper_upper = 0.08;
  return config;
}

}  // namespace bc_test
