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
#include "bind_config.hpp"
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
