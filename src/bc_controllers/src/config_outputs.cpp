#include <set>

#include "checks.hpp"

namespace bc {

namespace {

// Six values: translation, then rotation.
void check_axes(const char* name, const std::vector<double>& values, bool strictly_positive) {
  require(values.size() == 6, std::string(name) + " has " + std::to_string(values.size()) +
                                  " values: give x y z of translation and x y z of rotation");
  for (const double value : values) {
    strictly_positive ? check_positive(name, value) : check_not_negative(name, value);
  }
}

void check_torque(const ControllerConfig& config, const std::vector<std::string>& joints) {
  check_vector("torque limit", config.torque, joints, true);
  check_positive("torque_rate", config.torque_rate);
  if (config.output == Output::kJointImpedance) {
    check_vector("stiffness", config.stiffness, joints, true);
    check_vector("damping", config.damping, joints, false);
  }
  if (!config.repulsion.empty()) check_vector("repulsion", config.repulsion, joints, false);
  if (!config.armature.empty()) check_vector("armature", config.armature, joints, false);
  const FrictionConfig& friction = config.friction;
  if (!friction.coulomb.empty()) check_vector("friction.coulomb", friction.coulomb, joints, false);
  if (!friction.viscous.empty()) check_vector("friction.viscous", friction.viscous, joints, false);
  check_positive("friction.velocity", friction.velocity);
}

void check_cartesian(const CartesianConfig& cartesian, const std::vector<std::string>& joints) {
  check_choice("cartesian.stiffness_frame", cartesian.stiffness_frame, "base", "tool");
  check_choice("cartesian.projector", cartesian.projector, "dynamic", "kinematic");
  check_axes("cartesian.stiffness", cartesian.stiffness, false);
  check_axes("cartesian.damping_ratio", cartesian.damping_ratio, false);
  check_axes("cartesian.least_damping", cartesian.least_damping, false);
  for (std::size_t i = 0; i < 6; ++i) check_free_axis(i, cartesian.stiffness[i], cartesian.least_damping[i]);
  check_axes("cartesian.shaped_inertia", cartesian.shaped_inertia, true);
  check_vector("cartesian.nullspace_stiffness", cartesian.nullspace_stiffness, joints, false);
  check_not_negative("cartesian.nullspace_damping_ratio", cartesian.nullspace_damping_ratio);
  check_positive("cartesian.translation_error", cartesian.translation_error);
  check_positive("cartesian.rotation_error", cartesian.rotation_error);
  require(cartesian.rotation_error <= 1.5, "cartesian.rotation_error is " + std::to_string(cartesian.rotation_error) +
                                               ": at most 1.5 rad, beyond which a rotation's axis turns over");
}

void check_kinematics(const KinematicsConfig& kinematics, const std::vector<std::string>& joints) {
  if (!kinematics.posture.empty()) {
    require(kinematics.posture.size() == joints.size(),
            "kinematics.posture has " + std::to_string(kinematics.posture.size()) + " values for " +
                std::to_string(joints.size()) + " joints: give one per joint, or none");
    for (const double value : kinematics.posture) require(std::isfinite(value), "kinematics.posture is not finite");
  }
  check_positive("kinematics.posture_time", kinematics.posture_time);
  check_positive("kinematics.error_time", kinematics.error_time);
  check_positive("kinematics.damping", kinematics.damping);
  check_positive("kinematics.manipulability", kinematics.manipulability);
}

void check_settings(const SettingsConfig& settings) {
  check_positive("gains.time", settings.time);
  require(std::isfinite(settings.most) && settings.most >= 1.0,
          "gains.most is " + std::to_string(settings.most) + ": it multiplies the configured gains, 1 at least");
  check_not_negative("gains.payload_mass", settings.payload_mass);
  check_not_negative("gains.wrench_force", settings.wrench_force);
  check_not_negative("gains.wrench_torque", settings.wrench_torque);
  check_positive("gains.wrench_time", in_seconds(settings.wrench_time_ns));
  std::set<std::string> names;
  for (const Preset& preset : settings.presets) {
    require(!preset.name.empty() && names.insert(preset.name).second,
            "gains.presets '" + preset.name + "' has no name of its own: name every preset differently");
    check_positive("gains.presets." + preset.name + ".stiffness", preset.stiffness);
    check_not_negative("gains.presets." + preset.name + ".damping_ratio", preset.damping_ratio);
  }
}

}  // namespace

void check_outputs(const ControllerConfig& config) {
  const std::vector<std::string> joints = config.joint_names();
  if (config.commands_torque()) check_torque(config, joints);
  if (config.output == Output::kCartesianImpedance) check_cartesian(config.cartesian, joints);
  check_kinematics(config.kinematics, joints);
  check_settings(config.settings);
}

}  // namespace bc
