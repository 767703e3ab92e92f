// A plugin as controller_manager drives it at 1 kHz, with chunks from its topic: what update() takes, allocates and
// locks.
//   plugin_benchmark URDF PARAMETERS UPDATES [--allocate]    one line of JSON per plugin
// PARAMETERS: a file of config/ros2_control. --allocate allocates and locks once per update on purpose: it shows that
// the counters count.
#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <controller_interface/controller_interface.hpp>
#include <cstdio>
#include <hardware_interface/handle.hpp>
#include <hardware_interface/loaned_command_interface.hpp>
#include <hardware_interface/loaned_state_interface.hpp>
#include <memory>
#include <mutex>
#include <pluginlib/class_loader.hpp>
#include <rclcpp/rclcpp.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../native/heap_counter.hpp"
#include "operator.hpp"

namespace locks {
thread_local std::uint64_t waits = 0;  // calls that may have to wait for another thread; try_lock never does

template <typename Lock>
int count(Lock* lock, int (*&next)(Lock*), const char* name) {
  waits += heap::counting ? 1 : 0;
  if (next == nullptr) next = reinterpret_cast<int (*)(Lock*)>(dlsym(RTLD_NEXT, name));
  return next(lock);
}

int (*mutex_lock)(pthread_mutex_t*) = nullptr;
int (*read_lock)(pthread_rwlock_t*) = nullptr;
int (*write_lock)(pthread_rwlock_t*) = nullptr;
}  // namespace locks

extern "C" {
int pthread_mutex_lock(pthread_mutex_t* lock) {
  return locks::count(lock, locks::mutex_lock, "pthread_mutex_lock");
}
int pthread_rwlock_rdlock(pthread_rwlock_t* lock) {
  return locks::count(lock, locks::read_lock, "pthread_rwlock_rdlock");
}
int pthread_rwlock_wrlock(pthread_rwlock_t* lock) {
  return locks::count(lock, locks::write_lock, "pthread_rwlock_wrlock");
}
}

namespace {

using namespace bc_test;
using controller_interface::ControllerInterface;
using controller_interface::return_type;
using Clock = std::chrono::steady_clock;

// The interfaces that controller_manager would lend.
template <typename Interface>
std::vector<std::shared_ptr<Interface>> interfaces(const std::vector<std::string>& names) {
  std::vector<std::shared_ptr<Interface>> made;
  for (const std::string& name : names) {
    const std::size_t slash = name.rfind('/');
    hardware_interface::InterfaceInfo info{};
    info.name = name.substr(slash + 1);
    info.initial_value = "0.0";
    info.data_type = "double";
    made.push_back(std::make_shared<Interface>(hardware_interface::InterfaceDescription(name.substr(0, slash), info)));
  }
  return made;
}

void measure(pluginlib::ClassLoader<ControllerInterface>& loader, const std::string& plugin, const std::string& urdf,
             const std::string& parameters, int updates, bool allocate) {
  const auto controller = loader.createSharedInstance(plugin);
  controller_interface::ControllerInterfaceParams params;
  params.controller_name = "controller";
  params.robot_description = urdf;
  params.update_rate = params.controller_manager_update_rate = 1000;
  params.node_options = controller->define_custom_node_options().arguments({"--ros-args", "--params-file", parameters});
  require(controller->init(params) == return_type::OK, plugin + ": init failed");
  controller->configure();
  const std::size_t joints = bc_test::kJoints;
  const auto states = interfaces<hardware_interface::StateInterface>(controller->state_interface_configuration().names);
  const auto commands =
      interfaces<hardware_interface::CommandInterface>(controller->command_interface_configuration().names);
  require(states.size() == 2 * joints + 2 && commands.size() == joints + 1,
          plugin + ": other interfaces than a Panda's");
  std::vector<hardware_interface::LoanedStateInterface> lent_states;
  for (const auto& state : states) lent_states.emplace_back(state);
  std::vector<hardware_interface::LoanedCommandInterface> lent_commands;
  for (const auto& command : commands) lent_commands.emplace_back(command, nullptr);
  controller->assign_interfaces(std::move(lent_commands), std::move(lent_states));

  std::vector<std::string> names;
  for (std::size_t joint = 0; joint < joints; ++joint) names.push_back(states[joint]->get_prefix_name());
  Operator human(names);
  rclcpp::executors::SingleThreadedExecutor executor;
  executor.add_node(controller->get_node()->get_node_base_interface());
  executor.add_node(human.node());
  std::thread spinning([&executor] { executor.spin(); });

  const auto measured = [&](double seconds) {
    for (std::size_t joint = 0; joint < joints; ++joint) {
      (void)states[joint]->set_value(path(joint, seconds));
      (void)states[joints + joint]->set_value(slope(seconds));
    }
    for (std::size_t finger = 0; finger < 2; ++finger) (void)states[2 * joints + finger]->set_value(0.02);
  };
  measured(0.0);
  require(controller->get_node()->activate().label() == "active", plugin + ": not activated");
  while (!human.heard()) std::this_thread::sleep_for(kPeriod);

  std::vector<std::int64_t> durations;
  durations.reserve(static_cast<std::size_t>(updates));
  heap::calls = locks::waits = 0;
  std::string scratch;
  std::mutex mutex;
  const Clock::time_point began = Clock::now();
  Clock::time_point due = began;
  for (int update = -kEvery; update < updates; ++update) {  // warm first, in HOLD
    std::this_thread::sleep_until(due += kPeriod);
    const double seconds = std::max(0.0, std::chrono::duration<double>(Clock::now() - began).count() - 0.2);
    measured(seconds);
    if (update >= 0 && update % kEvery == 0) human.send(seconds);
    const rclcpp::Time now = human.node()->now();
    heap::counting = true;
    const Clock::time_point start = Clock::now();
    const return_type answer = controller->update(now, rclcpp::Duration(kPeriod));
    const auto took = Clock::now() - start;
    if (allocate) scratch = std::string(64, 'x'), mutex.lock(), mutex.unlock();
    heap::counting = false;
    require(answer == return_type::OK, plugin + ": update() reports an error");
    if (update >= 0) durations.push_back(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count());
  }
  executor.cancel();
  spinning.join();
  controller->get_node()->deactivate();
  controller->release_interfaces();
  std::sort(durations.begin(), durations.end());
  const auto quantile = [&](double share) {
    return 1e-3 * static_cast<double>(durations[static_cast<std::size_t>(share * static_cast<double>(updates - 1))]);
  };
  std::printf(
      "{\"output\": \"%s\", \"reference\": \"joints\", \"updates\": %d, \"p50_us\": %.2f, \"p99_us\": %.2f, "
      "\"p999_us\": %.2f, \"max_us\": %.2f, \"heap_calls\": %llu, \"lock_calls\": %llu, \"chunks\": %d}\n",
      plugin.c_str(), updates, quantile(0.5), quantile(0.99), quantile(0.999), quantile(1.0),
      static_cast<unsigned long long>(heap::calls), static_cast<unsigned long long>(locks::waits), human.in_force());
}

}  // namespace

int main(int argc, char** argv) {
  const bool allocate = argc == 5 && std::string(argv[4]) == "--allocate";
  const int updates = argc >= 4 ? std::atoi(argv[3]) : 0;
  if ((argc != 4 && !allocate) || updates < 1) {
    std::fprintf(stderr, "usage: plugin_benchmark URDF PARAMETERS UPDATES [--allocate]\n");
    return 2;
  }
  rclcpp::init(1, argv);
  pluginlib::ClassLoader<ControllerInterface> loader("controller_interface",
                                                     "controller_interface::ControllerInterface");
  for (const char* name : {"CartesianImpedanceController", "JointImpedanceController", "PositionChunkController"}) {
    measure(loader, std::string("bc_controllers/") + name, text_of(argv[1]), argv[2], updates, allocate);
  }
  rclcpp::shutdown();
  return 0;
}
