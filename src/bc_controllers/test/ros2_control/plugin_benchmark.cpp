// A plugin as controller_manager drives it at 1 kHz, with chunks from its topic: what update() takes, allocates and
// locks.
//   plugin_benchmark URDF PARAMETERS UPDATES [--allocate]    one line of JSON per plugin
// PARAMETERS: a file of config/ros2_control. --allocate allocates and locks once per update on purpose: it shows that
// the counters count.
#include <dlfcn.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <controller_interface/controller_interface.hpp>
#include <cstdio>
#include <fstream>
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
#include "../native/panda.hpp"
#include "bc_msgs/msg/action_chunk.hpp"
#include "bc_msgs/msg/chunk_ack.hpp"
#include "bc_msgs/msg/control_mode.hpp"

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

using bc_msgs::msg::ActionChunk;
using controller_interface::ControllerInterface;
using controller_interface::return_type;
using Clock = std::chrono::steady_clock;

constexpr auto kPeriod = std::chrono::milliseconds(1);
constexpr double kSwing = 0.1, kOmega = 1.2;  // [rad], [rad/s]
constexpr int kRows = 16, kEvery = 200;       // of a chunk; updates from one to the next
constexpr std::int64_t kRowNs = 50'000'000;

void require(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "plugin_benchmark: %s\n", what.c_str());
  std::exit(1);
}

// Where a joint is to be, and is, `seconds` after the start: it begins at home, at rest.
double path(std::size_t joint, double seconds) {
  return bc_test::kHome[joint] + kSwing * (1.0 - std::cos(kOmega * seconds)) / 2.0;
}
double slope(double seconds) {
  return kSwing * kOmega * std::sin(kOmega * seconds) / 2.0;
}

// A human at the other end of the topics.
class Operator {
 public:
  explicit Operator(const std::vector<std::string>& joints)
      : joints_(joints), node_(std::make_shared<rclcpp::Node>("operator")) {
    commands_ = node_->create_publisher<ActionChunk>("command/human", rclcpp::QoS(4).reliable());
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
    ActionChunk chunk;
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
  rclcpp::Publisher<ActionChunk>::SharedPtr commands_;
  rclcpp::SubscriptionBase::SharedPtr acks_, modes_;
  std::uint64_t sequence_ = 0;
  std::atomic<std::uint64_t> epoch_{0};
  std::atomic<int> in_force_{0};
};

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

std::string text_of(const char* path) {
  std::ifstream file(path);
  require(file.good(), std::string(path) + " cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
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
