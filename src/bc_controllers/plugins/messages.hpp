// Between bc_msgs and the library's values (docs/protocol.md). Nothing is checked here: faults must reach the arbiter.
#pragma once

#include <bc_msgs/msg/action_chunk.hpp>
#include <bc_msgs/msg/chunk_ack.hpp>
#include <bc_msgs/msg/control_mode.hpp>
#include <bc_msgs/msg/controller_state.hpp>
#include <bc_msgs/msg/controller_status.hpp>
#include <builtin_interfaces/msg/duration.hpp>
#include <builtin_interfaces/msg/time.hpp>

#include "bc_controllers/controller.hpp"
#include "loop.hpp"

namespace bc_plugins {

// Of any value: rclcpp::Time throws at a negative stamp, and whoever sends one must not end the process.
std::int64_t to_ns(const builtin_interfaces::msg::Time& stamp);
std::int64_t to_ns(const builtin_interfaces::msg::Duration& duration);
builtin_interfaces::msg::Time to_stamp(std::int64_t nanoseconds);
bc::WireChunk to_wire(const bc_msgs::msg::ActionChunk& message);
bc_msgs::msg::ChunkAck to_message(const bc::Ack& ack);
bc_msgs::msg::ControlMode to_message(const bc::ModeChange& change);
bc_msgs::msg::ControllerState to_message(const bc::Controller::View& view, const bc::ControllerConfig& config);
bc_msgs::msg::ControllerStatus to_message(const LoopStatus& loop, const bc::Counters& counters, std::int64_t now_ns);

}  // namespace bc_plugins
