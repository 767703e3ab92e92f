#include "bc_controllers/setpoint.hpp"

#include <algorithm>
#include <cmath>

#include "linear.hpp"
#include "motion.hpp"
#include "rotation.hpp"

namespace bc {

namespace {

constexpr double kCatchUp = 0.1;    // time constant with which joints that were held up follow their reference [s]
constexpr double kCaughtUp = 1e-7;  // [rad]
constexpr double kStanding = 1e-6;  // [m/s]: rounding

}  // namespace

SetpointSolver::SetpointSolver(const ControllerConfig& config, RobotModel& model)
    : model_(&model),
      joints_(config.joint_names().size()),
      kinematics_(config.kinematics),
      workspace_(config.workspace),
      posture_given_(!config.kinematics.posture.empty()) {
  std::copy(config.position_lower.begin(), config.position_lower.end(), lower_.begin());
  std::copy(config.position_upper.begin(), config.position_upper.end(), upper_.begin());
  std::copy(config.velocity.begin(), config.velocity.end(), velocity_.begin());
  std::copy(config.kinematics.posture.begin(), config.kinematics.posture.end(), posture_.begin());
}

void SetpointSolver::reset(const Reference& reference, const double* position) {
  setpoint_ = Setpoint();
  std::copy_n(position, joints_, setpoint_.position.begin());
  if (!posture_given_) std::copy_n(position, joints_, posture_.begin());
  Kinematics tool;
  model_->kinematics(position, tool);
  setpoint_.pose = reference.has_pose() ? reference.pose() : tool.pose;
  behind_ = workspace_limited_ = tcp_speed_limited_ = kinematics_limited_ = false;
}

void SetpointSolver::copy_from(const SetpointSolver& other) {
  RobotModel* const own = model_;
  *this = other;
  model_ = own;
}

const Setpoint& SetpointSolver::advance(const Reference& reference, double seconds) {
  workspace_limited_ = tcp_speed_limited_ = kinematics_limited_ = false;
  if (reference.has_pose()) {
    solve_pose(reference, seconds);
  } else {
    follow_joints(reference, seconds);
  }
  return setpoint_;
}

void SetpointSolver::follow_joints(const Reference& reference, double seconds) {
  JointVector step{};
  double lag = 0.0;
  const double share = std::min(1.0, seconds / kCatchUp);
  for (std::size_t i = 0; i < joints_; ++i) {
    const double missing = reference.position()[i] - setpoint_.position[i];
    const double late = missing - reference.velocity()[i] * seconds;
    lag = std::max(lag, std::abs(late));
    step[i] = behind_ ? missing - (1.0 - share) * late : missing;
  }
  JointVector wanted = reference.position();
  if (behind_) {
    for (std::size_t i = 0; i < joints_; ++i) wanted[i] = setpoint_.position[i] + step[i];
  }
  Kinematics tool;
  model_->kinematics(wanted.data(), tool);
  const double allowed = allowed_share(tool, step, seconds);
  behind_ = allowed < 1.0 || (behind_ && lag > kCaughtUp);
  if (behind_) {
    for (std::size_t i = 0; i < joints_; ++i) {
      const double rate = seconds > 0.0 ? allowed * step[i] / seconds : 0.0;
      setpoint_.position[i] += allowed * step[i];
      setpoint_.acceleration[i] = seconds > 0.0 ? (rate - setpoint_.velocity[i]) / seconds : 0.0;
      setpoint_.velocity[i] = rate;
    }
    model_->kinematics(setpoint_.position.data(), tool);
  } else {  // to the bit
    setpoint_.position = reference.position();
    setpoint_.velocity = reference.velocity();
    setpoint_.acceleration = reference.acceleration();
  }
  setpoint_.pose = tool.pose;
  const Task twist = tool.jacobian * as_joints(setpoint_.velocity, joints_);
  as_vector(setpoint_.twist.linear) = twist.head<3>();
  as_vector(setpoint_.twist.angular) = twist.tail<3>();
}

// How much of a step of the joints, which leads the tool there, keeps it within its speeds, and able to stop before it
// leaves the box. A tool that is outside may only come nearer.
double SetpointSolver::allowed_share(const Kinematics& there, const JointVector& step, double seconds) {
  if (seconds <= 0.0) return 1.0;
  const Task rate = there.jacobian * as_joints(step, joints_) / seconds;
  double share = 1.0;
  const double linear = rate.head<3>().norm(), angular = rate.tail<3>().norm();
  if (linear > workspace_.linear_velocity * (1.0 + kLimitRounding)) share = workspace_.linear_velocity / linear;
  if (angular > workspace_.angular_velocity * (1.0 + kLimitRounding)) {
    share = std::min(share, workspace_.angular_velocity / angular);
  }
  tcp_speed_limited_ = share < 1.0;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double towards = rate[static_cast<Eigen::Index>(axis)], at = setpoint_.pose.position[axis];
    const double room = std::max(0.0, towards > 0.0 ? workspace_.upper[axis] - at : at - workspace_.lower[axis]);
    const double most = std::min(std::sqrt(2.0 * workspace_.linear_acceleration * room), room / seconds);
    if (std::abs(towards) * share > most + kStanding) {
      share = most / std::abs(towards);
      workspace_limited_ = true;
    }
  }
  return share;
}

void SetpointSolver::solve_pose(const Reference& reference, double seconds) {
  Kinematics tool;
  model_->kinematics(setpoint_.position.data(), tool);
  setpoint_.pose = reference.pose();
  setpoint_.twist = reference.twist();
  setpoint_.acceleration.fill(0.0);
  if (seconds <= 0.0) return;

  const auto n = static_cast<Eigen::Index>(joints_);
  Task move;  // of the tool in this period: what the reference does, and some of what is missing
  move << as_vector(reference.twist().linear), as_vector(reference.twist().angular);
  Task missing;
  missing << as_vector(reference.pose().position) - as_vector(tool.pose.position),
      rotation_log(as_rotation(reference.pose()) * as_rotation(tool.pose).conjugate());
  move = seconds * move;
  move += std::min(1.0, seconds / kinematics_.error_time) * (missing - move);
  const DampedTask damped(tool.jacobian, kinematics_);
  Joints step = tool.jacobian.transpose() * damped.solve(move);
  const Joints drawn = std::min(1.0, seconds / kinematics_.posture_time) *
                       (as_joints(posture_, joints_) - as_joints(setpoint_.position, joints_));
  step += drawn - tool.jacobian.transpose() * damped.solve(tool.jacobian * drawn);

  double share = 1.0;
  for (Eigen::Index i = 0; i < n; ++i) {
    const double most = velocity_[static_cast<std::size_t>(i)] * seconds;
    if (std::abs(step[i]) > most * (1.0 + kLimitRounding)) share = std::min(share, most / std::abs(step[i]));
  }
  kinematics_limited_ = share < 1.0;
  for (std::size_t i = 0; i < joints_; ++i) {
    const double from = setpoint_.position[i];
    const double wanted = from + share * step[static_cast<Eigen::Index>(i)];
    // A start outside the limits may only come nearer to them.
    setpoint_.position[i] = std::clamp(wanted, std::min(lower_[i], from), std::max(upper_[i], from));
    kinematics_limited_ |= setpoint_.position[i] != wanted;
    const double rate = (setpoint_.position[i] - from) / seconds;
    setpoint_.acceleration[i] = (rate - setpoint_.velocity[i]) / seconds;
    setpoint_.velocity[i] = rate;
  }
}

}  // namespace bc
