#include "messages.hpp"

namespace bc_plugins {

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<double> first(const bc::JointVector& values, std::size_t count) {
  return {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count)};
}

geometry_msgs::msg::Pose to_pose(const std::array<double, 7>& values) {
  geometry_msgs::msg::Pose pose;
  pose.position.x = values[0], pose.position.y = values[1], pose.position.z = values[2];
  pose.orientation.x = values[3], pose.orientation.y = values[4], pose.orientation.z = values[5];
  pose.orientation.w = values[6];
  return pose;
}

}  // namespace

std::int64_t to_ns(const builtin_interfaces::msg::Time& stamp) {
  return stamp.sec * kSecond + stamp.nanosec;
}

std::int64_t to_ns(const builtin_interfaces::msg::Duration& duration) {
  return duration.sec * kSecond + duration.nanosec;
}

builtin_interfaces::msg::Time to_stamp(std::int64_t nanoseconds) {
  builtin_interfaces::msg::Time stamp;
  stamp.sec = static_cast<std::int32_t>(nanoseconds / kSecond);
  stamp.nanosec = static_cast<std::uint32_t>(nanoseconds % kSecond);
  return stamp;
}

bc::WireChunk to_wire(const bc_msgs::msg::ActionChunk& message) {
  bc::WireChunk wire;
  wire.stamp_ns = to_ns(message.header.stamp);
  wire.dt_ns = to_ns(message.dt);
  wire.horizon = message.horizon;
  wire.producer = message.producer;
  wire.producer_id = message.producer_id;
  wire.sequence = message.sequence;
  wire.mode_epoch = message.mode_epoch;
  for (const bc_msgs::msg::ActionGroup& group : message.groups) {
    wire.groups.push_back({group.name, group.space, group.names, group.tip, group.frame_id, group.offset, group.width});
  }
  wire.actions = message.actions;
  wire.frozen = message.frozen;
  wire.release = message.release;
  return wire;
}

bc_msgs::msg::ChunkAck to_message(const bc::Ack& ack) {
  bc_msgs::msg::ChunkAck message;
  message.header.stamp = to_stamp(ack.stamp_ns);
  message.source = bc::name_of(ack.source);
  message.producer = ack.producer.str();
  message.producer_id = ack.producer_id;
  message.sequence = ack.sequence;
  message.verdict = static_cast<std::uint8_t>(ack.verdict);
  message.reason = static_cast<std::uint8_t>(ack.reason);
  message.detail = bc::detail(ack);
  message.mode_epoch = ack.mode_epoch;
  message.effective = to_stamp(ack.effective_ns);
  message.row = ack.row;
  message.raw_jump = ack.raw_jump;
  message.raw_jump_rotation = ack.raw_jump_rotation;
  message.raw_jump_gripper = ack.raw_jump_gripper;
  message.clamped = ack.clamped;
  return message;
}

bc_msgs::msg::ControlMode to_message(const bc::ModeChange& change) {
  bc_msgs::msg::ControlMode message;
  message.header.stamp = to_stamp(change.stamp_ns);
  message.mode = static_cast<std::uint8_t>(change.mode);
  message.epoch = change.epoch;
  message.previous_mode = static_cast<std::uint8_t>(change.previous);
  message.reason = change.reason.str();
  return message;
}

bc_msgs::msg::ControllerState to_message(const bc::Controller::View& view, const bc::ControllerConfig& config) {
  const bc::ControllerState& state = view.state;
  bc_msgs::msg::ControllerState message;
  message.header.stamp = to_stamp(state.stamp_ns);
  message.header.frame_id = config.base_frame;
  message.mode = static_cast<std::uint8_t>(state.mode);
  message.mode_epoch = state.mode_epoch;
  message.joint_names = config.joint_names();
  const std::size_t joints = message.joint_names.size();
  message.position = first(state.position, joints);
  message.velocity = first(state.velocity, joints);
  message.position_reference = first(state.position_reference, joints);
  message.velocity_reference = first(state.velocity_reference, joints);
  message.effort = first(state.effort, joints);
  message.gripper_position = state.gripper_position;
  message.gripper_reference = state.gripper_reference;
  message.tcp = to_pose(view.tcp);
  message.tcp_reference = to_pose(view.tcp_reference);
  message.ladder = static_cast<std::uint8_t>(state.ladder);
  message.source = state.has_source ? std::string(bc::name_of(state.source)) : "";
  message.producer_id = state.producer_id;
  message.sequence = state.sequence;
  message.row = state.row;
  return message;
}

bc_msgs::msg::ControllerStatus to_message(const LoopStatus& loop, const bc::Counters& counters, std::int64_t now_ns) {
  bc_msgs::msg::ControllerStatus message;
  message.header.stamp = to_stamp(now_ns);
  message.rate_hz = loop.rate_hz;
  message.realtime_factor = loop.realtime_factor;
  message.periods = counters.periods;
  message.late_over_1ms = loop.late_over_1ms;
  message.late_p50_us = loop.late_p50_us;
  message.late_p99_us = loop.late_p99_us;
  message.late_max_us = loop.late_max_us;
  message.update_p50_us = loop.update_p50_us;
  message.update_p99_us = loop.update_p99_us;
  message.update_max_us = loop.update_max_us;
  message.chunks_in_force = counters.chunks_in_force;
  message.chunks_refused = counters.chunks_refused;
  message.refused_by_reason.assign(counters.refused_by_reason.begin(), counters.refused_by_reason.end());
  message.values_clamped = counters.values_clamped;
  message.velocity_limited = counters.velocity_limited;
  message.acceleration_limited = counters.acceleration_limited;
  message.torque_limited = counters.torque_limited;
  message.torque_rate_limited = counters.torque_rate_limited;
  message.starved_periods = counters.starved_periods;
  message.commands_overdue = counters.commands_overdue;
  message.sources_silent = counters.sources_silent;
  message.nonfinite_inputs = counters.nonfinite_inputs;
  message.nonfinite_commands = counters.nonfinite_commands;
  message.frozen_encoders = counters.frozen_encoders;
  message.workspace_limited = counters.workspace_limited;
  message.tcp_speed_limited = counters.tcp_speed_limited;
  message.kinematics_limited = counters.kinematics_limited;
  message.error_clipped = counters.error_clipped;
  message.limits_repelled = counters.limits_repelled;
  message.overspeed = counters.overspeed;
  message.position_limited = counters.position_limited;
  return message;
}

}  // namespace bc_plugins
