#include "trajectory_action.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "goal.hpp"
#include "messages.hpp"

namespace bc_plugins {

namespace {

constexpr std::int64_t kLead = 20'000'000;    // from the grant to row 0 [ns]
constexpr std::int64_t kAhead = 500'000'000;  // a chunk is sent so long before its row 0 [ns]
constexpr std::size_t kRows = 128;            // of a chunk
constexpr std::size_t kOverlap = 3;           // rows that it shares with the one before: nothing moves at the change
constexpr std::int64_t kReportPeriod = 50'000'000;  // [ns]
constexpr auto kProducer = "follow_joint_trajectory";

std::uint64_t random_id() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

}  // namespace

std::shared_ptr<TrajectoryAction> TrajectoryAction::make(rclcpp_lifecycle::LifecycleNode& node,
                                                         std::shared_ptr<Link> link,
                                                         const chunk_controller::Params::Trajectory& parameters) {
  std::shared_ptr<TrajectoryAction> action(new TrajectoryAction(std::move(link), parameters));
  action->serve(node);
  return action;
}

TrajectoryAction::TrajectoryAction(std::shared_ptr<Link> link, const chunk_controller::Params::Trajectory& parameters)
    : link_(std::move(link)),
      parameters_(parameters),
      joints_(link_->loop().controller.config().joint_names()),
      producer_id_(random_id()) {}

void TrajectoryAction::serve(rclcpp_lifecycle::LifecycleNode& node) {
  const std::weak_ptr<TrajectoryAction> weak = weak_from_this();
  link_->on_tick([weak] {
    if (const auto action = weak.lock()) action->tick();
  });
  link_->on_ack([weak](const bc::Ack& ack) {
    if (const auto action = weak.lock()) action->heard(ack);
  });
  const auto receive = [weak](const rclcpp_action::GoalUUID&, const std::shared_ptr<const Follow::Goal>&) {
    const auto action = weak.lock();
    const bool active = action && action->link_->loop().running.load(std::memory_order_acquire);
    return active ? rclcpp_action::GoalResponse::ACCEPT_AND_EXECUTE : rclcpp_action::GoalResponse::REJECT;
  };
  const auto cancel = [](const std::shared_ptr<Handle>&) { return rclcpp_action::CancelResponse::ACCEPT; };
  const auto accept = [weak](const std::shared_ptr<Handle>& handle) {
    if (const auto action = weak.lock()) action->accept(handle);
  };
  server_ = rclcpp_action::create_server<Follow>(node.get_node_base_interface(), node.get_node_clock_interface(),
                                                 node.get_node_logging_interface(), node.get_node_waitables_interface(),
                                                 "~/follow_joint_trajectory", receive, cancel, accept);
}

// What is wrong with a goal is told in its result, where whoever planned it reads it.
void TrajectoryAction::accept(const std::shared_ptr<Handle>& handle) {
  if (goal_) give_up(Follow::Result::INVALID_GOAL, "a newer goal takes its place");
  try {
    goal_.emplace(read(handle, link_->loop().controller.view().state));
  } catch (const GoalError& error) {
    abort_goal(*handle, error.code(), error.what());
    return;
  } catch (const bc::TrajectoryError& error) {
    abort_goal(*handle, Follow::Result::INVALID_GOAL, error.what());
    return;
  }
  ask(handle);
}

TrajectoryAction::Goal TrajectoryAction::read(const std::shared_ptr<Handle>& handle,
                                              const bc::ControllerState& state) const {
  const Follow::Goal& message = *handle->get_goal();
  const std::vector<double> here(state.position_reference.begin(),
                                 state.position_reference.begin() + static_cast<std::ptrdiff_t>(joints_.size()));
  Goal goal{handle, read_trajectory(message, joints_, here, parameters_.start_tolerance, link_->now_ns()),
            read_tolerances(message.path_tolerance, joints_, parameters_.path_tolerance),
            read_tolerances(message.goal_tolerance, joints_, parameters_.goal_tolerance)};
  const double asked = 1e-9 * static_cast<double>(to_ns(message.goal_time_tolerance));
  goal.goal_time = asked > 0.0 ? asked : parameters_.goal_time;
  goal.gripper = state.gripper_reference;
  const double intervals = std::max(1.0, std::ceil(goal.trajectory.duration() / parameters_.dt));
  goal.rows = static_cast<std::size_t>(intervals) + 1;
  const double dt = goal.trajectory.duration() > 0.0 ? goal.trajectory.duration() / intervals : parameters_.dt;
  goal.dt_ns = std::max(bc::kMinDt, static_cast<std::int64_t>(std::llround(dt * 1e9)));
  return goal;
}

// A goal that takes another's place enters PLANNER anew: chunks of the old one that wait are dropped.
void TrajectoryAction::ask(const std::shared_ptr<Handle>& handle) {
  if (link_->loop().controller.view().state.mode == bc::Mode::kPlanner) {
    link_->request(static_cast<std::uint8_t>(bc::Request::kHold), "a newer goal", [](const bc::ModeResult&) {});
  }
  const std::weak_ptr<TrajectoryAction> weak = weak_from_this();
  link_->request(static_cast<std::uint8_t>(bc::Request::kGrant), kProducer,
                 [weak, handle](const bc::ModeResult& result) {
                   if (const auto action = weak.lock()) action->granted(handle, result);
                 });
}

void TrajectoryAction::granted(const std::shared_ptr<Handle>& handle, const bc::ModeResult& result) {
  if (!goal_ || goal_->handle != handle) return;
  if (!result.success) {
    finish(Follow::Result::INVALID_GOAL, bc::message(result));
    return;
  }
  const std::int64_t stamp = to_ns(handle->get_goal()->trajectory.header.stamp);
  goal_->start_ns = std::max(stamp, link_->now_ns() + kLead);
  goal_->epoch = result.epoch;
  goal_->phase = Phase::kMoving;
  send();
}

// Whatever is due: the next chunk begins before the one before has ended, with rows that equal its last ones.
void TrajectoryAction::send() {
  Goal& goal = *goal_;
  while (goal.sent < goal.rows) {
    const std::size_t first = goal.sent == 0 ? 0 : goal.sent - kOverlap;
    const std::int64_t stamp = goal.start_ns + static_cast<std::int64_t>(first) * goal.dt_ns;
    if (stamp - link_->now_ns() > kAhead) return;
    const std::size_t end = std::min(goal.rows, first + kRows);
    bc::WireChunk chunk;
    chunk.stamp_ns = stamp;
    chunk.dt_ns = goal.dt_ns;
    chunk.horizon = static_cast<std::int64_t>(end - first);
    chunk.producer = kProducer;
    chunk.producer_id = producer_id_;
    chunk.sequence = ++sequence_;
    chunk.mode_epoch = goal.epoch;
    chunk.release = end == goal.rows;
    add_groups(chunk, link_->loop().controller.config());
    std::vector<double> position(joints_.size());
    for (std::size_t row = first; row < end; ++row) {
      const double share = static_cast<double>(row) / static_cast<double>(goal.rows - 1);
      goal.trajectory.sample(share * goal.trajectory.duration(), position.data());
      add_row(chunk, link_->loop().controller.config(), position, goal.gripper);
    }
    link_->loop().controller.port().submit(bc::Source::kPlanner, chunk);
    goal.sent = end;
  }
}

void TrajectoryAction::heard(const bc::Ack& ack) {
  if (!goal_ || ack.producer_id != producer_id_ || ack.verdict != bc::Verdict::kRefused) return;
  if (goal_->phase != Phase::kMoving || ack.mode_epoch != goal_->epoch) return;  // the change of mode is told by tick()
  give_up(Follow::Result::INVALID_GOAL, "the controller refused a part of the trajectory: " + bc::detail(ack));
}

void TrajectoryAction::tick() {
  if (!goal_) return;
  if (!link_->loop().running.load(std::memory_order_acquire)) {
    finish(Follow::Result::INVALID_GOAL, "the controller was deactivated");
    return;
  }
  if (goal_->handle->is_canceling()) {
    give_up(Follow::Result::SUCCESSFUL, "cancelled: the arm stops");
    return;
  }
  if (goal_->phase == Phase::kAsking) return;
  const bc::ControllerState state = link_->loop().controller.view().state;
  if (goal_->phase == Phase::kMoving) send();
  watch(state);
  if (goal_) report(state);
}

void TrajectoryAction::watch(const bc::ControllerState& state) {
  const double elapsed = static_cast<double>(link_->now_ns() - goal_->start_ns) * 1e-9;
  const bool ended = elapsed >= goal_->trajectory.duration();
  const bc::ModeChange& mode = link_->mode();
  if (mode.epoch > goal_->epoch) {
    if (goal_->phase == Phase::kMoving && (!ended || mode.mode != bc::Mode::kHold)) {
      finish(Follow::Result::INVALID_GOAL, interrupted(mode));
      return;
    }
    if (mode.mode != bc::Mode::kHold) {
      finish(Follow::Result::GOAL_TOLERANCE_VIOLATED, interrupted(mode));
      return;
    }
    goal_->phase = Phase::kSettling;
  }
  const bool moving = goal_->phase == Phase::kMoving;
  std::vector<double> target(joints_.size());
  goal_->trajectory.sample(goal_->trajectory.duration(), target.data());
  const double* const wanted = moving ? state.position_reference.data() : target.data();
  const std::string violation =
      violated(moving ? goal_->path_tolerance : goal_->goal_tolerance, joints_, state.position.data(), wanted);
  if (moving && !violation.empty()) give_up(Follow::Result::PATH_TOLERANCE_VIOLATED, violation);
  if (moving) return;
  if (violation.empty()) {
    finish(Follow::Result::SUCCESSFUL, "");
  } else if (elapsed > goal_->trajectory.duration() + goal_->goal_time) {
    finish(Follow::Result::GOAL_TOLERANCE_VIOLATED, violation);
  }
}

void TrajectoryAction::report(const bc::ControllerState& state) {
  const std::int64_t steady = steady_now();
  if (steady < next_report_ns_) return;
  next_report_ns_ = steady + kReportPeriod;
  auto feedback = std::make_shared<Follow::Feedback>(feedback_of(state, joints_));
  feedback->desired.time_from_start =
      rclcpp::Duration(std::chrono::nanoseconds(std::max<std::int64_t>(0, link_->now_ns() - goal_->start_ns)));
  feedback->actual.time_from_start = feedback->error.time_from_start = feedback->desired.time_from_start;
  goal_->handle->publish_feedback(feedback);
}

// The goal is over; who commands is as it is.
void TrajectoryAction::finish(std::int32_t code, const std::string& text) {
  const Goal goal = std::move(*goal_);
  goal_.reset();
  if (goal.handle->is_canceling()) {
    auto result = std::make_shared<Follow::Result>();
    result->error_code = code;
    result->error_string = text;
    goal.handle->canceled(result);
  } else if (code == Follow::Result::SUCCESSFUL) {
    goal.handle->succeed(std::make_shared<Follow::Result>());
  } else {
    abort_goal(*goal.handle, code, text);
  }
}

// The goal is over, and the arm is to stop where it is.
void TrajectoryAction::give_up(std::int32_t code, const std::string& text) {
  if (goal_->phase == Phase::kMoving) {
    link_->request(static_cast<std::uint8_t>(bc::Request::kHold), text, [](const bc::ModeResult&) {});
  }
  finish(code, text);
}

}  // namespace bc_plugins
