#include "bc_controllers/cartesian_impedance.hpp"

#include <algorithm>
#include <cmath>

#include "linear.hpp"
#include "rotation.hpp"

namespace bc {

namespace {

constexpr double kLeastMobility = 0.02;  // [1/kg], [1/(kg m^2)]: in singular directions the felt mass has no bound

// Shortens a vector to a length; whether it was longer.
bool shorten(Vec3& vector, double most) {
  const double length = vector.norm();
  if (length <= most) return false;
  vector *= most / length;
  return true;
}

// Columns: the axes along which stiffness is given.
TaskMatrix axes(const Setpoint& setpoint, bool tool) {
  TaskMatrix turn = TaskMatrix::Identity();
  if (tool) {
    const Eigen::Matrix3d rotation = as_rotation(setpoint.pose).toRotationMatrix();
    turn.topLeftCorner<3, 3>() = rotation;
    turn.bottomRightCorner<3, 3>() = rotation;
  }
  return turn;
}

}  // namespace

CartesianImpedance::CartesianImpedance(const ControllerConfig& config, RobotModel& model)
    : model_(model),
      joints_(config.joint_names().size()),
      tool_axes_(config.cartesian.stiffness_frame == "tool"),
      dynamic_(config.cartesian.projector == "dynamic"),
      shaping_(config.cartesian.inertia_shaping),
      translation_error_(config.cartesian.translation_error),
      rotation_error_(config.cartesian.rotation_error),
      kinematics_(config.kinematics) {
  std::copy(config.cartesian.shaped_inertia.begin(), config.cartesian.shaped_inertia.end(), shaped_inertia_.begin());
  std::copy(config.cartesian.least_damping.begin(), config.cartesian.least_damping.end(), least_damping_.begin());
}

bool CartesianImpedance::torque(const Measurement& measured, const Setpoint& setpoint, const Settings& settings,
                                double share, JointVector& torque) {
  const auto n = static_cast<Eigen::Index>(joints_);
  Kinematics tool;
  model_.kinematics(measured.position.data(), tool);
  const Jacobian& jacobian = tool.jacobian;
  JointMatrix mass(n, n);
  model_.mass_matrix(measured.position.data(), mass.data());
  const Eigen::LLT<JointMatrix> mass_factor(mass);
  const Eigen::Matrix<double, Eigen::Dynamic, 6, 0, kMost, 6> moved = mass_factor.solve(jacobian.transpose());
  const TaskMatrix mobility = jacobian * moved;  // J M^-1 J^T: acceleration of the tool per force

  Vec3 translation = as_vector(setpoint.pose.position) - as_vector(tool.pose.position);
  Vec3 rotation = rotation_log(as_rotation(setpoint.pose) * as_rotation(tool.pose).conjugate());
  bool clipped = shorten(translation, translation_error_);
  clipped |= shorten(rotation, rotation_error_);

  const TaskMatrix turn = axes(setpoint, tool_axes_);
  Task error;
  error << translation, rotation;
  const auto velocity = as_joints(measured.velocity, joints_);
  Task slip = -(jacobian * velocity);
  slip.head<3>() += as_vector(setpoint.twist.linear);
  slip.tail<3>() += as_vector(setpoint.twist.angular);

  const Task stiffness = share * as_task(settings.gains.cartesian_stiffness);
  const TaskMatrix along = turn.transpose() * mobility * turn;
  Task felt = along.diagonal().cwiseMax(kLeastMobility).cwiseInverse();
  if (shaping_) felt = as_task(shaped_inertia_);
  // By the ratio, and never less than the least: an axis without stiffness would have none.
  const Task damping =
      (2.0 * as_task(settings.gains.cartesian_damping_ratio).cwiseProduct(stiffness.cwiseProduct(felt).cwiseSqrt()))
          .cwiseMax(std::sqrt(share) * as_task(least_damping_));
  Task force = turn * stiffness.cwiseProduct(turn.transpose() * error);
  // The moment is the gradient of the rotational spring's energy, so that it stores what it is given and no more.
  force.tail<3>() = rotation_rate(rotation, force.tail<3>());
  force += turn * damping.cwiseProduct(turn.transpose() * slip);

  const DampedTask damped(jacobian, kinematics_);
  TaskMatrix bounded = mobility;
  bounded.diagonal().array() += 1e-3;
  const Eigen::LLT<TaskMatrix> inertia(bounded);  // its inverse is the operational-space inertia
  if (shaping_) force = inertia.solve(turn * (turn.transpose() * force).cwiseQuotient(felt));
  force += as_task(settings.wrench);

  // Posture, with what of it would move the tool taken out.
  Joints posture(n);
  const double posture_damping = 2.0 * settings.gains.nullspace_damping_ratio;
  for (Eigen::Index i = 0; i < n; ++i) {
    const auto j = static_cast<std::size_t>(i);
    const double k = share * settings.gains.nullspace_stiffness[j];
    posture[i] = k * (setpoint.position[j] - measured.position[j]) +
                 posture_damping * std::sqrt(k * mass(i, i)) * (setpoint.velocity[j] - measured.velocity[j]);
  }
  Task felt_of_posture;
  if (dynamic_) {
    felt_of_posture = inertia.solve(moved.transpose() * posture);  // Jbar^T tau
  } else {
    felt_of_posture = damped.solve(jacobian * posture);  // (J^+)^T tau
  }
  as_joints(torque, joints_).noalias() = posture + jacobian.transpose() * (force - felt_of_posture);
  return clipped;
}

}  // namespace bc
