// A plugin in a real controller_manager, with chunks from its topic: what its update() takes by the manager's own
// clock, what the manager's whole update() takes and allocates, and what a cycle takes (read, update, write).
//   manager_benchmark DESCRIPTION PARAMETERS UPDATES [--realtime]    one line of JSON per plugin
// Updates run back to back: the hardware lives faster than the clock, by a millisecond per update. --realtime: at 1
// kHz. DESCRIPTION: a Panda's URDF with a ros2_control system. PARAMETERS: a file of config/ros2_control, of 1 kHz.
// Each plugin gets a manager of its own.
#include <algorithm>
#include <controller_manager/controller_manager.hpp>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "../native/heap_counter.hpp"
#include "operator.hpp"

namespace {

using namespace bc_test;
using Clock = std::chrono::steady_clock;
using Durations = std::vector<double>;  // [us]
using return_type = controller_interface::return_type;

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

void print(const char* prefix, Durations durations) {
  std::sort(durations.begin(), durations.end());
  const auto quantile = [&](double share) {
    return durations[static_cast<std::size_t>(share * static_cast<double>(durations.size() - 1))];
  };
  std::printf("\"%sp50_us\": %.2f, \"%sp99_us\": %.2f, \"%sp999_us\": %.2f, \"%smax_us\": %.2f, ", prefix,
              quantile(0.5), prefix, quantile(0.99), prefix, quantile(0.999), prefix, quantile(1.0));
}

// What a control loop around the manager does, as ros2_control_node does it.
class ControlLoop {
 public:
  ControlLoop(controller_manager::ControllerManager& manager, int updates, bool realtime)
      : manager_(manager), realtime_(realtime) {
    for (Durations* kept : {&own_, &update_, &cycle_}) kept->reserve(static_cast<std::size_t>(updates));
  }

  // One period. own: what the manager measures of the controller, while it is to be noted.
  void step(const ros2_control::MovingAverageStatistics* own = nullptr) {
    if (realtime_ || own == nullptr) std::this_thread::sleep_until(due_ += kPeriod);
    const rclcpp::Duration period(kPeriod);
    const rclcpp::Time now = manager_.get_trigger_clock()->now();
    const Clock::time_point began = Clock::now();
    manager_.read(now, period);
    heap::counting = own != nullptr;
    const Clock::time_point start = Clock::now();
    const return_type answer = manager_.update(now, period);
    const double update = since(start);
    heap::counting = false;
    manager_.write(now, period);
    require(answer == return_type::OK, "update() of the controller manager reports an error");
    if (own == nullptr) return;
    cycle_.push_back(since(began));
    update_.push_back(update);
    own_.push_back(own->get_current_measurement());
  }

  // Periods until what another thread does is done.
  template <typename Answer>
  Answer steps_until(std::future<Answer> done) {
    while (done.wait_for(std::chrono::seconds(0)) != std::future_status::ready) step();
    return done.get();
  }

  void report() const {
    print("", own_);
    print("manager_", update_);
    print("cycle_", cycle_);
  }

 private:
  controller_manager::ControllerManager& manager_;
  bool realtime_;
  Clock::time_point due_ = Clock::now();
  Durations own_, update_, cycle_;
};

void measure(const std::string& plugin, const std::string& description, const std::string& parameters, int updates,
             bool realtime) {
  const auto executor = std::make_shared<rclcpp::executors::MultiThreadedExecutor>(rclcpp::ExecutorOptions(), 2);
  rclcpp::NodeOptions options = controller_manager::get_cm_node_options();
  options.arguments({"--ros-args", "--params-file", parameters});
  const auto manager = std::make_shared<controller_manager::ControllerManager>(executor, description, true,
                                                                               "controller_manager", "", options);
  require(manager->get_update_rate() == 1000, "the parameters' update_rate is not 1000 Hz");
  executor->add_node(manager);
  require(manager->load_controller("controller", plugin) != nullptr, plugin + ": not loaded");
  require(manager->configure_controller("controller") == return_type::OK, plugin + ": not configured");
  std::vector<std::string> joints;
  for (std::size_t joint = 1; joint <= kJoints; ++joint) joints.push_back("panda_joint" + std::to_string(joint));
  Operator human(joints);
  executor->add_node(human.node());
  std::thread spinning([&executor] { executor->spin(); });

  ControlLoop loop(*manager, updates, realtime);
  using Switch = controller_manager_msgs::srv::SwitchController::Request;
  const auto switched = [&](std::vector<std::string> on, std::vector<std::string> off) {
    return loop.steps_until(std::async(std::launch::async, [&manager, on, off] {
      return manager->switch_controller(on, off, Switch::STRICT, true, rclcpp::Duration::from_seconds(5.0));
    }));
  };
  require(switched({"controller"}, {}) == return_type::OK, plugin + ": not activated");
  while (!human.heard()) loop.step();
  for (int warm = 0; warm < kEvery; ++warm) loop.step();
  const auto own = manager->get_loaded_controllers().front().execution_time_statistics;
  heap::calls = 0;
  const Clock::time_point began = Clock::now();
  Clock::time_point next = began;
  for (int update = 0; update < updates; ++update) {
    if (Clock::now() >= next) {
      human.send(std::chrono::duration<double>(next - began).count());
      next += kEvery * kPeriod;
    }
    loop.step(own.get());
  }
  const auto heap_calls = static_cast<unsigned long long>(heap::calls);
  require(switched({}, {"controller"}) == return_type::OK, plugin + ": not deactivated");
  executor->cancel();
  spinning.join();

  std::printf("{\"output\": \"%s\", \"reference\": \"joints\", \"updates\": %d, ", plugin.c_str(), updates);
  loop.report();
  std::printf("\"heap_calls\": %llu, \"chunks\": %d}\n", heap_calls, human.in_force());
}

}  // namespace

int main(int argc, char** argv) {
  const bool realtime = argc == 5 && std::string(argv[4]) == "--realtime";
  const int updates = argc >= 4 ? std::atoi(argv[3]) : 0;
  if ((argc != 4 && !realtime) || updates < 1) {
    std::fprintf(stderr, "usage: manager_benchmark DESCRIPTION PARAMETERS UPDATES [--realtime]\n");
    return 2;
  }
  rclcpp::init(1, argv);
  for (const char* name : {"CartesianImpedanceController", "JointImpedanceController", "PositionChunkController"}) {
    measure(std::string("bc_controllers/") + name, text_of(argv[1]), argv[2], updates, realtime);
  }
  rclcpp::shutdown();
  return 0;
}
