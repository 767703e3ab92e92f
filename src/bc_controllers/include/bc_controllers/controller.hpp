// One robot's controller: arbiter, reference, impedance and limits, once per control period.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "bc_controllers/arbiter.hpp"
#include "bc_controllers/joint_impedance.hpp"
#include "bc_controllers/mailbox.hpp"
#include "bc_controllers/port.hpp"
#include "bc_controllers/robot_model.hpp"
#include "bc_controllers/safety.hpp"

namespace bc {

struct Command {
  JointVector torque{};  // [Nm]
  double gripper = 0.0;  // opening [m]
};

// bc_msgs/ControllerState without the poses, as the loop leaves it.
struct ControllerState {
  std::int64_t stamp_ns = 0;
  Mode mode = Mode::kHold;
  std::uint64_t mode_epoch = 1;
  JointVector position{}, velocity{}, position_reference{}, velocity_reference{}, effort{};
  double gripper_position = 0.0;
  double gripper_reference = 0.0;
  Rung ladder = Rung::kHolding;
  bool has_source = false;
  Source source = Source::kPolicy;
  std::uint64_t producer_id = 0;
  std::uint64_t sequence = 0;
  double row = 0.0;
  double stiffness_scale = 1.0;
  Counters counters;
};

class Controller {
 public:
  // `urdf`: a file or the description itself, as for RobotModel. ConfigError names what it or the configuration lacks.
  Controller(ControllerConfig config, const std::string& urdf);

  // The control loop, one thread: no allocation, no lock, no exception. position and velocity: one value per joint.
  Command update(std::int64_t now_ns, std::int64_t steady_ns, const double* position, const double* velocity,
                 double gripper);
  // The robot was put elsewhere by force: begin anew in the next update. The text is copied.
  void relocate(std::string_view reason);          // any thread
  void relocate_in_loop(std::string_view reason);  // the control loop's thread, without lock

  // For a loop that stands still at times (a ros2_control controller that is switched off and on), in the loop's thread
  // and without lock. end(): after its last update, everything is dropped and nobody commands any more. begin_again():
  // before the next one, which starts from what it measures; chunks and requests that came meanwhile move nothing.
  void end(std::int64_t now_ns, std::string_view reason);
  void begin_again(std::string_view reason);
  Mode mode() const { return arbiter_.mode(); }  // the loop's thread
  bool faulted() const { return arbiter_.faulted(); }

  // Goes on as another controller of the same configuration would: a fork. Neither may be running its loop.
  void copy_from(Controller& other);

  Port& port() { return port_; }
  const ControllerConfig& config() const { return config_; }  // with position limits filled in
  std::size_t joints() const { return joints_; }
  // Newest state, and poses of the measured and the reference position in it. Other threads.
  struct View {
    ControllerState state;
    std::array<double, 7> tcp{};
    std::array<double, 7> tcp_reference{};
  };
  View view();

 private:
  bool trust(std::int64_t now_ns, const double* position, const double* velocity, double gripper);
  void begin(std::int64_t now_ns, std::string_view reason);
  void publish(std::int64_t now_ns, const Command& command);

  RobotModel model_;
  ControllerConfig config_;
  std::size_t joints_;
  Port port_;
  Arbiter arbiter_;
  JointImpedance impedance_;
  TorqueLimiter limiter_;
  FrozenEncoder frozen_;

  JointVector position_{}, velocity_{};  // last trusted measurement
  double gripper_ = 0.0;
  bool started_ = false;
  std::int64_t steady_ = 0;
  std::uint64_t torque_limited_ = 0, torque_rate_limited_ = 0;

  bool relocating_ = false;
  FixedString<128> relocation_;
  Mailbox<FixedString<128>> relocations_;
  std::mutex relocating_threads_;
  Latest<ControllerState> state_;
  std::mutex viewing_;
};

}  // namespace bc
