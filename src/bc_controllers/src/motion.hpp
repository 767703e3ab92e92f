// One step of a reference that may not follow its curve as fast as it asks.
#pragma once

#include <algorithm>
#include <cmath>

#include "bc_controllers/fade.hpp"
#include "bc_controllers/interpolation.hpp"
#include "rotation.hpp"

namespace bc {

constexpr double kNilRotation = 1e-12;   // [rad]: below it two rotations are the same but for rounding
constexpr double kLimitRounding = 1e-6;  // share by which a limit may be met

inline Vector3 to_array(const Vec3& value) {
  return {value.x(), value.y(), value.z()};
}

struct Excess {
  bool velocity = false;
  bool acceleration = false;
  bool any() const { return velocity || acceleration; }
};

// Whether a step, a rate and its change since the last period (norms) are above the limits.
inline Excess exceeds(const MotionLimits& limits, double step, double rate, double change, double seconds) {
  const double most = limits.velocity * (1.0 + kLimitRounding);
  const double bend = limits.peak_acceleration * (1.0 + kLimitRounding);
  if (seconds <= 0.0) return {rate > most, false};
  return {rate > most || step > most * seconds, change > bend * seconds};
}

// Speed towards zero from a distance such that deceleration never exceeds `acceleration` (half of it, as the goal
// moves), and reaches zero in the end.
inline double approach_speed(double distance, double acceleration, double seconds) {
  return std::min(std::sqrt(acceleration * distance), distance / std::max(10.0 * seconds, 1e-9));
}

// The velocity nearest to what catches up with a curve that is `error` away and moves at `curve`, which the limits
// allow after `now`.
template <std::size_t N>
std::array<double, N> limited_velocity(const std::array<double, N>& now, const std::array<double, N>& curve,
                                       const std::array<double, N>& error, const MotionLimits& limits, double seconds) {
  std::array<double, N> wanted = curve;
  const double fastest = limits.velocity;
  const auto shorten = [](std::array<double, N>& vector, double most) {
    const double size = norm(vector);
    if (size > most) {
      for (double& value : vector) value *= most / size;
    }
  };
  shorten(wanted, fastest);
  const double distance = norm(error);
  const double speed = approach_speed(distance, limits.acceleration, seconds);
  for (std::size_t i = 0; i < N; ++i) wanted[i] += distance > 0.0 ? error[i] / distance * speed : 0.0;
  shorten(wanted, fastest);
  for (std::size_t i = 0; i < N; ++i) wanted[i] -= now[i];
  shorten(wanted, limits.peak_acceleration * seconds);
  for (std::size_t i = 0; i < N; ++i) wanted[i] += now[i];
  return wanted;
}

// Makes the offset such that a rotation and an angular velocity go on where the curve's are `point`.
inline void restart_rotation(Fade<3>& offset, const Quat& rotation, const Vec3& velocity, const PosePoint& point,
                             double window, const MotionLimits& limits) {
  const Quat turned = rotation * as_rotation(point.pose).conjugate();
  const Vec3 vector = rotation_log(turned);
  const Vec3 rate = rotation_rate(vector, velocity - rotation_exp(vector) * as_vector(point.twist.angular));
  offset.start(to_array(vector), to_array(rate), window, limits);
}

}  // namespace bc
