#include "link.hpp"

#include <chrono>
#include <utility>

namespace bc_plugins {

namespace {

constexpr std::chrono::milliseconds kTick{5};
constexpr std::int64_t kStatusPeriod = 1'000'000'000;
constexpr int kDropWarning = 1000;  // [ms]

// Profiles of docs/protocol.md.
rclcpp::QoS command() {
  return rclcpp::QoS(4).reliable();
}
rclcpp::QoS event() {
  return rclcpp::QoS(50).reliable();
}
rclcpp::QoS state() {
  return rclcpp::QoS(10).reliable();
}
rclcpp::QoS latched() {
  return rclcpp::QoS(10).reliable().transient_local();
}

// Not the lifecycle node's own: those are silent while it is inactive, and a mode must be said then too.
template <typename Message>
typename rclcpp::Publisher<Message>::SharedPtr publisher(rclcpp_lifecycle::LifecycleNode& node, const char* topic,
                                                         const rclcpp::QoS& qos) {
  return rclcpp::create_publisher<Message>(node.get_node_topics_interface(), topic, qos);
}

}  // namespace

std::shared_ptr<Link> Link::make(rclcpp_lifecycle::LifecycleNode& node, std::shared_ptr<Loop> loop, double state_rate) {
  std::shared_ptr<Link> link(new Link(node, std::move(loop), state_rate));
  link->subscribe(node);
  return link;
}

Link::Link(rclcpp_lifecycle::LifecycleNode& node, std::shared_ptr<Loop> loop, double state_rate)
    : loop_(std::move(loop)),
      clock_(node.get_clock()),
      logger_(node.get_logger()),
      state_period_ns_(static_cast<std::int64_t>(1e9 / state_rate)),
      acks_(publisher<bc_msgs::msg::ChunkAck>(node, "~/ack", event())),
      modes_(publisher<bc_msgs::msg::ControlMode>(node, "~/mode", latched())),
      states_(publisher<bc_msgs::msg::ControllerState>(node, "~/state", state())),
      statuses_(publisher<bc_msgs::msg::ControllerStatus>(node, "~/status", state())) {
  mode_.stamp_ns = now_ns();
  mode_.reason = "start";
  modes_->publish(to_message(mode_));
}

void Link::subscribe(rclcpp_lifecycle::LifecycleNode& node) {
  const std::weak_ptr<Link> weak = weak_from_this();
  for (const bc::Source source : bc::kSources) {
    commands_.push_back(node.create_subscription<bc_msgs::msg::ActionChunk>(
        "command/" + std::string(bc::name_of(source)), command(),
        [weak, source](bc_msgs::msg::ActionChunk::ConstSharedPtr message) {
          if (const auto link = weak.lock()) link->take(source, *message);
        }));
  }
  commands_.push_back(node.create_subscription<geometry_msgs::msg::WrenchStamped>(
      "~/wrench", command(), [weak](geometry_msgs::msg::WrenchStamped::ConstSharedPtr message) {
        if (const auto link = weak.lock()) link->apply(*message);
      }));
  service_ = node.create_service<ChangeMode>(
      "~/change_mode", [weak](std::shared_ptr<rmw_request_id_t> header, std::shared_ptr<ChangeMode::Request> request) {
        if (const auto link = weak.lock()) link->change_mode(std::move(header), std::move(request));
      });
  timer_ = node.create_wall_timer(kTick, [weak] {
    if (const auto link = weak.lock()) link->pump();
  });
}

void Link::take(bc::Source source, const bc_msgs::msg::ActionChunk& message) {
  if (!loop_->running.load(std::memory_order_acquire)) {  // what was sent to an inactive controller never moves it
    RCLCPP_WARN_THROTTLE(logger_, *clock_, kDropWarning, "chunk %lu of '%s' dropped: the controller is not active",
                         static_cast<unsigned long>(message.sequence), message.producer.c_str());
    return;
  }
  loop_->controller.port().submit(source, to_wire(message));
}

// Dropped by the loop when it is not renewed.
void Link::apply(const geometry_msgs::msg::WrenchStamped& message) {
  const std::string& frame = loop_->controller.config().base_frame;
  try {
    if (message.header.frame_id != frame) {
      throw bc::ConfigError("it is given in '" + message.header.frame_id + "': give it in '" + frame + "'");
    }
    const auto& force = message.wrench.force;
    const auto& torque = message.wrench.torque;
    loop_->controller.settings().set_wrench({force.x, force.y, force.z, torque.x, torque.y, torque.z});
  } catch (const bc::ConfigError& error) {
    RCLCPP_WARN_THROTTLE(logger_, *clock_, kDropWarning, "wrench refused: %s", error.what());
  }
}

void Link::request(std::uint8_t request, std::string_view reason, Answer answer) {
  asked_[loop_->controller.port().request(request, reason)] = std::move(answer);
}

void Link::change_mode(std::shared_ptr<rmw_request_id_t> header, std::shared_ptr<ChangeMode::Request> request) {
  if (!loop_->running.load(std::memory_order_acquire)) {
    ChangeMode::Response response;
    response.message = "the controller is not active: activate it first";
    response.mode = static_cast<std::uint8_t>(mode_.mode);
    response.epoch = mode_.epoch;
    service_->send_response(*header, response);
    return;
  }
  this->request(request->request, request->reason, [this, header](const bc::ModeResult& result) {
    ChangeMode::Response response;
    response.success = result.success;
    response.message = bc::message(result);
    response.mode = static_cast<std::uint8_t>(result.mode);
    response.epoch = result.epoch;
    service_->send_response(*header, response);
  });
}

void Link::pump() {
  bc::Port& port = loop_->controller.port();
  for (const bc::ModeChange& change : port.modes()) {
    mode_ = change;
    modes_->publish(to_message(change));
  }
  for (const bc::Ack& ack : port.acks()) {
    acks_->publish(to_message(ack));
    if (ack_heard_) ack_heard_(ack);
  }
  for (const bc::ModeResult& result : port.results()) {
    const auto asked = asked_.find(result.ticket);
    if (asked == asked_.end()) continue;
    const Answer answer = std::move(asked->second);
    asked_.erase(asked);
    answer(result);
  }
  if (tick_) tick_();

  const std::int64_t steady = steady_now();
  if (!loop_->running.load(std::memory_order_acquire)) return;
  if (steady >= next_state_ns_) {
    next_state_ns_ = std::max(next_state_ns_ + state_period_ns_, steady - state_period_ns_);
    const bc::Controller::View view = loop_->controller.view();
    if (view.state.stamp_ns != 0) states_->publish(to_message(view, loop_->controller.config()));
  }
  if (steady >= next_status_ns_) {
    next_status_ns_ = steady + kStatusPeriod;
    statuses_->publish(to_message(loop_->status(), loop_->controller.view().state.counters, now_ns()));
  }
}

}  // namespace bc_plugins
