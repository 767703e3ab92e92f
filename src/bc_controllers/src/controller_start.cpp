// Where the controller begins, begins anew and ends, and whether what it measures can be trusted.
#include <algorithm>

#include "bc_controllers/controller.hpp"
#include "linear.hpp"

namespace bc {

// Whether this period's measurement can be used; a fault otherwise.
bool Controller::trust(std::int64_t now_ns, double seconds, const double* position, const double* velocity,
                       double gripper) {
  if (!all_finite(position, joints_) || !all_finite(velocity, joints_) || !all_finite(&gripper, 1)) {
    ++counters_.nonfinite_inputs;
    lost_ = true;
    arbiter_.fault(now_ns, "fault: encoder reading is not finite");
    return false;
  }
  std::copy_n(position, joints_, measured_.position.begin());
  std::copy_n(velocity, joints_, measured_.velocity.begin());
  gripper_ = gripper;
  if (!started_ || relocating_) return true;  // which begins anew
  stuck_ = stuck_ && arbiter_.faulted();
  if (!stuck_ && frozen_.check(position, velocity, solver_.setpoint().position, seconds) >= 0) {
    ++counters_.frozen_encoders;  // said once; watched anew after the reset
    stuck_ = true;
    arbiter_.fault(now_ns, "fault: encoder reading is frozen");
  }
  if (stuck_ || lost_) stand_anew(now_ns);
  return !stuck_;
}

// The arm is not drawn back from where it went, and the gripper keeps its grip, while no measurement could be trusted.
// Positions stand where they were sent last.
void Controller::stand_anew(std::int64_t now_ns) {
  lost_ = false;
  const double* joints = law_ != nullptr ? measured_.position.data() : position_limiter_.last().data();
  stand(now_ns, joints, arbiter_.reference().gripper(), "measurements are back");
  arbiter_.drop_stiffness();  // it comes back gradually
  frozen_.reset(measured_.position.data(), solver_.setpoint().position);
}

// From the measured position, with the torque that holds it there: nothing steps, and no rate limit starts from nil.
void Controller::begin(std::int64_t now_ns, std::string_view reason) {
  started_ = true;
  relocating_ = lost_ = stuck_ = false;
  const double* joints = measured_.position.data();
  stand(now_ns, joints, gripper_, reason);
  JointVector torque{};
  compensation_.rest(joints, torque);
  torque_limiter_.reset(torque);
  position_limiter_.reset(joints);
  frozen_.reset(joints, solver_.setpoint().position);
}

// Reference and setpoint stand at these joints.
void Controller::stand(std::int64_t now_ns, const double* joints, double gripper, std::string_view reason) {
  if (arbiter_.reference().has_pose()) {
    Kinematics tool;
    model_.kinematics(joints, tool);
    std::array<double, kPoseColumns> place{};
    std::copy(tool.pose.position.begin(), tool.pose.position.end(), place.begin());
    std::copy(tool.pose.rotation.begin(), tool.pose.rotation.end(), place.begin() + 3);
    arbiter_.relocate(now_ns, place.data(), gripper, reason);
  } else {
    arbiter_.relocate(now_ns, joints, gripper, reason);
  }
  solver_.reset(arbiter_.reference(), joints);
}

void Controller::relocate(std::string_view reason) {
  const std::lock_guard<std::mutex> lock(relocating_threads_);
  relocations_.push(reason);  // full: eight wait already, and one is enough
}

void Controller::relocate_in_loop(std::string_view reason) {
  relocating_ = true;
  relocation_ = reason;
}

void Controller::end(std::int64_t now_ns, std::string_view reason) {
  if (!started_) return;
  stand(now_ns, measured_.position.data(), gripper_, reason);
  publish(now_ns, Command{});
}

void Controller::begin_again(std::string_view reason) {
  port_.discard(arbiter_.mode(), arbiter_.epoch());
  relocate_in_loop(reason);
}

}  // namespace bc
