#include "bc_controllers/controller.hpp"

#include <algorithm>
#include <utility>

namespace bc {

namespace {

const ControllerConfig& validated(const ControllerConfig& config) {
  validate(config);
  if (config.has_pose()) {
    throw ConfigError("groups hold a pose, and joint impedance follows joints: name a joint_position group");
  }
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
  const auto check = [&joints](const char* what, const std::vector<double>& asked, const std::vector<double>& limit) {
    for (std::size_t i = 0; i < joints.size(); ++i) {
      if (asked[i] > limit[i]) {
        throw ConfigError(std::string(what) + " of " + joints[i] + " is " + std::to_string(asked[i]) +
                          ", above the URDF's " + std::to_string(limit[i]) + ": lower it");
      }
    }
  };
  check("torque limit", config.torque, model.effort());
  check("velocity limit", config.velocity, model.velocity());
  return config;
}

}  // namespace

Controller::Controller(ControllerConfig config, const std::string& urdf)
    : model_(urdf, validated(config).joint_names(), config.base_frame, config.tcp_frame),
      config_(completed(std::move(config), model_)),
      joints_(config_.joint_names().size()),
      port_(config_),
      arbiter_(config_, port_),
      impedance_(config_, model_),
      limiter_(config_),
      frozen_(config_),
      relocations_(8) {}

Command Controller::update(std::int64_t now_ns, std::int64_t steady_ns, const double* position, const double* velocity,
                           double gripper) {
  const double seconds = started_ ? static_cast<double>(std::max<std::int64_t>(0, steady_ns - steady_)) * 1e-9 : 0.0;
  steady_ = steady_ns;
  while (relocations_.front() != nullptr) {
    relocate_in_loop(relocations_.front()->view());
    relocations_.pop();
  }
  const bool trusted = trust(now_ns, position, velocity, gripper);
  if (trusted && (relocating_ || !started_)) begin(now_ns, relocating_ ? relocation_.view() : "start");
  arbiter_.update(now_ns, steady_ns);

  Command command;
  if (started_) {
    command.gripper = arbiter_.reference().gripper();
    if (trusted) {
      impedance_.torque(position_.data(), velocity_.data(), arbiter_.reference().position(),
                        arbiter_.reference().velocity(), arbiter_.ladder().stiffness_scale(), command.torque);
    } else {
      arbiter_.drop_stiffness();  // no feedback on a measurement that is not one: the arm floats, and is held up
      impedance_.rest(position_.data(), command.torque);
    }
    if (!all_finite(command.torque.data(), joints_)) {
      arbiter_.fault(now_ns, "fault: torque is not finite");
      command.torque = limiter_.last();
    }
    limiter_.limit(command.torque, seconds);
    torque_limited_ += limiter_.size_limited() ? 1 : 0;
    torque_rate_limited_ += limiter_.rate_limited() ? 1 : 0;
  }
  publish(now_ns, command);
  return command;
}

// Whether this period's measurement can be used; a fault otherwise.
bool Controller::trust(std::int64_t now_ns, const double* position, const double* velocity, double gripper) {
  if (!all_finite(position, joints_) || !all_finite(velocity, joints_) || !all_finite(&gripper, 1)) {
    arbiter_.fault(now_ns, "fault: encoder reading is not finite");
    return false;
  }
  std::copy_n(position, joints_, position_.begin());
  std::copy_n(velocity, joints_, velocity_.begin());
  gripper_ = gripper;
  if (started_ && !relocating_ && frozen_.check(position, arbiter_.reference().position()) >= 0) {
    frozen_.reset(position, arbiter_.reference().position());  // said once; watched anew after the reset
    arbiter_.fault(now_ns, "fault: encoder reading is frozen");
  }
  return true;
}

// From the measured position, with the torque that holds it there: nothing steps, and no rate limit starts from nil.
void Controller::begin(std::int64_t now_ns, std::string_view reason) {
  started_ = true;
  relocating_ = false;
  arbiter_.relocate(now_ns, position_.data(), gripper_, reason);
  JointVector torque{};
  impedance_.rest(position_.data(), torque);
  limiter_.reset(torque);
  frozen_.reset(position_.data(), arbiter_.reference().position());
}

void Controller::relocate(std::string_view reason) {
  const std::lock_guard<std::mutex> lock(relocating_threads_);
  relocations_.push(reason);  // full: eight wait already, and one is enough
}

void Controller::relocate_in_loop(std::string_view reason) {
  relocating_ = true;
  relocation_ = reason;
}

void Controller::end(std::int64_t now_ns, std::string_view reason) {
  if (!started_) return;
  arbiter_.relocate(now_ns, position_.data(), gripper_, reason);
  publish(now_ns, Command{});
}

void Controller::begin_again(std::string_view reason) {
  port_.discard(arbiter_.mode(), arbiter_.epoch());
  relocate_in_loop(reason);
}

void Controller::copy_from(Controller& other) {
  if (&other == this) return;
  if (other.joints_ != joints_ || other.config_.period_ns != config_.period_ns) {
    throw ConfigError("a controller can be copied only from one of the same configuration: build both from one file");
  }
  port_.copy_from(other.port_);
  arbiter_.copy_from(other.arbiter_);
  limiter_ = other.limiter_;
  frozen_ = other.frozen_;
  position_ = other.position_;
  velocity_ = other.velocity_;
  gripper_ = other.gripper_;
  started_ = other.started_;
  steady_ = other.steady_;
  torque_limited_ = other.torque_limited_;
  torque_rate_limited_ = other.torque_rate_limited_;
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
  state.position = position_;
  state.velocity = velocity_;
  state.position_reference = arbiter_.reference().position();
  state.velocity_reference = arbiter_.reference().velocity();
  state.effort = command.torque;
  state.gripper_position = gripper_;
  state.gripper_reference = arbiter_.reference().gripper();
  state.ladder = arbiter_.ladder().rung();
  state.has_source = chunk != nullptr;
  state.source = chunk != nullptr ? chunk->source : Source::kPolicy;
  state.producer_id = chunk != nullptr ? chunk->producer_id : 0;
  state.sequence = chunk != nullptr ? chunk->sequence : 0;
  state.row = chunk != nullptr ? chunk->row(now_ns) : 0.0;
  state.stiffness_scale = arbiter_.ladder().stiffness_scale();
  state.counters = arbiter_.counters();
  state.counters.torque_limited = torque_limited_;
  state.counters.torque_rate_limited = torque_rate_limited_;
  state_.publish();
}

Controller::View Controller::view() {
  const std::lock_guard<std::mutex> lock(viewing_);
  View view;
  view.state = state_.read();
  view.tcp = model_.tcp(view.state.position.data());
  view.tcp_reference = model_.tcp(view.state.position_reference.data());
  return view;
}

}  // namespace bc
