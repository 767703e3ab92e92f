#include "goal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include "messages.hpp"

namespace bc_plugins {

namespace {

using Result = FollowJointTrajectory::Result;

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// For each of `joints` its place in the goal.
std::vector<std::size_t> places(const std::vector<std::string>& given, const std::vector<std::string>& joints) {
  std::vector<std::size_t> order;
  for (const std::string& joint : joints) {
    const auto at = std::find(given.begin(), given.end(), joint);
    if (at != given.end()) order.push_back(static_cast<std::size_t>(at - given.begin()));
  }
  if (order.size() != joints.size() || given.size() != joints.size()) {
    throw GoalError(Result::INVALID_JOINTS, "the goal moves " + listed(given) + ", the controller has " +
                                                listed(joints) + ": name each of them once");
  }
  return order;
}

std::vector<double> reordered(const std::vector<double>& values, const std::vector<std::size_t>& order) {
  if (values.size() != order.size()) return values;  // of another size, or empty: the trajectory judges
  std::vector<double> result;
  for (const std::size_t at : order) result.push_back(values[at]);
  return result;
}

}  // namespace

bc::JointTrajectory read_trajectory(const FollowJointTrajectory::Goal& goal, const std::vector<std::string>& joints,
                                    const std::vector<double>& here, double start_tolerance, std::int64_t now_ns) {
  if (!goal.multi_dof_trajectory.points.empty()) {
    throw GoalError(Result::INVALID_JOINTS, "the goal has a multi-dof trajectory: the arm's joints have one each");
  }
  const std::vector<std::size_t> order = places(goal.trajectory.joint_names, joints);
  const std::int64_t stamp = to_ns(goal.trajectory.header.stamp);
  if (stamp != 0 && stamp < now_ns) {
    throw GoalError(Result::OLD_HEADER_TIMESTAMP, "the trajectory was to start " +
                                                      std::to_string(static_cast<double>(now_ns - stamp) * 1e-9) +
                                                      " s ago: stamp it with zero to start at once");
  }
  std::vector<bc::TrajectoryPoint> points;
  for (const auto& point : goal.trajectory.points) {
    points.push_back({1e-9 * static_cast<double>(to_ns(point.time_from_start)), reordered(point.positions, order),
                      reordered(point.velocities, order), reordered(point.accelerations, order)});
  }
  if (!points.empty() && points.front().time > 0.0) {
    const std::vector<double> rest(joints.size(), 0.0);
    points.insert(points.begin(), {0.0, here, rest, rest});
  }
  bc::JointTrajectory trajectory(std::move(points), joints.size());
  const std::string far = violated(std::vector<double>(joints.size(), start_tolerance), joints, here.data(),
                                   trajectory.points().front().position.data());
  if (!far.empty()) throw GoalError(Result::INVALID_GOAL, "the trajectory starts elsewhere: " + far + "; plan again");
  return trajectory;
}

std::vector<double> read_tolerances(const std::vector<control_msgs::msg::JointTolerance>& named,
                                    const std::vector<std::string>& joints, double otherwise) {
  std::vector<double> tolerances(joints.size(), otherwise);
  for (const control_msgs::msg::JointTolerance& tolerance : named) {
    const auto at = std::find(joints.begin(), joints.end(), tolerance.name);
    if (at == joints.end()) {
      throw GoalError(Result::INVALID_JOINTS, "a tolerance is given for '" + tolerance.name + "', the controller has " +
                                                  listed(joints) + ": correct it");
    }
    double& value = tolerances[static_cast<std::size_t>(at - joints.begin())];
    if (tolerance.position == -1.0) {
      value = std::numeric_limits<double>::infinity();
    } else if (std::isfinite(tolerance.position) && tolerance.position >= 0.0) {
      value = tolerance.position == 0.0 ? otherwise : tolerance.position;
    } else {
      throw GoalError(Result::INVALID_GOAL, "the tolerance of '" + tolerance.name + "' is " +
                                                std::to_string(tolerance.position) +
                                                ": give a positive one, 0 for the default or -1 for none");
    }
  }
  return tolerances;
}

std::string violated(const std::vector<double>& tolerance, const std::vector<std::string>& joints,
                     const double* position, const double* wanted) {
  for (std::size_t i = 0; i < joints.size(); ++i) {
    const double error = std::abs(wanted[i] - position[i]);
    if (error <= tolerance[i]) continue;
    return joints[i] + " is " + std::to_string(error) + " rad from where it should be, more than " +
           std::to_string(tolerance[i]);
  }
  return "";
}

std::string interrupted(const bc::ModeChange& change) {
  return "the mode is " + std::string(bc::name_of(change.mode)) + " now (" + change.reason.str() + ")";
}

FollowJointTrajectory::Feedback feedback_of(const bc::ControllerState& state, const std::vector<std::string>& joints) {
  FollowJointTrajectory::Feedback feedback;
  feedback.header.stamp = to_stamp(state.stamp_ns);
  feedback.joint_names = joints;
  for (std::size_t i = 0; i < joints.size(); ++i) {
    feedback.desired.positions.push_back(state.position_reference[i]);
    feedback.desired.velocities.push_back(state.velocity_reference[i]);
    feedback.actual.positions.push_back(state.position[i]);
    feedback.actual.velocities.push_back(state.velocity[i]);
    feedback.error.positions.push_back(state.position_reference[i] - state.position[i]);
    feedback.error.velocities.push_back(state.velocity_reference[i] - state.velocity[i]);
  }
  return feedback;
}

void abort_goal(rclcpp_action::ServerGoalHandle<FollowJointTrajectory>& handle, std::int32_t code,
                const std::string& text) {
  auto result = std::make_shared<Result>();
  result->error_code = code;
  result->error_string = text;
  handle.abort(result);
}

void add_groups(bc::WireChunk& chunk, const bc::ControllerConfig& config) {
  std::int64_t offset = 0;
  for (const bc::GroupLayout& group : config.groups) {
    const auto width = static_cast<std::int64_t>(group.width());
    chunk.groups.push_back(
        {group.name, static_cast<std::int64_t>(group.space), group.names, group.tip, group.frame_id, offset, width});
    offset += width;
  }
}

void add_row(bc::WireChunk& chunk, const bc::ControllerConfig& config, const std::vector<double>& position,
             double gripper) {
  std::size_t joint = 0;
  for (const bc::GroupLayout& group : config.groups) {
    for (std::size_t i = 0; i < group.width(); ++i) {
      chunk.actions.push_back(group.space == bc::Space::kGripper ? gripper : position[joint++]);
    }
  }
}

}  // namespace bc_plugins
