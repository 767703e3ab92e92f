// Parameters that may change while a controller runs: gains, preset, payload.
#pragma once

#include <memory>
#include <rclcpp_lifecycle/lifecycle_node.hpp>
#include <vector>

#include "loop.hpp"

namespace bc_plugins {

// A set of parameters is judged as a whole before any of it counts; the refusal names the value. Gains that are named
// take the place of a preset; a preset that is named, that of the gains. As long as this lives.
class LiveParameters {
 public:
  LiveParameters(rclcpp_lifecycle::LifecycleNode& node, std::shared_ptr<Loop> loop);

 private:
  std::shared_ptr<Loop> loop_;
  rclcpp::node_interfaces::OnSetParametersCallbackHandle::SharedPtr judge_;
  rclcpp::node_interfaces::PostSetParametersCallbackHandle::SharedPtr take_;
};

}  // namespace bc_plugins
