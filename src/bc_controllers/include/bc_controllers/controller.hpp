// One robot's controller: arbiter, reference, setpoint, output and limits, once per control period.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "bc_controllers/arbiter.hpp"
#include "bc_controllers/compensation.hpp"
#include "bc_controllers/mailbox.hpp"
#include "bc_controllers/port.hpp"
#include "bc_controllers/robot_model.hpp"
#include "bc_controllers/safety.hpp"
#include "bc_controllers/setpoint.hpp"
#include "bc_controllers/settings.hpp"
#include "bc_controllers/torque_law.hpp"

namespace bc {

// All nil before the first measurement that could be trusted: a host begins with one.
struct Command {
  JointVector torque{};    // [Nm]; nil of a position output
  JointVector position{};  // [rad]; the setpoint, of a torque output
  double gripper = 0.0;    // opening [m]
};

// bc_msgs/ControllerState without the measured pose, as the loop leaves it.
struct ControllerState {
  std::int64_t stamp_ns = 0;
  Mode mode = Mode::kHold;
  std::uint64_t mode_epoch = 1;
  JointVector position{}, velocity{}, position_reference{}, velocity_reference{}, effort{};
  JointVector position_command{};
  Pose pose_reference;
  double gripper_position = 0.0;
  double gripper_reference = 0.0;
  Rung ladder = Rung::kHolding;
  bool has_source = false;
  Source source = Source::kPolicy;
  std::uint64_t producer_id = 0;
  std::uint64_t sequence = 0;
  double row = 0.0;
  double stiffness_scale = 1.0;
  Settings settings;  // in use now
  Counters counters;
};

class Controller {
 public:
  // ConfigError names what the configuration or the URDF lacks. `urdf`: a path, or the XML itself.
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
  LiveSettings& settings() { return settings_; }
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
  bool trust(std::int64_t now_ns, double seconds, const double* position, const double* velocity, double gripper);
  void begin(std::int64_t now_ns, std::string_view reason);
  void stand(std::int64_t now_ns, const double* joints, double gripper, std::string_view reason);
  void stand_anew(std::int64_t now_ns);
  void set_payload(const Payload& payload);
  void command_torque(std::int64_t now_ns, bool trusted, double seconds, Command& command);
  void command_position(std::int64_t now_ns, bool trusted, double seconds, Command& command);
  void count_setpoint();
  void publish(std::int64_t now_ns, const Command& command);

  RobotModel model_;
  ControllerConfig config_;
  std::size_t joints_;
  Port port_;
  Arbiter arbiter_;
  LiveSettings settings_;
  SetpointSolver solver_;
  Compensation compensation_;
  std::unique_ptr<TorqueLaw> law_;  // null: positions are commanded
  JointGuard guard_;
  TorqueLimiter torque_limiter_;
  PositionLimiter position_limiter_;
  FrozenEncoder frozen_;

  Measurement measured_;  // last trusted one
  double gripper_ = 0.0;
  Payload carried_;  // as the model has it
  bool started_ = false;
  bool lost_ = false;   // the last measurement was not finite
  bool stuck_ = false;  // an encoder was found frozen: nothing is trusted until the reset
  std::int64_t steady_ = 0;
  Counters counters_;  // of what happens here; the arbiter has its own

  bool relocating_ = false;
  FixedString<128> relocation_;
  Mailbox<FixedString<128>> relocations_;
  std::mutex relocating_threads_;
  Latest<ControllerState> state_;
  std::mutex viewing_;
};

}  // namespace bc
