#include "bind_config.hpp"

#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <new>
#include <string>
#include <utility>
#include <vector>

#include "bc_controllers/controller.hpp"

namespace nb = nanobind;
using namespace nb::literals;

void bind_config(nb::module_& m) {
  using Config = bc::ControllerConfig;
  nb::class_<bc::GroupLayout>(m, "GroupLayout")
      .def(
          "__init__",
          [](bc::GroupLayout* self, std::string name, int space, std::vector<std::string> names, std::string tip,
             std::string frame_id) {
            new (self) bc::GroupLayout{std::move(name), static_cast<bc::Space>(space), std::move(names), std::move(tip),
                                       std::move(frame_id)};
          },
          "name"_a, "space"_a, "names"_a, "tip"_a = "", "frame_id"_a = "")
      .def_rw("name", &bc::GroupLayout::name)
      .def_prop_ro("space", [](const bc::GroupLayout& self) { return static_cast<int>(self.space); })
      .def_rw("names", &bc::GroupLayout::names)
      .def_rw("tip", &bc::GroupLayout::tip)
      .def_rw("frame_id", &bc::GroupLayout::frame_id);
  nb::class_<bc::Preset>(m, "Preset")
      .def(nb::init<std::string, double, double>(), "name"_a, "stiffness"_a, "damping_ratio"_a)
      .def_ro("name", &bc::Preset::name)
      .def_ro("stiffness", &bc::Preset::stiffness)
      .def_ro("damping_ratio", &bc::Preset::damping_ratio);
  nb::class_<bc::Payload>(m, "Payload")
      .def(nb::init<double, bc::Vector3>(), "mass"_a, "center"_a)
      .def_rw("mass", &bc::Payload::mass)
      .def_rw("center", &bc::Payload::center);
  using Cartesian = bc::CartesianConfig;
  nb::class_<Cartesian>(m, "CartesianConfig")
      .def_rw("stiffness_frame", &Cartesian::stiffness_frame)
      .def_rw("stiffness", &Cartesian::stiffness)
      .def_rw("damping_ratio", &Cartesian::damping_ratio)
      .def_rw("nullspace_stiffness", &Cartesian::nullspace_stiffness)
      .def_rw("nullspace_damping_ratio", &Cartesian::nullspace_damping_ratio)
      .def_rw("projector", &Cartesian::projector)
      .def_rw("inertia_shaping", &Cartesian::inertia_shaping)
      .def_rw("shaped_inertia", &Cartesian::shaped_inertia)
      .def_rw("least_damping", &Cartesian::least_damping)
      .def_rw("translation_error", &Cartesian::translation_error)
      .def_rw("rotation_error", &Cartesian::rotation_error);
  using Kinematics = bc::KinematicsConfig;
  nb::class_<Kinematics>(m, "KinematicsConfig")
      .def_rw("posture", &Kinematics::posture)
      .def_rw("posture_time", &Kinematics::posture_time)
      .def_rw("error_time", &Kinematics::error_time)
      .def_rw("damping", &Kinematics::damping)
      .def_rw("manipulability", &Kinematics::manipulability);
  using Friction = bc::FrictionConfig;
  nb::class_<Friction>(m, "FrictionConfig")
      .def_rw("coulomb", &Friction::coulomb)
      .def_rw("viscous", &Friction::viscous)
      .def_rw("velocity", &Friction::velocity);
  using Settings = bc::SettingsConfig;
  nb::class_<Settings>(m, "SettingsConfig")
      .def_rw("presets", &Settings::presets)
      .def_rw("preset", &Settings::preset)
      .def_rw("most", &Settings::most)
      .def_rw("time", &Settings::time)
      .def_rw("payload_mass", &Settings::payload_mass)
      .def_rw("wrench_force", &Settings::wrench_force)
      .def_rw("wrench_torque", &Settings::wrench_torque)
      .def_rw("wrench_time_ns", &Settings::wrench_time_ns);
  using Space = bc::WorkspaceLimits;
  nb::class_<Space>(m, "WorkspaceLimits")
      .def(nb::init<>())
      .def_rw("lower", &Space::lower)
      .def_rw("upper", &Space::upper)
      .def_rw("linear_velocity", &Space::linear_velocity)
      .def_rw("angular_velocity", &Space::angular_velocity)
      .def_rw("linear_acceleration", &Space::linear_acceleration)
      .def_rw("angular_acceleration", &Space::angular_acceleration)
      .def_rw("peak_acceleration", &Space::peak_acceleration);
  nb::class_<Config>(m, "ControllerConfig")
      .def(nb::init<>())
      .def_prop_rw(
          "output", [](const Config& self) { return std::string(bc::name_of(self.output)); },
          [](Config& self, const std::string& name) { self.output = bc::output_of(name); })
      .def_rw("cartesian", &Config::cartesian)
      .def_rw("kinematics", &Config::kinematics)
      .def_rw("friction", &Config::friction)
      .def_rw("payload", &Config::payload)
      .def_rw("settings", &Config::settings)
      .def_rw("armature", &Config::armature)
      .def_rw("period_ns", &Config::period_ns)
      .def_rw("base_frame", &Config::base_frame)
      .def_rw("tcp_frame", &Config::tcp_frame)
      .def_rw("groups", &Config::groups)
      .def_rw("joints", &Config::joints)
      .def_rw("workspace", &Config::workspace)
      .def_rw("peak_acceleration", &Config::peak_acceleration)
      .def_rw("stiffness", &Config::stiffness)
      .def_rw("damping", &Config::damping)
      .def_rw("gravity_compensation", &Config::gravity_compensation)
      .def_rw("coriolis_compensation", &Config::coriolis_compensation)
      .def_rw("inertia_compensation", &Config::inertia_compensation)
      .def_rw("position_lower", &Config::position_lower)
      .def_rw("position_upper", &Config::position_upper)
      .def_rw("position_margin", &Config::position_margin)
      .def_rw("velocity", &Config::velocity)
      .def_rw("acceleration", &Config::acceleration)
      .def_rw("velocity_margin", &Config::velocity_margin)
      .def_rw("joint_error", &Config::joint_error)
      .def_rw("repulsion", &Config::repulsion)
      .def_rw("torque", &Config::torque)
      .def_rw("torque_rate", &Config::torque_rate)
      .def_rw("gripper_lower", &Config::gripper_lower)
      .def_rw("gripper_upper", &Config::gripper_upper)
      .def_rw("gripper_velocity", &Config::gripper_velocity)
      .def_rw("blend_time_ns", &Config::blend_time_ns)
      .def_rw("hold_time_ns", &Config::hold_time_ns)
      .def_rw("lease_time_ns", &Config::lease_time_ns)
      .def_rw("compliant_time_ns", &Config::compliant_time_ns)
      .def_rw("compliant_scale", &Config::compliant_scale)
      .def_rw("recovery_time_ns", &Config::recovery_time_ns)
      .def_rw("frozen_encoder_motion", &Config::frozen_encoder_motion)
      .def_rw("clock_tolerance_ns", &Config::clock_tolerance_ns)
      .def_rw("receive_time_ns", &Config::receive_time_ns)
      .def_prop_ro("joint_names", &Config::joint_names)
      .def_prop_ro("width", &Config::width);
}
