// Goals of follow_joint_trajectory read and judged: functions without state.
#pragma once

#include <control_msgs/action/follow_joint_trajectory.hpp>
#include <cstdint>
#include <rclcpp_action/server_goal_handle.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "bc_controllers/controller.hpp"
#include "bc_controllers/trajectory.hpp"

namespace bc_plugins {

using FollowJointTrajectory = control_msgs::action::FollowJointTrajectory;

// A goal that is refused, with the code of its result.
class GoalError : public std::runtime_error {
 public:
  GoalError(std::int32_t code, const std::string& text) : std::runtime_error(text), code_(code) {}
  std::int32_t code() const { return code_; }

 private:
  std::int32_t code_;
};

// The goal's trajectory with its joints in the order of `joints`. One that does not tell where it starts does so
// `here`, the reference [rad]. GoalError for other joints, a stamp in the past, and a start further from here than
// `start_tolerance` [rad]; TrajectoryError for points that make no trajectory.
bc::JointTrajectory read_trajectory(const FollowJointTrajectory::Goal& goal, const std::vector<std::string>& joints,
                                    const std::vector<double>& here, double start_tolerance, std::int64_t now_ns);
// Greatest position errors per joint [rad]: named ones, or `otherwise` for those that are not or are zero; -1:
// infinite.
std::vector<double> read_tolerances(const std::vector<control_msgs::msg::JointTolerance>& named,
                                    const std::vector<std::string>& joints, double otherwise);
// The joint that is too far from where it should be, in words; empty: none is.
std::string violated(const std::vector<double>& tolerance, const std::vector<std::string>& joints,
                     const double* position, const double* wanted);
std::string interrupted(const bc::ModeChange& change);
FollowJointTrajectory::Feedback feedback_of(const bc::ControllerState& state, const std::vector<std::string>& joints);
void abort_goal(rclcpp_action::ServerGoalHandle<FollowJointTrajectory>& handle, std::int32_t code,
                const std::string& text);

// The robot's layout, and one row of it.
void add_groups(bc::WireChunk& chunk, const bc::ControllerConfig& config);
void add_row(bc::WireChunk& chunk, const bc::ControllerConfig& config, const std::vector<double>& position,
             double gripper);

}  // namespace bc_plugins
