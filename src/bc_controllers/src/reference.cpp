#include "bc_controllers/reference.hpp"

#include <algorithm>
#include <cmath>

namespace bc {

namespace {

// Below these an offset is nil: far under any encoder's resolution.
constexpr double kNilOffset = 1e-9;          // [rad]
constexpr double kNilOffsetVelocity = 1e-6;  // [rad/s]

// Speed towards zero from a distance such that deceleration never exceeds `acceleration`: proportional near zero, the
// square root of the distance farther out, joined smoothly.
double approach_speed(double distance, double rate, double acceleration) {
  const double linear = acceleration / (rate * rate);
  if (distance <= linear) return rate * distance;
  return std::sqrt(2.0 * acceleration * (distance - 0.5 * linear));
}

}  // namespace

Reference::Reference(const ControllerConfig& config)
    : gripper_lower_(config.gripper_lower),
      gripper_upper_(config.gripper_upper),
      gripper_velocity_(config.gripper_velocity),
      blend_rate_(config.blend_rate) {
  std::size_t column = 0;
  for (const GroupLayout& group : config.groups) {
    for (std::size_t i = 0; i < group.names.size(); ++i, ++column) {
      if (group.space == Space::kJointPosition) {
        joint_column_.push_back(column);
      } else {
        gripper_column_ = static_cast<int>(column);
      }
    }
  }
  std::copy(config.position_lower.begin(), config.position_lower.end(), lower_.begin());
  std::copy(config.position_upper.begin(), config.position_upper.end(), upper_.begin());
  std::copy(config.velocity.begin(), config.velocity.end(), max_velocity_.begin());
  std::copy(config.acceleration.begin(), config.acceleration.end(), max_acceleration_.begin());
}

void Reference::reset(const double* position, double gripper) {
  std::copy_n(position, joints(), position_.begin());
  velocity_.fill(0.0);
  offset_.fill(0.0);
  offset_velocity_.fill(0.0);
  gripper_ = gripper;
  velocity_limited_ = false;
}

Jump Reference::change(const Chunk* old, const Chunk& next, std::int64_t time_ns) {
  const Place there = place(next, time_ns);
  const Place here = old != nullptr ? place(*old, time_ns) : Place{};
  Jump jump;
  for (std::size_t i = 0; i < joints(); ++i) {
    const std::size_t column = joint_column_[i];
    const double value = sample(next, there, column);
    const double step = (old != nullptr ? sample(*old, here, column) : position_[i]) - value;
    jump.joints += step * step;
    offset_[i] = (old != nullptr ? offset_[i] : 0.0) + step;
    // A reference that moves without a chunk (it was stopping) keeps its momentum, which fades with the offset. From a
    // stand, and from chunk to chunk, a change of slope is a corner of the commanded path like those between rows.
    if (old == nullptr) offset_velocity_[i] = velocity_[i] != 0.0 ? velocity_[i] - slope(next, there, column) : 0.0;
  }
  jump.joints = std::sqrt(jump.joints);
  if (gripper_column_ >= 0) {
    const auto column = static_cast<std::size_t>(gripper_column_);
    jump.gripper = std::abs((old != nullptr ? sample(*old, here, column) : gripper_) - sample(next, there, column));
  }
  return jump;
}

void Reference::follow(const Chunk& chunk, std::int64_t time_ns, double seconds) {
  const Place at = place(chunk, time_ns);
  velocity_limited_ = false;
  for (std::size_t i = 0; i < joints(); ++i) {
    fade(i, seconds);
    const double row = sample(chunk, at, joint_column_[i]);
    const double rate = slope(chunk, at, joint_column_[i]);
    // A start outside the limits may only come nearer to them, never be thrown inside.
    const double lower = std::min(lower_[i], position_[i]);
    const double upper = std::max(upper_[i], position_[i]);
    double target = std::clamp(row + offset_[i], lower, upper);
    double velocity = rate + offset_velocity_[i];
    const double reach = max_velocity_[i] * seconds;
    if (seconds > 0.0 && std::abs(target - position_[i]) > reach * (1.0 + 1e-9)) {
      target = position_[i] + std::copysign(reach, target - position_[i]);
      velocity = std::copysign(max_velocity_[i], target - position_[i]);
      velocity_limited_ = true;
    }
    if (target != row + offset_[i]) {  // limited: the offset takes up what is missing, and fades from there
      offset_[i] = target - row;
      offset_velocity_[i] = velocity - rate;
    }
    position_[i] = target;
    velocity_[i] = std::clamp(velocity, -max_velocity_[i], max_velocity_[i]);
  }
  if (gripper_column_ >= 0) follow_gripper(chunk, at, seconds);
}

void Reference::fade(std::size_t joint, double seconds) {
  double& offset = offset_[joint];
  double& velocity = offset_velocity_[joint];
  if (offset == 0.0 && velocity == 0.0) return;
  const double wanted = -std::copysign(approach_speed(std::abs(offset), blend_rate_, max_acceleration_[joint]), offset);
  const double change = max_acceleration_[joint] * seconds;
  const double next = velocity + std::clamp(wanted - velocity, -change, change);
  offset += 0.5 * (velocity + next) * seconds;
  velocity = next;
  if (std::abs(offset) < kNilOffset && std::abs(velocity) < kNilOffsetVelocity) offset = velocity = 0.0;
}

void Reference::follow_gripper(const Chunk& chunk, const Place& at, double seconds) {
  const double wanted = sample(chunk, at, static_cast<std::size_t>(gripper_column_));
  const double reach = gripper_velocity_ * seconds;
  gripper_ = std::clamp(gripper_ + std::clamp(wanted - gripper_, -reach, reach), std::min(gripper_lower_, gripper_),
                        std::max(gripper_upper_, gripper_));
}

void Reference::stop(double seconds) {
  offset_.fill(0.0);  // no chunk: nothing to be off from
  offset_velocity_.fill(0.0);
  double needed = 0.0;  // time in which the joint that takes longest can stand
  for (std::size_t i = 0; i < joints(); ++i) needed = std::max(needed, std::abs(velocity_[i]) / max_acceleration_[i]);
  if (needed == 0.0) return;
  // All joints slow down in the same proportion: the path keeps its direction.
  const double moving = std::min(seconds, needed);
  const double left = seconds >= needed ? 0.0 : 1.0 - seconds / needed;
  for (std::size_t i = 0; i < joints(); ++i) {
    const double target = position_[i] + 0.5 * velocity_[i] * (1.0 + left) * moving;
    const double limited = std::clamp(target, std::min(lower_[i], position_[i]), std::max(upper_[i], position_[i]));
    velocity_[i] = limited == target ? velocity_[i] * left : 0.0;
    position_[i] = limited;
  }
}

bool Reference::standing() const {
  return std::all_of(velocity_.begin(), velocity_.begin() + static_cast<std::ptrdiff_t>(joints()),
                     [](double velocity) { return velocity == 0.0; });
}

void Reference::row(double* values) const {
  for (std::size_t i = 0; i < joints(); ++i) values[joint_column_[i]] = position_[i];
  if (gripper_column_ >= 0) values[gripper_column_] = gripper_;
}

}  // namespace bc
