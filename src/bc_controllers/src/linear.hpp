// Matrices of the controlled joints: their greatest size is fixed, so that none of them touches the heap.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>

#include "bc_controllers/config.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

constexpr int kMost = static_cast<int>(kMaxJoints);
using Joints = Eigen::Matrix<double, Eigen::Dynamic, 1, 0, kMost, 1>;
using JointMatrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, 0, kMost, kMost>;
using Jacobian = Eigen::Matrix<double, 6, Eigen::Dynamic, 0, 6, kMost>;
using Task = Eigen::Matrix<double, 6, 1>;
using TaskMatrix = Eigen::Matrix<double, 6, 6>;

inline Eigen::Map<const Eigen::VectorXd> as_joints(const JointVector& values, std::size_t joints) {
  return {values.data(), static_cast<Eigen::Index>(joints)};
}
inline Eigen::Map<Eigen::VectorXd> as_joints(JointVector& values, std::size_t joints) {
  return {values.data(), static_cast<Eigen::Index>(joints)};
}
inline Eigen::Map<const Task> as_task(const Vector6& values) {
  return Eigen::Map<const Task>(values.data());
}

// Pose and Jacobian of the tool centre point in the base frame; rows of the Jacobian: linear, then angular velocity.
struct Kinematics {
  Pose pose;
  Jacobian jacobian;
};

// J J^T, damped the more the nearer the robot is to a singular pose (Nakamura and Hanafusa, "Inverse Kinematic
// Solutions With Singularity Robustness", J. Dyn. Sys. 1986; the measure is Yoshikawa's manipulability), factorised.
class DampedTask {
 public:
  DampedTask(const Jacobian& jacobian, const KinematicsConfig& config) {
    TaskMatrix square = jacobian * jacobian.transpose();
    factor_.compute(square + kRounding * TaskMatrix::Identity());
    const double manipulability = factor_.matrixL().toDenseMatrix().diagonal().prod();  // sqrt(det(J J^T))
    const double near = 1.0 - std::min(1.0, manipulability / config.manipulability);
    if (near <= 0.0) return;
    square.diagonal().array() += config.damping * config.damping * near * near;
    factor_.compute(square);
  }
  // (J J^T + damping)^-1 times a task vector.
  Task solve(const Task& task) const { return factor_.solve(task); }

 private:
  static constexpr double kRounding = 1e-9;
  Eigen::LLT<TaskMatrix> factor_;
};

}  // namespace bc
