// Python binding: bc_controllers/_binding.pyi describes it.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>

#include "bc_controllers/controller.hpp"
#include "virtual_arbiter.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Array = nb::ndarray<nb::numpy, double, nb::ndim<1>>;
using Values = nb::ndarray<const double, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

constexpr auto kOwned = nb::rv_policy::move;  // properties that return an array of their own

Array array(const double* values, std::size_t count) {
  auto data = std::make_unique<double[]>(count);
  std::copy_n(values, count, data.get());
  nb::capsule owner(data.get(), [](void* pointer) noexcept { delete[] static_cast<double*>(pointer); });
  return Array(data.release(), {count}, owner);
}

bc::Source source_of(const std::string& name) {
  for (const bc::Source source : bc::kSources) {
    if (bc::name_of(source) == name) return source;
  }
  throw std::invalid_argument("source '" + name + "' is unknown: use policy, human or planner");
}

// Status and state with the number of joints, which the loop's own structure leaves out.
struct Status {
  bc::Counters counters;
  std::uint64_t acks_lost = 0;
  std::uint64_t modes_lost = 0;
};

Status status_of(bc::Counters counters, const bc::Port& port) {
  counters.chunks_refused += port.refused_at_mailbox();
  counters.refused_by_reason[static_cast<std::size_t>(bc::Reason::kOverflow)] += port.refused_at_mailbox();
  return {counters, port.acks_lost(), port.modes_lost()};
}

struct State {
  bc::Controller::View view;
  std::size_t joints = 0;
};

struct PyGains {
  bc::Gains gains;
  std::size_t joints = 0;
};

template <bc::JointVector bc::ControllerState::* Member>
Array joint_values(const State& state) {
  return array((state.view.state.*Member).data(), state.joints);
}

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

void bind_chunk(nb::module_& m) {
  using bc::WireChunk;
  nb::class_<bc::WireGroup>(m, "WireGroup")
      .def(nb::init<std::string, std::int64_t, std::vector<std::string>, std::string, std::string, std::int64_t,
                    std::int64_t>(),
           "name"_a, "space"_a, "names"_a, "tip"_a, "frame_id"_a, "offset"_a, "width"_a);
  nb::class_<WireChunk>(m, "WireChunk")
      .def(nb::init<>())
      .def_rw("stamp_ns", &WireChunk::stamp_ns)
      .def_rw("dt_ns", &WireChunk::dt_ns)
      .def_rw("horizon", &WireChunk::horizon)
      .def_rw("producer", &WireChunk::producer)
      .def_rw("producer_id", &WireChunk::producer_id)
      .def_rw("sequence", &WireChunk::sequence)
      .def_rw("mode_epoch", &WireChunk::mode_epoch)
      .def_rw("groups", &WireChunk::groups)
      .def_prop_rw(
          "actions", [](const WireChunk& self) { return array(self.actions.data(), self.actions.size()); },
          [](WireChunk& self, const Values& values) {
            self.actions.assign(values.data(), values.data() + values.size());
          },
          nb::for_getter(kOwned))
      .def_rw("frozen", &WireChunk::frozen)
      .def_rw("release", &WireChunk::release);
}

void bind_answers(nb::module_& m) {
  using bc::Ack;
  nb::class_<Ack>(m, "Ack")
      .def_ro("stamp_ns", &Ack::stamp_ns)
      .def_prop_ro("source", [](const Ack& self) { return std::string(bc::name_of(self.source)); })
      .def_prop_ro("producer", [](const Ack& self) { return self.producer.str(); })
      .def_ro("producer_id", &Ack::producer_id)
      .def_ro("sequence", &Ack::sequence)
      .def_prop_ro("verdict", [](const Ack& self) { return static_cast<int>(self.verdict); })
      .def_prop_ro("reason", [](const Ack& self) { return static_cast<int>(self.reason); })
      .def_prop_ro("detail", [](const Ack& self) { return bc::detail(self); })
      .def_ro("mode_epoch", &Ack::mode_epoch)
      .def_ro("effective_ns", &Ack::effective_ns)
      .def_ro("row", &Ack::row)
      .def_ro("raw_jump", &Ack::raw_jump)
      .def_ro("raw_jump_rotation", &Ack::raw_jump_rotation)
      .def_ro("raw_jump_gripper", &Ack::raw_jump_gripper)
      .def_ro("clamped", &Ack::clamped);
  nb::class_<bc::ModeChange>(m, "ModeChange")
      .def_ro("stamp_ns", &bc::ModeChange::stamp_ns)
      .def_prop_ro("mode", [](const bc::ModeChange& self) { return static_cast<int>(self.mode); })
      .def_ro("epoch", &bc::ModeChange::epoch)
      .def_prop_ro("previous_mode", [](const bc::ModeChange& self) { return static_cast<int>(self.previous); })
      .def_prop_ro("reason", [](const bc::ModeChange& self) { return self.reason.str(); });
  nb::class_<bc::ModeResult>(m, "ModeResult")
      .def_ro("ticket", &bc::ModeResult::ticket)
      .def_ro("success", &bc::ModeResult::success)
      .def_prop_ro("message", [](const bc::ModeResult& self) { return bc::message(self); })
      .def_prop_ro("mode", [](const bc::ModeResult& self) { return static_cast<int>(self.mode); })
      .def_ro("epoch", &bc::ModeResult::epoch);
}

template <std::uint64_t bc::Counters::* Member>
std::uint64_t counter(const Status& status) {
  return status.counters.*Member;
}

void bind_status(nb::module_& m) {
  using bc::Counters;
  nb::class_<Status>(m, "ControllerStatus")
      .def_prop_ro("periods", &counter<&Counters::periods>)
      .def_prop_ro("chunks_in_force", &counter<&Counters::chunks_in_force>)
      .def_prop_ro("chunks_refused", &counter<&Counters::chunks_refused>)
      .def_prop_ro("refused_by_reason", [](const Status& self) { return self.counters.refused_by_reason; })
      .def_prop_ro("values_clamped", &counter<&Counters::values_clamped>)
      .def_prop_ro("starved_periods", &counter<&Counters::starved_periods>)
      .def_prop_ro("commands_overdue", &counter<&Counters::commands_overdue>)
      .def_prop_ro("sources_silent", &counter<&Counters::sources_silent>)
      .def_prop_ro("nonfinite_inputs", &counter<&Counters::nonfinite_inputs>)
      .def_prop_ro("nonfinite_commands", &counter<&Counters::nonfinite_commands>)
      .def_prop_ro("frozen_encoders", &counter<&Counters::frozen_encoders>)
      .def_prop_ro("velocity_limited", &counter<&Counters::velocity_limited>)
      .def_prop_ro("acceleration_limited", &counter<&Counters::acceleration_limited>)
      .def_prop_ro("workspace_limited", &counter<&Counters::workspace_limited>)
      .def_prop_ro("tcp_speed_limited", &counter<&Counters::tcp_speed_limited>)
      .def_prop_ro("kinematics_limited", &counter<&Counters::kinematics_limited>)
      .def_prop_ro("error_clipped", &counter<&Counters::error_clipped>)
      .def_prop_ro("limits_repelled", &counter<&Counters::limits_repelled>)
      .def_prop_ro("overspeed", &counter<&Counters::overspeed>)
      .def_prop_ro("torque_limited", &counter<&Counters::torque_limited>)
      .def_prop_ro("torque_rate_limited", &counter<&Counters::torque_rate_limited>)
      .def_prop_ro("position_limited", &counter<&Counters::position_limited>)
      .def_ro("acks_lost", &Status::acks_lost)
      .def_ro("modes_lost", &Status::modes_lost);
}

void bind_state(nb::module_& m) {
  using Loop = bc::ControllerState;
  nb::class_<State>(m, "ControllerState")
      .def_prop_ro("stamp_ns", [](const State& self) { return self.view.state.stamp_ns; })
      .def_prop_ro("mode", [](const State& self) { return static_cast<int>(self.view.state.mode); })
      .def_prop_ro("mode_epoch", [](const State& self) { return self.view.state.mode_epoch; })
      .def_prop_ro("position", &joint_values<&Loop::position>, kOwned)
      .def_prop_ro("velocity", &joint_values<&Loop::velocity>, kOwned)
      .def_prop_ro("position_reference", &joint_values<&Loop::position_reference>, kOwned)
      .def_prop_ro("velocity_reference", &joint_values<&Loop::velocity_reference>, kOwned)
      .def_prop_ro("effort", &joint_values<&Loop::effort>, kOwned)
      .def_prop_ro("position_command", &joint_values<&Loop::position_command>, kOwned)
      .def_prop_ro("gripper_position", [](const State& self) { return self.view.state.gripper_position; })
      .def_prop_ro("gripper_reference", [](const State& self) { return self.view.state.gripper_reference; })
      .def_prop_ro(
          "tcp", [](const State& self) { return array(self.view.tcp.data(), self.view.tcp.size()); }, kOwned)
      .def_prop_ro(
          "tcp_reference",
          [](const State& self) { return array(self.view.tcp_reference.data(), self.view.tcp_reference.size()); },
          kOwned)
      .def_prop_ro("ladder", [](const State& self) { return static_cast<int>(self.view.state.ladder); })
      .def_prop_ro("source",
                   [](const State& self) {
                     const Loop& state = self.view.state;
                     return state.has_source ? std::string(bc::name_of(state.source)) : std::string();
                   })
      .def_prop_ro("producer_id", [](const State& self) { return self.view.state.producer_id; })
      .def_prop_ro("sequence", [](const State& self) { return self.view.state.sequence; })
      .def_prop_ro("row", [](const State& self) { return self.view.state.row; })
      .def_prop_ro("stiffness_scale", [](const State& self) { return self.view.state.stiffness_scale; })
      .def_prop_ro("gains", [](const State& self) { return PyGains{self.view.state.settings.gains, self.joints}; })
      .def_prop_ro("payload", [](const State& self) { return self.view.state.settings.payload; })
      .def_prop_ro(
          "wrench", [](const State& self) { return array(self.view.state.settings.wrench.data(), 6); }, kOwned);
}

template <bc::JointVector bc::Gains::* Member>
Array joint_gains(const PyGains& self) {
  return array((self.gains.*Member).data(), self.joints);
}

template <bc::Vector6 bc::Gains::* Member>
Array task_gains(const PyGains& self) {
  return array((self.gains.*Member).data(), 6);
}

void bind_gains(nb::module_& m) {
  using bc::Gains;
  nb::class_<PyGains>(m, "Gains")
      .def_prop_ro("stiffness", &joint_gains<&Gains::stiffness>, kOwned)
      .def_prop_ro("damping", &joint_gains<&Gains::damping>, kOwned)
      .def_prop_ro("cartesian_stiffness", &task_gains<&Gains::cartesian_stiffness>, kOwned)
      .def_prop_ro("cartesian_damping_ratio", &task_gains<&Gains::cartesian_damping_ratio>, kOwned)
      .def_prop_ro("nullspace_stiffness", &joint_gains<&Gains::nullspace_stiffness>, kOwned)
      .def_prop_ro("nullspace_damping_ratio", [](const PyGains& self) { return self.gains.nullspace_damping_ratio; });
}

// What is given replaces what was asked for before; the rest stays.
template <std::size_t N>
void replace(std::array<double, N>& values, const std::optional<std::vector<double>>& given, std::size_t size,
             const char* name) {
  if (!given.has_value()) return;
  if (given->size() != size) {
    throw std::invalid_argument(std::string(name) + " has " + std::to_string(given->size()) + " values, not " +
                                std::to_string(size));
  }
  std::copy(given->begin(), given->end(), values.begin());
}

void set_gains(bc::Controller& self, const std::optional<std::vector<double>>& stiffness,
               const std::optional<std::vector<double>>& damping,
               const std::optional<std::vector<double>>& cartesian_stiffness,
               const std::optional<std::vector<double>>& cartesian_damping_ratio,
               const std::optional<std::vector<double>>& nullspace_stiffness,
               std::optional<double> nullspace_damping_ratio) {
  bc::Gains gains = self.settings().wanted().gains;
  replace(gains.stiffness, stiffness, self.joints(), "stiffness");
  replace(gains.damping, damping, self.joints(), "damping");
  replace(gains.cartesian_stiffness, cartesian_stiffness, 6, "cartesian_stiffness");
  replace(gains.cartesian_damping_ratio, cartesian_damping_ratio, 6, "cartesian_damping_ratio");
  replace(gains.nullspace_stiffness, nullspace_stiffness, self.joints(), "nullspace_stiffness");
  gains.nullspace_damping_ratio = nullspace_damping_ratio.value_or(gains.nullspace_damping_ratio);
  self.settings().set_gains(gains);
}

void bind_arbiter(nb::module_& m) {
  using Virtual = bc::VirtualArbiter;
  const auto row = [](const std::vector<double>& values) { return array(values.data(), values.size()); };
  nb::class_<Virtual>(m, "Arbiter")
      .def(nb::init<bc::ControllerConfig, std::vector<double>, double>(), "config"_a, "position"_a, "gripper"_a)
      .def(
          "submit",
          [](Virtual& self, const std::string& source, const bc::WireChunk& chunk) {
            self.port().submit(source_of(source), chunk);
          },
          "source"_a, "chunk"_a)
      .def(
          "request",
          [](Virtual& self, std::uint8_t request, const std::string& reason) {
            return self.port().request(request, reason);
          },
          "request"_a, "reason"_a)
      .def("fault", &Virtual::fault, "reason"_a)
      .def(
          "advance", [row](Virtual& self, std::int64_t now_ns) { return row(self.advance(now_ns)); }, "now_ns"_a)
      .def(
          "update",
          [row](Virtual& self, std::int64_t now_ns, std::int64_t steady_ns) {
            return row(self.update(now_ns, steady_ns));
          },
          "now_ns"_a, "steady_ns"_a)
      .def("poll_acks", [](Virtual& self) { return self.port().acks(); })
      .def("poll_modes", [](Virtual& self) { return self.port().modes(); })
      .def("poll_results", [](Virtual& self) { return self.port().results(); })
      .def("status", [](Virtual& self) { return status_of(self.arbiter().counters(), self.port()); })
      .def_prop_ro("mode", [](Virtual& self) { return static_cast<int>(self.arbiter().mode()); })
      .def_prop_ro("epoch", [](Virtual& self) { return self.arbiter().epoch(); })
      .def_prop_ro("ladder", [](Virtual& self) { return static_cast<int>(self.arbiter().ladder().rung()); })
      .def_prop_ro("stiffness_scale", [](Virtual& self) { return self.arbiter().ladder().stiffness_scale(); })
      .def_prop_ro("row",
                   [](Virtual& self) {
                     const bc::Chunk* chunk = self.arbiter().in_force();
                     return chunk != nullptr ? chunk->row(self.now_ns()) : 0.0;
                   })
      .def_prop_ro(
          "velocity",
          [](Virtual& self) {
            const bc::Reference& reference = self.arbiter().reference();
            return array(reference.velocity().data(), reference.joints());
          },
          kOwned);
}

void bind_controller(nb::module_& m) {
  using bc::Controller;
  const auto limits = [](const std::vector<double>& values) { return array(values.data(), values.size()); };
  nb::class_<Controller>(m, "Controller")
      .def(nb::init<bc::ControllerConfig, std::string>(), "config"_a, "urdf"_a)
      .def(
          "submit",
          [](Controller& self, const std::string& source, const bc::WireChunk& chunk) {
            self.port().submit(source_of(source), chunk);
          },
          "source"_a, "chunk"_a)
      .def(
          "update",
          [](Controller& self, std::int64_t now_ns, std::int64_t steady_ns, const std::vector<double>& position,
             const std::vector<double>& velocity, double gripper) {
            if (position.size() != self.joints() || velocity.size() != self.joints()) {
              throw std::invalid_argument("the robot has " + std::to_string(self.joints()) + " joints, got " +
                                          std::to_string(position.size()) + " positions and " +
                                          std::to_string(velocity.size()) + " velocities");
            }
            const bc::Command command = self.update(now_ns, steady_ns, position.data(), velocity.data(), gripper);
            const bc::JointVector& joints = self.config().commands_torque() ? command.torque : command.position;
            return std::make_pair(array(joints.data(), self.joints()), command.gripper);
          },
          "now_ns"_a, "steady_ns"_a, "position"_a, "velocity"_a, "gripper"_a)
      .def(
          "change_mode",
          [](Controller& self, std::uint8_t request, const std::string& reason) {
            return self.port().request(request, reason);
          },
          "request"_a, "reason"_a)
      .def(
          "relocate", [](Controller& self, const std::string& reason) { self.relocate(reason); }, "reason"_a)
      .def(
          "end", [](Controller& self, std::int64_t now_ns, const std::string& reason) { self.end(now_ns, reason); },
          "now_ns"_a, "reason"_a)
      .def(
          "begin_again", [](Controller& self, const std::string& reason) { self.begin_again(reason); }, "reason"_a)
      .def_prop_ro("faulted", [](Controller& self) { return self.faulted(); })
      .def("set_gains", &set_gains, nb::kw_only(), "stiffness"_a = nb::none(), "damping"_a = nb::none(),
           "cartesian_stiffness"_a = nb::none(), "cartesian_damping_ratio"_a = nb::none(),
           "nullspace_stiffness"_a = nb::none(), "nullspace_damping_ratio"_a = nb::none())
      .def(
          "use_preset", [](Controller& self, const std::string& name) { self.settings().use_preset(name); }, "name"_a)
      .def(
          "set_payload",
          [](Controller& self, double mass, const bc::Vector3& center) { self.settings().set_payload({mass, center}); },
          "mass"_a, "center"_a)
      .def(
          "set_wrench", [](Controller& self, const bc::Vector6& wrench) { self.settings().set_wrench(wrench); },
          "wrench"_a)
      .def("poll_acks", [](Controller& self) { return self.port().acks(); })
      .def("poll_modes", [](Controller& self) { return self.port().modes(); })
      .def("poll_results", [](Controller& self) { return self.port().results(); })
      .def("state", [](Controller& self) { return State{self.view(), self.joints()}; })
      .def("status", [](Controller& self) { return status_of(self.view().state.counters, self.port()); })
      .def_prop_ro("joint_names", [](Controller& self) { return self.config().joint_names(); })
      .def_prop_ro(
          "position_lower", [limits](Controller& self) { return limits(self.config().position_lower); }, kOwned)
      .def_prop_ro(
          "position_upper", [limits](Controller& self) { return limits(self.config().position_upper); }, kOwned);
}

}  // namespace

NB_MODULE(_binding, m) {
  nb::exception<bc::ConfigError>(m, "ConfigError", nb::module_::import_("bc_core.errors").attr("BcError"));
  bind_config(m);
  bind_chunk(m);
  bind_answers(m);
  bind_status(m);
  bind_gains(m);
  bind_state(m);
  bind_arbiter(m);
  bind_controller(m);
}
