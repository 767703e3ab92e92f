#include "bc_controllers/controller.hpp"

#include <algorithm>
#include <utility>

#include "bc_controllers/cartesian_impedance.hpp"
#include "bc_controllers/joint_impedance.hpp"
#include "linear.hpp"

namespace bc {

namespace {

const ControllerConfig& validated(const ControllerConfig& config) {
  validate(config);
  return config;
}

// Limits that the configuration leaves to the URDF, and those it may not exceed.
ControllerConfig completed(ControllerConfig config, const RobotModel& model) {
  const std::vector<std::string> joints = config.joint_names();
  if (config.position_lower.empty() && config.position_upper.empty()) {
    for (std::size_t i = 0; i < joints.size(); ++i) {
      config.position_lower.push_back(model.position_lower()[i] + config.position_margin);
      config.position_upper.push_back(model.position_upper()[i] - config.position_margin);
    }
  }
  validate_with_limits(config);
  for (std::size_t i = 0; i < joints.size(); ++i) {
    if (config.position_lower[i] < model.position_lower()[i] || config.position_upper[i] > model.position_upper()[i]) {
      throw ConfigError("position of " + joints[i] + " ranges from " + std::to_string(config.position_lower[i]) +
                        " to " + std::to_string(config.position_upper[i]) + ", beyond the URDF's " +
                        std::to_string(model.position_lower()[i]) + " to " + std::to_string(model.position_upper()[i]) +
                        ": stay inside");
    }
  }
  const auto check = [&joints](const char* what, const std::vector<double>& asked, const std::vector<double>& limit) {
    for (std::size_t i = 0; i < joints.size(); ++i) {
      if (asked[i] > limit[i]) {
        throw ConfigError(std::string(what) + " of " + joints[i] + " is " + std::to_string(asked[i]) +
                          ", above the URDF's " + std::to_string(limit[i]) + ": lower it");
      }
    }
  };
  if (config.commands_torque()) check("torque limit", config.torque, model.effort());
  check("velocity limit", config.velocity, model.velocity());
  return config;
}

// What the controller counts, which the arbiter does not.
void add(const Counters& own, Counters& total) {
  for (const auto member : {&Counters::nonfinite_inputs, &Counters::nonfinite_commands, &Counters::frozen_encoders,
                            &Counters::workspace_limited, &Counters::tcp_speed_limited, &Counters::kinematics_limited,
                            &Counters::error_clipped, &Counters::limits_repelled, &Counters::overspeed,
                            &Counters::torque_limited, &Counters::torque_rate_limited, &Counters::position_limited}) {
    total.*member = own.*member;
  }
}

std::unique_ptr<TorqueLaw> make_law(const ControllerConfig& config, RobotModel& model) {
  switch (config.output) {
    case Output::kJointImpedance:
      return std::make_unique<JointImpedance>(config, model);
    case Output::kCartesianImpedance:
      return std::make_unique<CartesianImpedance>(config, model);
    case Output::kPosition:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

Controller::Controller(ControllerConfig config, const std::string& urdf)
    : model_(urdf, validated(config).joint_names(), config.base_frame, config.tcp_frame, config.armature),
      config_(completed(std::move(config), model_)),
      joints_(config_.joint_names().size()),
      port_(config_),
      arbiter_(config_, port_),
      settings_(config_),
      solver_(config_, model_),
      compensation_(config_, model_),
      law_(make_law(config_, model_)),
      guard_(config_, model_.velocity()),
      torque_limiter_(config_),
      position_limiter_(config_),
      frozen_(config_),
      relocations_(8) {
  set_payload(settings_.now().payload);
}

Command Controller::update(std::int64_t now_ns, std::int64_t steady_ns, const double* position, const double* velocity,
                           double gripper) {
  const std::int64_t passed = started_ ? std::max<std::int64_t>(0, steady_ns - steady_) : 0;
  const double seconds = static_cast<double>(std::min(passed, kMostPeriods * config_.period_ns)) * 1e-9;
  steady_ = steady_ns;
  while (relocations_.front() != nullptr) {
    relocate_in_loop(relocations_.front()->view());
    relocations_.pop();
  }
  const bool may_push = arbiter_.mode() != Mode::kStopped;
  set_payload(settings_.advance(seconds, steady_ns, may_push).payload);
  const bool trusted = trust(now_ns, seconds, position, velocity, gripper);
  if (trusted && (relocating_ || !started_)) begin(now_ns, relocating_ ? relocation_.view() : "start");
  arbiter_.update(now_ns, steady_ns);

  Command command;
  if (started_) {
    command.gripper = arbiter_.reference().gripper();
    solver_.advance(arbiter_.reference(), seconds);
    count_setpoint();
    if (law_ != nullptr) {
      command_torque(now_ns, trusted, seconds, command);
    } else {
      command_position(now_ns, trusted, seconds, command);
    }
  }
  publish(now_ns, command);
  return command;
}

void Controller::command_torque(std::int64_t now_ns, bool trusted, double seconds, Command& command) {
  const Setpoint& setpoint = solver_.setpoint();
  command.position = setpoint.position;
  if (trusted) {
    const Settings& settings = settings_.now();
    JointVector model{};
    counters_.error_clipped +=
        law_->torque(measured_, setpoint, settings, arbiter_.ladder().stiffness_scale(), command.torque) ? 1 : 0;
    guard_.guard(measured_.position.data(), measured_.velocity.data(), settings.gains.damping, command.torque);
    counters_.limits_repelled += guard_.repelled() ? 1 : 0;
    counters_.overspeed += guard_.overspeed() ? 1 : 0;
    compensation_.torque(measured_, setpoint, model);
    for (std::size_t i = 0; i < joints_; ++i) command.torque[i] += model[i];
  } else {
    arbiter_.drop_stiffness();  // no feedback on a measurement that is not one: the arm floats, and is held up
    compensation_.rest(measured_.position.data(), command.torque);
  }
  if (!all_finite(command.torque.data(), joints_)) {
    ++counters_.nonfinite_commands;
    arbiter_.fault(now_ns, "fault: torque is not finite");
    compensation_.rest(measured_.position.data(), command.torque);
    if (!all_finite(command.torque.data(), joints_)) command.torque = torque_limiter_.last();
  }
  torque_limiter_.limit(command.torque, seconds);
  counters_.torque_limited += torque_limiter_.size_limited() ? 1 : 0;
  counters_.torque_rate_limited += torque_limiter_.rate_limited() ? 1 : 0;
}

void Controller::command_position(std::int64_t now_ns, bool trusted, double seconds, Command& command) {
  command.position = solver_.setpoint().position;
  if (!all_finite(command.position.data(), joints_)) {
    ++counters_.nonfinite_commands;
    arbiter_.fault(now_ns, "fault: position is not finite");
    command.position = position_limiter_.last();
  }
  if (!trusted) command.position = position_limiter_.last();  // stands where it was sent last
  bool clipped = false;
  counters_.position_limited +=
      position_limiter_.limit(measured_.position.data(), command.position, seconds, clipped) ? 1 : 0;
  counters_.error_clipped += clipped ? 1 : 0;
}

void Controller::count_setpoint() {
  counters_.workspace_limited += solver_.workspace_limited() ? 1 : 0;
  counters_.tcp_speed_limited += solver_.tcp_speed_limited() ? 1 : 0;
  counters_.kinematics_limited += solver_.kinematics_limited() ? 1 : 0;
}

void Controller::set_payload(const Payload& payload) {
  if (payload.mass == carried_.mass && payload.center == carried_.center) return;
  carried_ = payload;
  model_.set_payload(payload.mass, payload.center);
}

void Controller::copy_from(Controller& other) {
  if (&other == this) return;
  if (other.joints_ != joints_ || other.config_.output != config_.output ||
      other.config_.period_ns != config_.period_ns) {
    throw ConfigError("a controller can be copied only from one of the same configuration: build both from one file");
  }
  port_.copy_from(other.port_);
  arbiter_.copy_from(other.arbiter_);
  settings_.copy_from(other.settings_);
  set_payload(other.carried_);
  solver_.copy_from(other.solver_);
  torque_limiter_ = other.torque_limiter_;
  position_limiter_ = other.position_limiter_;
  frozen_ = other.frozen_;
  measured_ = other.measured_;
  gripper_ = other.gripper_;
  started_ = other.started_;
  lost_ = other.lost_;
  stuck_ = other.stuck_;
  steady_ = other.steady_;
  counters_ = other.counters_;
  relocating_ = other.relocating_;
  relocation_ = other.relocation_;
  relocations_.copy_from(other.relocations_);
  const std::scoped_lock lock(viewing_, other.viewing_);
  state_.writable() = other.state_.read();
  state_.publish();
}

void Controller::publish(std::int64_t now_ns, const Command& command) {
  ControllerState& state = state_.writable();
  const Chunk* chunk = arbiter_.in_force();
  state.stamp_ns = now_ns;
  state.mode = arbiter_.mode();
  state.mode_epoch = arbiter_.epoch();
  state.position = measured_.position;
  state.velocity = measured_.velocity;
  state.position_reference = solver_.setpoint().position;
  state.velocity_reference = solver_.setpoint().velocity;
  state.pose_reference = solver_.setpoint().pose;
  state.effort = command.torque;
  state.position_command = command.position;
  state.gripper_position = gripper_;
  state.gripper_reference = arbiter_.reference().gripper();
  state.ladder = arbiter_.ladder().rung();
  state.has_source = chunk != nullptr;
  state.source = chunk != nullptr ? chunk->source : Source::kPolicy;
  state.producer_id = chunk != nullptr ? chunk->producer_id : 0;
  state.sequence = chunk != nullptr ? chunk->sequence : 0;
  state.row = chunk != nullptr ? chunk->row(now_ns) : 0.0;
  state.stiffness_scale = arbiter_.ladder().stiffness_scale();
  state.settings = settings_.now();
  state.counters = arbiter_.counters();
  add(counters_, state.counters);
  state_.publish();
}

Controller::View Controller::view() {
  const std::lock_guard<std::mutex> lock(viewing_);
  View view;
  view.state = state_.read();
  view.tcp = model_.tcp(view.state.position.data());
  const Pose& reference = view.state.pose_reference;
  std::copy(reference.position.begin(), reference.position.end(), view.tcp_reference.begin());
  std::copy(reference.rotation.begin(), reference.rotation.end(), view.tcp_reference.begin() + 3);
  return view;
}

}  // namespace bc
