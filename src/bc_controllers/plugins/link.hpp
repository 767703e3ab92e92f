// A controller's topics and services (docs/protocol.md, "Names"), outside the control loop.
#pragma once

#include <bc_msgs/srv/change_mode.hpp>
#include <functional>
#include <geometry_msgs/msg/wrench_stamped.hpp>
#include <map>
#include <memory>
#include <rclcpp/rclcpp.hpp>
#include <rclcpp_lifecycle/lifecycle_node.hpp>
#include <string_view>
#include <vector>

#include "loop.hpp"
#include "messages.hpp"

namespace bc_plugins {

// Everything runs in callbacks of the node's default group, one at a time. Callbacks hold the link weakly: it may go
// while the executor still spins.
class Link : public std::enable_shared_from_this<Link> {
 public:
  using Answer = std::function<void(const bc::ModeResult&)>;

  static std::shared_ptr<Link> make(rclcpp_lifecycle::LifecycleNode& node, std::shared_ptr<Loop> loop,
                                    double state_rate);

  // Asks for a mode change; the answer comes in a later callback.
  void request(std::uint8_t request, std::string_view reason, Answer answer);
  Loop& loop() { return *loop_; }
  const bc::ModeChange& mode() const { return mode_; }  // the newest that was published
  void on_ack(std::function<void(const bc::Ack&)> heard) { ack_heard_ = std::move(heard); }
  void on_tick(std::function<void()> tick) { tick_ = std::move(tick); }  // after acks and modes of this moment
  std::int64_t now_ns() const { return clock_->now().nanoseconds(); }

 private:
  using ChangeMode = bc_msgs::srv::ChangeMode;

  Link(rclcpp_lifecycle::LifecycleNode& node, std::shared_ptr<Loop> loop, double state_rate);
  void subscribe(rclcpp_lifecycle::LifecycleNode& node);
  void take(bc::Source source, const bc_msgs::msg::ActionChunk& message);
  void apply(const geometry_msgs::msg::WrenchStamped& message);
  void change_mode(std::shared_ptr<rmw_request_id_t> header, std::shared_ptr<ChangeMode::Request> request);
  void pump();

  std::shared_ptr<Loop> loop_;
  rclcpp::Clock::SharedPtr clock_;
  rclcpp::Logger logger_;
  std::int64_t state_period_ns_, next_state_ns_ = 0, next_status_ns_ = 0;  // steady
  bc::ModeChange mode_;
  std::map<std::uint64_t, Answer> asked_;
  std::function<void(const bc::Ack&)> ack_heard_;
  std::function<void()> tick_;

  rclcpp::Publisher<bc_msgs::msg::ChunkAck>::SharedPtr acks_;
  rclcpp::Publisher<bc_msgs::msg::ControlMode>::SharedPtr modes_;
  rclcpp::Publisher<bc_msgs::msg::ControllerState>::SharedPtr states_;
  rclcpp::Publisher<bc_msgs::msg::ControllerStatus>::SharedPtr statuses_;
  std::vector<rclcpp::SubscriptionBase::SharedPtr> commands_;
  rclcpp::Service<ChangeMode>::SharedPtr service_;
  rclcpp::TimerBase::SharedPtr timer_;
};

}  // namespace bc_plugins
