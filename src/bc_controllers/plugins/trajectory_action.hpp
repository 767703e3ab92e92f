// follow_joint_trajectory: motion planners command the arbiter as PLANNER.
#pragma once

#include <control_msgs/action/follow_joint_trajectory.hpp>
#include <memory>
#include <optional>
#include <rclcpp_action/rclcpp_action.hpp>
#include <rclcpp_lifecycle/lifecycle_node.hpp>
#include <string>
#include <vector>

#include "bc_controllers/chunk_controller_parameters.hpp"
#include "bc_controllers/trajectory.hpp"
#include "link.hpp"

namespace bc_plugins {

// One goal at a time. A goal asks for PLANNER, becomes chunks on a grid of its own, and ends when the arm has arrived,
// or when anybody else commands. Everything runs in callbacks of the node's default group, one at a time.
class TrajectoryAction : public std::enable_shared_from_this<TrajectoryAction> {
 public:
  static std::shared_ptr<TrajectoryAction> make(rclcpp_lifecycle::LifecycleNode& node, std::shared_ptr<Link> link,
                                                const chunk_controller::Params::Trajectory& parameters);

 private:
  using Follow = control_msgs::action::FollowJointTrajectory;
  using Handle = rclcpp_action::ServerGoalHandle<Follow>;

  enum class Phase { kAsking, kMoving, kSettling };

  struct Goal {
    std::shared_ptr<Handle> handle;
    bc::JointTrajectory trajectory;
    std::vector<double> path_tolerance, goal_tolerance;  // per joint [rad]; infinite: none
    double goal_time = 0.0;                              // [s]
    Phase phase = Phase::kAsking;
    std::uint64_t epoch = 0;
    std::int64_t start_ns = 0, dt_ns = 0;
    std::size_t rows = 0, sent = 0;  // of the grid; rows 0 to sent - 1 are on their way
    double gripper = 0.0;            // the opening that it keeps [m]
  };

  TrajectoryAction(std::shared_ptr<Link> link, const chunk_controller::Params::Trajectory& parameters);
  void serve(rclcpp_lifecycle::LifecycleNode& node);
  void accept(const std::shared_ptr<Handle>& handle);
  Goal read(const std::shared_ptr<Handle>& handle, const bc::ControllerState& state) const;
  void ask(const std::shared_ptr<Handle>& handle);
  void granted(const std::shared_ptr<Handle>& handle, const bc::ModeResult& result);
  void send();
  void heard(const bc::Ack& ack);
  void tick();
  void watch(const bc::ControllerState& state);
  void report(const bc::ControllerState& state);
  void finish(std::int32_t code, const std::string& text);
  void give_up(std::int32_t code, const std::string& text);

  std::shared_ptr<Link> link_;
  chunk_controller::Params::Trajectory parameters_;
  std::vector<std::string> joints_;
  std::uint64_t producer_id_, sequence_ = 0;
  std::optional<Goal> goal_;
  std::int64_t next_report_ns_ = 0;
  rclcpp_action::Server<Follow>::SharedPtr server_;
};

}  // namespace bc_plugins
