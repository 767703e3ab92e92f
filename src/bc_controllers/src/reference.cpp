#include "bc_controllers/reference.hpp"

#include <algorithm>
#include <cmath>

#include "motion.hpp"
#include "rotation.hpp"

namespace bc {

namespace {
// Where a pose is after some seconds with its twist.
PosePoint moved(PosePoint point, double seconds) {
  as_vector(point.pose.position) += as_vector(point.twist.linear) * seconds;
  auto rotation = as_rotation(point.pose);
  rotation = (rotation_exp(as_vector(point.twist.angular) * seconds) * rotation).normalized();
  return point;
}
}  // namespace

Reference::Reference(const ControllerConfig& config)
    : columns_(config),
      gripper_lower_(config.gripper_lower),
      gripper_upper_(config.gripper_upper),
      gripper_velocity_(config.gripper_velocity),
      blend_time_(static_cast<double>(config.blend_time_ns) * 1e-9) {
  const WorkspaceLimits& space = config.workspace;
  const double linear = space.linear_acceleration, angular = space.angular_acceleration;
  linear_limits_ = {space.linear_velocity, linear, space.peak_acceleration * linear};
  angular_limits_ = {space.angular_velocity, angular, space.peak_acceleration * angular};
  if (has_pose()) {
    std::copy(space.lower.begin(), space.lower.end(), box_lower_.begin());
    std::copy(space.upper.begin(), space.upper.end(), box_upper_.begin());
    return;
  }
  std::copy(config.position_lower.begin(), config.position_lower.end(), lower_.begin());
  std::copy(config.position_upper.begin(), config.position_upper.end(), upper_.begin());
  for (std::size_t i = 0; i < joints(); ++i) {
    const double most = config.acceleration[i];
    joint_limits_[i] = {config.velocity[i], most, config.peak_acceleration * most};
  }
}

void Reference::reset(const double* place, double gripper) {
  if (has_pose()) {
    std::copy_n(place, 3, pose_.position.begin());
    std::copy_n(place + 3, 4, pose_.rotation.begin());
  } else {
    std::copy_n(place, joints(), position_.begin());
  }
  velocity_.fill(0.0);
  acceleration_.fill(0.0);
  twist_ = Twist();
  joint_offset_.fill(Fade<1>());
  position_offset_.clear();
  rotation_offset_.clear();
  gripper_ = gripper;
  velocity_limited_ = acceleration_limited_ = false;
}

// What is off fades from the last move on, since the next move advances it by the whole way from there: both curves are
// followed back to it. Otherwise a reference in motion would stand still for a period, a step of torque for a spring.
Jump Reference::change(const Chunk* old, Chunk& next, std::int64_t time_ns, double seconds) {
  const Place there = place(next, time_ns);
  const Place here = old != nullptr ? place(*old, time_ns) : Place{};
  if (old != nullptr) join(next, *old, there, columns_);
  Jump jump;
  jump.joints = change_joints(old, here, next, there, seconds);
  if (has_pose()) change_pose(old, here, next, there, seconds, jump);
  if (columns_.gripper >= 0) {
    const auto column = static_cast<std::size_t>(columns_.gripper);
    const double before = old != nullptr ? sample_linear(*old, here, column) : gripper_;
    jump.gripper = std::abs(before - sample_linear(next, there, column));
  }
  return jump;
}

double Reference::change_joints(const Chunk* old, const Place& here, const Chunk& next, const Place& there,
                                double seconds) {
  double sum = 0.0;
  for (std::size_t i = 0; i < joints(); ++i) {
    const std::size_t column = columns_.joints[i];
    const Point after = sample(next, there, column);
    Point before{position_[i] + velocity_[i] * seconds, velocity_[i], 0.0};
    if (old != nullptr) before = sample(*old, here, column);
    const double step = before.value - after.value, slip = before.rate - after.rate;
    sum += step * step;
    Fade<1>& offset = joint_offset_[i];
    if (old == nullptr) offset.clear();
    if (step != 0.0 || slip != 0.0) {
      const double then = step - slip * seconds;
      offset.start({offset.value()[0] + then}, {offset.rate()[0] + slip}, blend_time_, joint_limits_[i]);
    }
  }
  return std::sqrt(sum);
}

void Reference::change_pose(const Chunk* old, const Place& here, const Chunk& next, const Place& there, double seconds,
                            Jump& jump) {
  const auto column = static_cast<std::size_t>(columns_.pose);
  PosePoint after = sample_pose(next, there, column);
  PosePoint before = old != nullptr ? sample_pose(*old, here, column) : moved({pose_, twist_}, seconds);
  jump.position = (as_vector(before.pose.position) - as_vector(after.pose.position)).norm();
  jump.rotation = rotation_log(as_rotation(before.pose) * as_rotation(after.pose).conjugate()).norm();
  if (old == nullptr) position_offset_.clear(), rotation_offset_.clear();
  const Vec3 slip = as_vector(before.twist.linear) - as_vector(after.twist.linear);
  const Vec3 spin = as_vector(before.twist.angular) - as_vector(after.twist.angular);
  if (jump.position == 0.0 && slip.isZero(0.0) && jump.rotation < kNilRotation && spin.norm() < kNilRotation) return;
  before = moved(before, -seconds);
  after = moved(after, -seconds);
  // What the reference does, offset included, less what the new curve does: it begins there, and fades.
  Vector3 offset, rate;
  for (std::size_t i = 0; i < 3; ++i) {
    offset[i] = before.pose.position[i] + position_offset_.value()[i] - after.pose.position[i];
    rate[i] = before.twist.linear[i] + position_offset_.rate()[i] - after.twist.linear[i];
  }
  position_offset_.start(offset, rate, blend_time_, linear_limits_);
  const Vec3 turn = as_vector(rotation_offset_.value());
  const Quat turned = rotation_exp(turn);
  const Vec3 spinning =
      angular_velocity(turn, as_vector(rotation_offset_.rate())) + turned * as_vector(before.twist.angular);
  restart_rotation(rotation_offset_, turned * as_rotation(before.pose), spinning, after, blend_time_, angular_limits_);
}

void Reference::follow(const Chunk& chunk, std::int64_t time_ns, double seconds) {
  const Place at = place(chunk, time_ns);
  velocity_limited_ = acceleration_limited_ = false;
  for (std::size_t i = 0; i < joints(); ++i) follow_joint(i, sample(chunk, at, columns_.joints[i]), seconds);
  if (has_pose()) follow_pose(sample_pose(chunk, at, static_cast<std::size_t>(columns_.pose)), seconds);
  if (columns_.gripper >= 0) follow_gripper(chunk, at, seconds);
}

void Reference::follow_joint(std::size_t joint, const Point& point, double seconds) {
  Fade<1>& offset = joint_offset_[joint];
  offset.advance(seconds);
  const MotionLimits& limits = joint_limits_[joint];
  double& position = position_[joint];
  double& velocity = velocity_[joint];
  // A start outside the limits may only come nearer to them, never be thrown inside.
  const double lower = std::min(lower_[joint], position), upper = std::max(upper_[joint], position);
  const double wanted = std::clamp(point.value + offset.value()[0], lower, upper);
  const double rate = point.rate + offset.rate()[0];
  const double before = velocity;
  const Excess excess = exceeds(limits, std::abs(wanted - position), std::abs(rate), std::abs(rate - before), seconds);
  if (!excess.any()) {
    position = wanted;
    velocity = rate;
  } else {
    velocity_limited_ |= excess.velocity;
    acceleration_limited_ |= excess.acceleration;
    velocity = limited_velocity<1>({before}, {point.rate}, {point.value - position}, limits, seconds)[0];
    position = std::clamp(position + 0.5 * (before + velocity) * seconds, lower, upper);
  }
  if (position != point.value + offset.value()[0]) {  // limited: the offset takes up what is missing
    offset.start({position - point.value}, {velocity - point.rate}, blend_time_, limits);
  }
  acceleration_[joint] = seconds > 0.0 ? (velocity - before) / seconds : 0.0;
}

void Reference::follow_pose(const PosePoint& point, double seconds) {
  follow_translation(point, seconds);
  follow_rotation(point, seconds);
}

// A start outside the box may only come nearer to it, as with the limits of joints.
bool Reference::keep_in_box(const Vector3& before) {
  bool kept = false;
  for (std::size_t i = 0; i < 3; ++i) {
    const double inside =
        std::clamp(pose_.position[i], std::min(box_lower_[i], before[i]), std::max(box_upper_[i], before[i]));
    if (inside == pose_.position[i]) continue;
    pose_.position[i] = inside;
    twist_.linear[i] = 0.0;
    kept = true;
  }
  return kept;
}

void Reference::follow_translation(const PosePoint& point, double seconds) {
  position_offset_.advance(seconds);
  const Vec3 curve = as_vector(point.pose.position), rate = as_vector(point.twist.linear);
  auto position = as_vector(pose_.position);
  auto velocity = as_vector(twist_.linear);
  const Vec3 wanted = curve + as_vector(position_offset_.value());
  const Vec3 wanted_rate = rate + as_vector(position_offset_.rate());
  const Excess excess =
      exceeds(linear_limits_, (wanted - position).norm(), wanted_rate.norm(), (wanted_rate - velocity).norm(), seconds);
  const Vector3 before = pose_.position;
  if (!excess.any()) {
    position = wanted;
    velocity = wanted_rate;
  } else {
    velocity_limited_ |= excess.velocity;
    acceleration_limited_ |= excess.acceleration;
    const Vector3 error = to_array(curve - position);
    const Vector3 next = limited_velocity<3>(twist_.linear, point.twist.linear, error, linear_limits_, seconds);
    position += 0.5 * (velocity + as_vector(next)) * seconds;
    velocity = as_vector(next);
  }
  if (keep_in_box(before) || excess.any()) {
    position_offset_.start(to_array(position - curve), to_array(velocity - rate), blend_time_, linear_limits_);
  }
}

void Reference::follow_rotation(const PosePoint& point, double seconds) {
  rotation_offset_.advance(seconds);
  const Vec3 turn = as_vector(rotation_offset_.value());
  const Quat turned = rotation_exp(turn);
  auto rotation = as_rotation(pose_);
  auto velocity = as_vector(twist_.angular);
  const Quat wanted = turned * as_rotation(point.pose);
  const Vec3 wanted_rate =
      angular_velocity(turn, as_vector(rotation_offset_.rate())) + turned * as_vector(point.twist.angular);
  const Excess excess = exceeds(angular_limits_, rotation_log(wanted * rotation.conjugate()).norm(), wanted_rate.norm(),
                                (wanted_rate - velocity).norm(), seconds);
  if (!excess.any()) {
    rotation = wanted.normalized();
    velocity = wanted_rate;
    return;
  }
  velocity_limited_ |= excess.velocity;
  acceleration_limited_ |= excess.acceleration;
  const Vec3 error = rotation_log(as_rotation(point.pose) * rotation.conjugate());
  const Vector3 next =
      limited_velocity<3>(twist_.angular, point.twist.angular, to_array(error), angular_limits_, seconds);
  rotation = (rotation_exp(0.5 * (velocity + as_vector(next)) * seconds) * rotation).normalized();
  velocity = as_vector(next);
  restart_rotation(rotation_offset_, rotation, velocity, point, blend_time_, angular_limits_);
}

void Reference::follow_gripper(const Chunk& chunk, const Place& at, double seconds) {
  const double wanted = sample_linear(chunk, at, static_cast<std::size_t>(columns_.gripper));
  const double reach = gripper_velocity_ * seconds;
  gripper_ = std::clamp(gripper_ + std::clamp(wanted - gripper_, -reach, reach), std::min(gripper_lower_, gripper_),
                        std::max(gripper_upper_, gripper_));
}

void Reference::stop(double seconds) {
  // No chunk: nothing to be off from.
  joint_offset_.fill(Fade<1>());
  position_offset_.clear();
  rotation_offset_.clear();
  if (has_pose()) {
    stop_pose(seconds);
  } else {
    stop_joints(seconds);
  }
}

void Reference::stop_joints(double seconds) {
  acceleration_.fill(0.0);
  double needed = 0.0;  // time in which the joint that takes longest can stand
  for (std::size_t i = 0; i < joints(); ++i) {
    needed = std::max(needed, std::abs(velocity_[i]) / joint_limits_[i].acceleration);
  }
  if (needed == 0.0) return;
  // All joints slow down in the same proportion: the path keeps its direction.
  const double moving = std::min(seconds, needed);
  const double left = seconds >= needed ? 0.0 : 1.0 - seconds / needed;
  for (std::size_t i = 0; i < joints(); ++i) {
    const double target = position_[i] + 0.5 * velocity_[i] * (1.0 + left) * moving;
    const double limited = std::clamp(target, std::min(lower_[i], position_[i]), std::max(upper_[i], position_[i]));
    acceleration_[i] = left > 0.0 ? -velocity_[i] / needed : 0.0;
    velocity_[i] = limited == target ? velocity_[i] * left : 0.0;
    position_[i] = limited;
  }
}

void Reference::stop_pose(double seconds) {
  auto linear = as_vector(twist_.linear), angular = as_vector(twist_.angular);
  const double needed =
      std::max(linear.norm() / linear_limits_.acceleration, angular.norm() / angular_limits_.acceleration);
  if (needed == 0.0) return;
  const double moving = std::min(seconds, needed);
  const double left = seconds >= needed ? 0.0 : 1.0 - seconds / needed;
  const Vector3 before = pose_.position;
  as_vector(pose_.position) += 0.5 * (1.0 + left) * moving * linear;
  as_rotation(pose_) = (rotation_exp(0.5 * (1.0 + left) * moving * angular) * as_rotation(pose_)).normalized();
  linear *= left;
  angular *= left;
  keep_in_box(before);
}

bool Reference::standing() const {
  const auto still = [](double value) { return value == 0.0; };
  if (has_pose()) {
    return std::all_of(twist_.linear.begin(), twist_.linear.end(), still) &&
           std::all_of(twist_.angular.begin(), twist_.angular.end(), still);
  }
  return std::all_of(velocity_.begin(), velocity_.begin() + static_cast<std::ptrdiff_t>(joints()), still);
}

void Reference::row(double* values) const {
  for (std::size_t i = 0; i < joints(); ++i) values[columns_.joints[i]] = position_[i];
  if (has_pose()) {
    std::copy_n(pose_.position.begin(), 3, values + columns_.pose);
    std::copy_n(pose_.rotation.begin(), 4, values + columns_.pose + 3);
  }
  if (columns_.gripper >= 0) values[columns_.gripper] = gripper_;
}

}  // namespace bc
