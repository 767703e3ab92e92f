#include "plant.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

namespace bc_sim {

namespace {

constexpr int kState = mjSTATE_INTEGRATION;        // all that decides what the next step does
constexpr std::int64_t kSamplePeriod = 5'000'000;  // 200 Hz, the rate of joint_states
constexpr std::int64_t kMaxBacklog = 100'000'000;  // behind the deadline; more is given up, not caught up
constexpr std::int64_t kClockNoise = 20'000;
constexpr std::int64_t kWriteTimeout = 1'000'000'000;

int id_of(const mjModel* model, mjtObj type, const std::string& name) {
  const int id = mj_name2id(model, type, name.c_str());
  if (id < 0) {
    throw std::invalid_argument(std::string(type == mjOBJ_JOINT ? "joint '" : "actuator '") + name +
                                "' is not in the MuJoCo model: build it from the same robot file");
  }
  return id;
}

void find_joints(const mjModel* model, const std::vector<std::string>& names, std::vector<int>& qpos,
                 std::vector<int>& qvel) {
  for (const std::string& name : names) {
    const int id = id_of(model, mjOBJ_JOINT, name);
    qpos.push_back(model->jnt_qposadr[id]);
    qvel.push_back(model->jnt_dofadr[id]);
  }
}

std::size_t state_size(const mjModel* model) {
  return static_cast<std::size_t>(mj_stateSize(model, kState));
}

int steps_per_period(const mjModel* model, std::int64_t period_ns) {
  const double steps = static_cast<double>(period_ns) * 1e-9 / model->opt.timestep;
  const int whole = static_cast<int>(std::lround(steps));
  if (whole < 1 || std::abs(steps - whole) > 1e-6) {
    throw std::invalid_argument("control period " + std::to_string(period_ns) + " ns is no multiple of the model's " +
                                std::to_string(model->opt.timestep) + " s: change the time step");
  }
  return whole;
}

// Deadlines are laid on multiples of the period of the system clock; reading two clocks one after the other adds some
// nanoseconds, which would put a tick's sample just after its tick. A clock that was set or drifts keeps its
// difference.
std::int64_t on_grid(std::int64_t time_ns, std::int64_t period_ns) {
  const std::int64_t nearest = (time_ns + period_ns / 2) / period_ns * period_ns;
  return std::abs(nearest - time_ns) < kClockNoise ? nearest : time_ns;
}

std::uint64_t instabilities(const mjData* data) {
  return static_cast<std::uint64_t>(data->warning[mjWARN_BADQPOS].number) + data->warning[mjWARN_BADQVEL].number +
         data->warning[mjWARN_BADQACC].number;
}

}  // namespace

Plant::Plant(bc::Controller& controller, mjModel* model, mjData* data, const Wiring& wiring, std::int64_t period_ns,
             std::int64_t start_ns)
    : controller_(controller),
      model_(model),
      data_(data),
      period_ns_(period_ns),
      steps_(steps_per_period(model, period_ns)),
      now_ns_(start_ns),
      snapshot_(Snapshot{{}, std::vector<mjtNum>(state_size(model))}),
      samples_(512),
      writes_(2, Write{std::vector<mjtNum>(state_size(model)), {}}) {
  find_joints(model, wiring.arm_joints, arm_qpos_, arm_qvel_);
  find_joints(model, wiring.finger_joints, finger_qpos_, finger_qvel_);
  for (const std::string& name : wiring.arm_actuators) {
    arm_ctrl_.push_back(id_of(model, mjOBJ_ACTUATOR, name));
    if (model->actuator_gear[6 * arm_ctrl_.back()] != 1.0) {
      throw std::invalid_argument("actuator '" + name +
                                  "' has a gear: its control must be the joint's own torque or position");
    }
  }
  for (const std::string& name : wiring.finger_actuators) finger_ctrl_.push_back(id_of(model, mjOBJ_ACTUATOR, name));
  if (arm_qpos_.size() != controller.joints() || arm_ctrl_.size() != controller.joints()) {
    throw std::invalid_argument("the controller has " + std::to_string(controller.joints()) + " joints, the wiring " +
                                std::to_string(arm_qpos_.size()) + " and " + std::to_string(arm_ctrl_.size()) +
                                " actuators: name one of each per joint");
  }
}

Plant::~Plant() {
  stop();
}

void Plant::measure(std::int64_t now_ns) {
  current_.now_ns = now_ns;
  current_.period = periods_;
  current_.simulation_time = data_->time;
  for (std::size_t i = 0; i < arm_qpos_.size(); ++i) {
    current_.position[i] = data_->qpos[arm_qpos_[i]];
    current_.velocity[i] = data_->qvel[arm_qvel_[i]];
  }
  current_.gripper = current_.gripper_velocity = 0.0;
  for (std::size_t i = 0; i < finger_qpos_.size(); ++i) {
    current_.gripper += data_->qpos[finger_qpos_[i]];
    current_.gripper_velocity += data_->qvel[finger_qvel_[i]];
  }
}

void Plant::take_snapshot() {
  Snapshot& snapshot = snapshot_.writable();
  snapshot.sample = current_;
  mj_getState(model_, data_, snapshot.state.data(), kState);
  snapshot_.publish();
}

void Plant::apply(const Write& write) {
  mj_setState(model_, data_, write.state.data(), kState);
  controller_.relocate_in_loop(write.reason.view());
}

// Measure, control, step. Nothing here allocates or locks.
void Plant::period(std::int64_t now_ns, std::int64_t steady_ns) {
  while (const Write* write = writes_.front()) {
    apply(*write);
    writes_.pop();
    writes_done_.fetch_add(1, std::memory_order_release);
  }
  measure(now_ns);
  const std::int64_t began = steady_now();
  const bc::Command command =
      controller_.update(now_ns, steady_ns, current_.position.data(), current_.velocity.data(), current_.gripper);
  update_.add(steady_now() - began);
  current_.torque = command.torque;
  const bc::JointVector& control = controller_.config().commands_torque() ? command.torque : command.position;
  for (std::size_t i = 0; i < arm_ctrl_.size(); ++i) data_->ctrl[arm_ctrl_[i]] = control[i];
  for (const int id : finger_ctrl_) data_->ctrl[id] = command.gripper / static_cast<double>(finger_ctrl_.size());
  take_snapshot();
  if (now_ns / kSamplePeriod != sampled_) {
    sampled_ = now_ns / kSamplePeriod;
    if (!samples_.push(current_)) samples_lost_.fetch_add(1, std::memory_order_relaxed);
  }
  const std::uint64_t unstable = instabilities(data_);
  for (int i = 0; i < steps_; ++i) mj_step(model_, data_);
  warnings_.fetch_add(instabilities(data_) - std::min(unstable, instabilities(data_)), std::memory_order_relaxed);
  ++periods_;
  counted_.fetch_add(1, std::memory_order_relaxed);
}

std::int64_t Plant::advance(std::int64_t periods) {
  const std::lock_guard<std::mutex> lock(running_control_);
  refuse_while_running("advance");
  stopped_steady_.store(0);
  std::int64_t now = now_ns();
  for (std::int64_t i = 0; i < periods; ++i) {
    period(now, now);
    now += period_ns_;
  }
  now_ns_.store(now, std::memory_order_release);
  return now;
}

void Plant::start(int priority, bool lock) {
  const std::lock_guard<std::mutex> control(running_control_);
  refuse_while_running("start");
  const std::string memory = lock ? lock_memory() : "memory not locked (not asked for)";
  {
    const std::lock_guard<std::mutex> describing(describing_);
    scheduling_ = memory;
  }
  reset_statistics();
  stopped_steady_.store(0);
  stopping_.store(false);
  running_.store(true, std::memory_order_release);
  thread_ = std::thread([this, priority] { run(priority); });
}

void Plant::stop() {
  const std::lock_guard<std::mutex> lock(running_control_);
  if (!thread_.joinable()) return;
  stopping_.store(true);
  thread_.join();
  stopped_steady_.store(steady_now());
  running_.store(false, std::memory_order_release);
}

void Plant::run(int priority) {
  const std::string scheduling = raise_priority(priority);
  {
    const std::lock_guard<std::mutex> describing(describing_);
    scheduling_ = scheduling + ", " + scheduling_;
  }
  const std::int64_t offset = system_now() - steady_now();
  // Deadlines lie on the system clock's own milliseconds, as near as can be: so do the samples on its ticks.
  std::int64_t deadline = ((steady_now() + offset) / period_ns_ + 2) * period_ns_ - offset;
  since_steady_.store(deadline);
  while (!stopping_.load(std::memory_order_relaxed)) {
    sleep_until(deadline);
    const std::int64_t woke = steady_now();
    late_.add(woke - deadline);
    // The time of the period is that of its deadline: a late start does not show in what is sampled.
    const std::int64_t now = on_grid(deadline + (system_now() - steady_now()), period_ns_);
    period(now, deadline);
    now_ns_.store(now, std::memory_order_release);
    deadline += period_ns_;
    const std::int64_t behind = steady_now() - deadline;
    if (behind > kMaxBacklog) {
      skipped_.fetch_add(static_cast<std::uint64_t>(behind / period_ns_), std::memory_order_relaxed);
      deadline += behind / period_ns_ * period_ns_;
    }
  }
}

void Plant::refuse_while_running(const char* what) const {
  if (running()) {
    throw std::runtime_error(std::string(what) + ": the plant's thread runs: stop() it first");
  }
}

Sample Plant::sample() {
  const std::lock_guard<std::mutex> lock(reading_);
  const Sample& newest = snapshot_.read().sample;
  if (snapshot_.filled()) return newest;
  if (!running()) measure(now_ns());
  return current_;
}

std::vector<Sample> Plant::samples() {
  const std::lock_guard<std::mutex> lock(sampling_);
  std::vector<Sample> out;
  while (const Sample* sample = samples_.front()) {
    out.push_back(*sample);
    samples_.pop();
  }
  return out;
}

Sample Plant::read(mjData* into) {
  const std::lock_guard<std::mutex> lock(reading_);
  const Snapshot& newest = snapshot_.read();
  if (snapshot_.filled()) {
    mj_setState(model_, into, newest.state.data(), kState);
    return newest.sample;
  }
  refuse_while_running("read before the first period");
  measure(now_ns());
  std::vector<mjtNum> state(state_size(model_));
  mj_getState(model_, data_, state.data(), kState);
  mj_setState(model_, into, state.data(), kState);
  return current_;
}

void Plant::write(const mjData* from, const std::string& reason) {
  const std::lock_guard<std::mutex> lock(writing_);
  Write* slot = writes_.begin_write();
  if (slot == nullptr) throw std::runtime_error("write: the control loop does not take what was written before");
  mj_getState(model_, from, slot->state.data(), kState);
  slot->reason = reason;
  if (!running()) {
    const std::lock_guard<std::mutex> control(running_control_);
    apply(*slot);
    measure(now_ns());
    take_snapshot();
    return;  // the slot was never handed over
  }
  writes_.commit();
  ++writes_asked_;
  const std::int64_t deadline = steady_now() + kWriteTimeout;
  while (writes_done_.load(std::memory_order_acquire) < writes_asked_) {
    if (steady_now() > deadline) throw std::runtime_error("write: the control loop did not take it within 1 s");
    sleep_until(steady_now() + 200'000);
  }
}

void Plant::copy_from(Plant& other) {
  if (&other == this) return;
  const std::scoped_lock lock(running_control_, other.running_control_, reading_, other.reading_);
  refuse_while_running("copy_from");
  other.refuse_while_running("copy_from");
  if (state_size(other.model_) != state_size(model_) || other.period_ns_ != period_ns_) {
    throw std::invalid_argument("copy_from: the plants' models differ: build both from one robot and one task");
  }
  controller_.copy_from(other.controller_);
  std::vector<mjtNum> state(state_size(model_));
  mj_getState(other.model_, other.data_, state.data(), kState);
  mj_setState(model_, data_, state.data(), kState);
  current_ = other.current_;
  periods_ = other.periods_;
  sampled_ = other.sampled_;
  now_ns_.store(other.now_ns());
  snapshot_.writable() = other.snapshot_.read();  // that of the last period, as the other one's readers have it
  snapshot_.publish();
  while (samples_.front() != nullptr) samples_.pop();
}

PlantStatus Plant::status() {
  PlantStatus status;
  const std::int64_t stopped = stopped_steady_.load();
  const std::int64_t until = stopped == 0 ? steady_now() : stopped;
  const double wall = static_cast<double>(until - since_steady_.load()) * 1e-9;
  status.periods = counted_.load(std::memory_order_relaxed);
  if (wall > 0.0) status.rate_hz = static_cast<double>(status.periods) / wall;
  status.realtime_factor = status.rate_hz * static_cast<double>(period_ns_) * 1e-9;
  status.late_over_1ms = late_.count_over_1ms();
  status.late_p50_us = late_.quantile_us(0.5);
  status.late_p99_us = late_.quantile_us(0.99);
  status.late_max_us = late_.maximum_us();
  status.update_p50_us = update_.quantile_us(0.5);
  status.update_p99_us = update_.quantile_us(0.99);
  status.update_max_us = update_.maximum_us();
  status.skipped_periods = skipped_.load(std::memory_order_relaxed);
  status.samples_lost = samples_lost_.load(std::memory_order_relaxed);
  status.physics_warnings = warnings_.load(std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(describing_);
  status.scheduling = scheduling_;
  return status;
}

void Plant::reset_statistics() {
  late_.reset();
  update_.reset();
  counted_.store(0);
  skipped_.store(0);
  samples_lost_.store(0);
  warnings_.store(0);
  since_steady_.store(steady_now());
}

}  // namespace bc_sim
