// Unit quaternions and rotation vectors (Sola, Deray and Atchuthan, "A micro Lie theory", arXiv 1812.01537, appendix
// B).
#pragma once

#include <Eigen/Geometry>
#include <cmath>

#include "bc_controllers/types.hpp"

namespace bc {

using Vec3 = Eigen::Vector3d;
using Quat = Eigen::Quaterniond;

inline Eigen::Map<const Vec3> as_vector(const Vector3& value) {
  return Eigen::Map<const Vec3>(value.data());
}
inline Eigen::Map<Vec3> as_vector(Vector3& value) {
  return Eigen::Map<Vec3>(value.data());
}
inline Eigen::Map<const Quat> as_rotation(const Pose& pose) {
  return Eigen::Map<const Quat>(pose.rotation.data());
}
inline Eigen::Map<Quat> as_rotation(Pose& pose) {
  return Eigen::Map<Quat>(pose.rotation.data());
}

// Eq. 133: from a rotation vector [rad].
inline Quat rotation_exp(const Vec3& vector) {
  const double angle = vector.norm();
  const double half = 0.5 * angle;
  const double share = angle < 1e-6 ? 0.5 - angle * angle / 48.0 : std::sin(half) / angle;
  return Quat(std::cos(half), share * vector.x(), share * vector.y(), share * vector.z());
}

// Its inverse, of the shorter arc: the quaternion's sign does not matter.
inline Vec3 rotation_log(const Quat& rotation) {
  const double sine = rotation.vec().norm();
  const double cosine = std::abs(rotation.w());
  const double share = sine < 1e-8 ? 2.0 : 2.0 * std::atan2(sine, cosine) / sine;
  return (rotation.w() < 0.0 ? -share : share) * rotation.vec();
}

// Eq. 146: the inverse of the left Jacobian, which turns an angular velocity into the rate of a rotation vector.
inline Vec3 rotation_rate(const Vec3& vector, const Vec3& angular) {
  const double angle = vector.norm();
  const double share =
      angle < 1e-4 ? 1.0 / 12.0 : 1.0 / (angle * angle) - (1.0 + std::cos(angle)) / (2.0 * angle * std::sin(angle));
  return angular - 0.5 * vector.cross(angular) + share * vector.cross(vector.cross(angular));
}

// Eq. 145: the left Jacobian, from the rate of a rotation vector to the angular velocity.
inline Vec3 angular_velocity(const Vec3& vector, const Vec3& rate) {
  const double angle = vector.norm();
  if (angle < 1e-6) return rate + 0.5 * vector.cross(rate);
  const double first = (1.0 - std::cos(angle)) / (angle * angle);
  const double second = (angle - std::sin(angle)) / (angle * angle * angle);
  return rate + first * vector.cross(rate) + second * vector.cross(vector.cross(rate));
}

}  // namespace bc
