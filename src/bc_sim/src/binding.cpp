// Python binding of the plant: bc_sim/_plant.pyi describes it.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>

#include "plant.hpp"
#include "realtime.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using bc_sim::Plant;
using bc_sim::PlantStatus;
using Array = nb::ndarray<nb::numpy, double, nb::ndim<1>>;

// A sample with the number of joints, which the loop's own structure leaves out.
struct PySample {
  bc_sim::Sample sample;
  std::size_t joints;
};

template <bc::JointVector bc_sim::Sample::* Member>
Array joint_values(const PySample& self) {
  auto data = std::make_unique<double[]>(self.joints);
  std::copy_n((self.sample.*Member).begin(), self.joints, data.get());
  nb::capsule owner(data.get(), [](void* pointer) noexcept { delete[] static_cast<double*>(pointer); });
  return Array(data.release(), {self.joints}, owner);
}

template <auto Member>
auto value(const PySample& self) {
  return self.sample.*Member;
}

mjData* data_at(std::uintptr_t address) {
  return reinterpret_cast<mjData*>(address);
}

void bind_values(nb::module_& m) {
  using bc_sim::Sample;
  constexpr auto kOwned = nb::rv_policy::move;
  nb::class_<PySample>(m, "Sample")
      .def_prop_ro("now_ns", &value<&Sample::now_ns>)
      .def_prop_ro("period", &value<&Sample::period>)
      .def_prop_ro("simulation_time", &value<&Sample::simulation_time>)
      .def_prop_ro("position", &joint_values<&Sample::position>, kOwned)
      .def_prop_ro("velocity", &joint_values<&Sample::velocity>, kOwned)
      .def_prop_ro("torque", &joint_values<&Sample::torque>, kOwned)
      .def_prop_ro("gripper", &value<&Sample::gripper>)
      .def_prop_ro("gripper_velocity", &value<&Sample::gripper_velocity>);
  nb::class_<PlantStatus>(m, "PlantStatus")
      .def_ro("rate_hz", &PlantStatus::rate_hz)
      .def_ro("realtime_factor", &PlantStatus::realtime_factor)
      .def_ro("periods", &PlantStatus::periods)
      .def_ro("late_over_1ms", &PlantStatus::late_over_1ms)
      .def_ro("late_p50_us", &PlantStatus::late_p50_us)
      .def_ro("late_p99_us", &PlantStatus::late_p99_us)
      .def_ro("late_max_us", &PlantStatus::late_max_us)
      .def_ro("update_p50_us", &PlantStatus::update_p50_us)
      .def_ro("update_p99_us", &PlantStatus::update_p99_us)
      .def_ro("update_max_us", &PlantStatus::update_max_us)
      .def_ro("skipped_periods", &PlantStatus::skipped_periods)
      .def_ro("samples_lost", &PlantStatus::samples_lost)
      .def_ro("physics_warnings", &PlantStatus::physics_warnings)
      .def_ro("scheduling", &PlantStatus::scheduling);
}

void bind_plant(nb::module_& m) {
  using Names = std::vector<std::string>;
  const auto release = nb::call_guard<nb::gil_scoped_release>();
  nb::class_<Plant>(m, "Plant")
      .def(
          "__init__",
          [](Plant* self, bc::Controller& controller, std::uintptr_t model, std::uintptr_t data, Names arm_joints,
             Names arm_actuators, Names finger_joints, Names finger_actuators, std::int64_t period_ns,
             std::int64_t start_ns) {
            new (self) Plant(controller, reinterpret_cast<mjModel*>(model), data_at(data),
                             {arm_joints, arm_actuators, finger_joints, finger_actuators}, period_ns, start_ns);
          },
          "controller"_a, "model_address"_a, "data_address"_a, nb::kw_only(), "arm_joints"_a, "arm_actuators"_a,
          "finger_joints"_a, "finger_actuators"_a, "period_ns"_a = 1'000'000, "start_ns"_a = 1'000'000'000,
          nb::keep_alive<1, 2>())
      .def("advance", &Plant::advance, "periods"_a, release)
      .def_prop_ro("now_ns", &Plant::now_ns)
      .def("start", &Plant::start, "priority"_a = 80, "lock_memory"_a = true, release)
      .def("stop", &Plant::stop, release)
      .def_prop_ro("running", &Plant::running)
      .def("sample", [](Plant& self) { return PySample{self.sample(), self.joints()}; })
      .def("samples",
           [](Plant& self) {
             std::vector<PySample> out;
             for (const bc_sim::Sample& sample : self.samples()) out.push_back({sample, self.joints()});
             return out;
           })
      .def(
          "read",
          [](Plant& self, std::uintptr_t address) {
            const nb::gil_scoped_release released;
            return PySample{self.read(data_at(address)), self.joints()};
          },
          "data_address"_a)
      .def(
          "write",
          [](Plant& self, std::uintptr_t address, const std::string& reason) { self.write(data_at(address), reason); },
          "data_address"_a, "reason"_a = "scene reset", release)
      .def("copy_from", &Plant::copy_from, "other"_a, release)
      .def("status", &Plant::status)
      .def("reset_statistics", &Plant::reset_statistics);
}

void bind_timer(nb::module_& m) {
  using bc_sim::TimerLateness;
  nb::class_<TimerLateness>(m, "TimerLateness")
      .def_ro("periods", &TimerLateness::periods)
      .def_ro("late_over_1ms", &TimerLateness::late_over_1ms)
      .def_ro("late_p99_us", &TimerLateness::late_p99_us)
      .def_ro("late_max_us", &TimerLateness::late_max_us)
      .def_ro("scheduling", &TimerLateness::scheduling);
  m.def("timer_lateness", &bc_sim::timer_lateness, "seconds"_a, "priority"_a = 80,
        nb::call_guard<nb::gil_scoped_release>());
}

}  // namespace

NB_MODULE(_plant, m) {
  nb::module_::import_("bc_controllers");  // registers the type of Controller
  bind_values(m);
  bind_plant(m);
  bind_timer(m);
}
