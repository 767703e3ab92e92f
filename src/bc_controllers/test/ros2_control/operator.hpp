// A human at the other end of the topics, for programs that measure the plugins; and the path that they ask for.
#pragma once

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <rclcpp/rclcpp.hpp>
#include <string>
#include <utility>
#include <vector>

#include "../native/panda.hpp"
#include "bc_msgs/msg/action_chunk.hpp"
#include "bc_msgs/msg/chunk_ack.hpp"
#include "bc_msgs/msg/control_mode.hpp"

namespace bc_test {

constexpr auto kPeriod = std::chrono::milliseconds(1);
constexpr double kSwing = 0.1, kOmega = 1.2;  // [rad], [rad/s]
constexpr int kRows = 16, kEvery = 200;       // of a chunk; updates from one to the next
constexpr std::int64_t kRowNs = 50'000'000;

inline void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

// Where a joint is to be, and is, `seconds` after the start: it begins at home, at rest.
inline double path(std::size_t joint, double seconds) {
  return kHome[joint] + kSwing * (1.0 - std::cos(kOmega * seconds)) / 2.0;
}
inline double slope(double seconds) {
  return kSwing * kOmega * std::sin(kOmega * seconds) / 2.0;
}

// A human at the other end of the topics.
class Operator {
 public:
  explicit Operator(const std::vector<std::string>& joints)
      : joints_(joints), node_(std::make_shared<rclcpp::Node>("operator")) {
    commands_ = node_->create_publisher<bc_msgs::msg::ActionChunk>("command/human", rclcpp::QoS(4).reliable());
    acks_ = node_->create_subscription<bc_msgs::msg::ChunkAck>(
        "controller/ack", rclcpp::QoS(50).reliable(), [this](bc_msgs::msg::ChunkAck::ConstSharedPtr ack) {
          in_force_ += ack->verdict == bc_msgs::msg::ChunkAck::IN_FORCE ? 1 : 0;
        });
    modes_ = node_->create_subscription<bc_msgs::msg::ControlMode>(
        "controller/mode", rclcpp::QoS(10).reliable().transient_local(),
        [this](bc_msgs::msg::ControlMode::ConstSharedPtr mode) { epoch_ = mode->epoch; });
  }

  rclcpp::Node::SharedPtr node() const { return node_; }
  int in_force() const { return in_force_; }
  bool heard() const { return commands_->get_subscription_count() > 0 && modes_->get_publisher_count() > 0; }

  void send(double seconds) {
    bc_msgs::msg::ActionChunk chunk;
    chunk.header.stamp = node_->now();
    chunk.dt.nanosec = kRowNs;
    chunk.horizon = kRows;
    chunk.producer = "a producer with a name longer than any short-string buffer";
    chunk.producer_id = 1;
    chunk.sequence = ++sequence_;
    chunk.mode_epoch = epoch_;
    chunk.groups.resize(2);
    chunk.groups[0].name = "arm", chunk.groups[0].space = bc_msgs::msg::ActionGroup::JOINT_POSITION;
    chunk.groups[0].names = joints_, chunk.groups[0].width = static_cast<std::uint32_t>(joints_.size());
    chunk.groups[1].name = "gripper", chunk.groups[1].space = bc_msgs::msg::ActionGroup::GRIPPER;
    chunk.groups[1].names = {"panda_gripper"}, chunk.groups[1].width = 1;
    chunk.groups[1].offset = chunk.groups[0].width;
    for (int row = 0; row < kRows; ++row) {
      for (std::size_t joint = 0; joint < joints_.size(); ++joint) {
        chunk.actions.push_back(path(joint, seconds + 1e-9 * static_cast<double>(row * kRowNs)));
      }
      chunk.actions.push_back(0.04);
    }
    commands_->publish(chunk);
  }

 private:
  std::vector<std::string> joints_;
  rclcpp::Node::SharedPtr node_;
  rclcpp::Publisher<bc_msgs::msg::ActionChunk>::SharedPtr commands_;
  rclcpp::SubscriptionBase::SharedPtr acks_, modes_;
  std::uint64_t sequence_ = 0;
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<int> in_force_{0};
};

inline std::string text_of(const char* path) {
  std::ifstream file(path);
  require(file.good(), std::string(path) + " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace bc_test
