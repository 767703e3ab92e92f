#include "bc_controllers/trajectory.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace bc {

namespace {

void check_values(const char* what, const std::vector<double>& values, std::size_t joints, const std::string& point) {
  if (values.size() != joints) {
    throw TrajectoryError(point + " has " + std::to_string(values.size()) + " " + what + " for " +
                          std::to_string(joints) + " joints: give one per joint");
  }
  for (const double value : values) {
    if (!std::isfinite(value)) throw TrajectoryError(point + " has " + what + " that are not finite: plan again");
  }
}

void check(const std::vector<TrajectoryPoint>& points, std::size_t joints) {
  if (points.empty()) throw TrajectoryError("the trajectory has no points: give one at least");
  double before = -1.0;
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::string name = "point " + std::to_string(i);
    const TrajectoryPoint& point = points[i];
    if (!std::isfinite(point.time) || point.time < 0.0 || point.time <= before) {
      throw TrajectoryError(name + " lies at " + std::to_string(point.time) +
                            " s: times start at zero or later, and increase");
    }
    before = point.time;
    check_values("positions", point.position, joints, name);
    if (!point.velocity.empty()) check_values("velocities", point.velocity, joints, name);
    if (!point.acceleration.empty()) check_values("accelerations", point.acceleration, joints, name);
  }
}

double cubic(double u, double span, double x0, double v0, double x1, double v1) {
  const double left = 1.0 - u;
  return left * left * ((1.0 + 2.0 * u) * x0 + u * span * v0) + u * u * ((1.0 + 2.0 * left) * x1 - left * span * v1);
}

// Coefficients of Hermite's quintic by its six conditions at u = 0 and u = 1.
double quintic(double u, double span, double x0, double v0, double a0, double x1, double v1, double a1) {
  const double c1 = span * v0, c2 = 0.5 * span * span * a0;
  const double dx = x1 - x0 - c1 - c2, dv = span * v1 - c1 - 2.0 * c2, da = span * span * a1 - 2.0 * c2;
  const double c3 = 10.0 * dx - 4.0 * dv + 0.5 * da;
  const double c4 = -15.0 * dx + 7.0 * dv - da;
  const double c5 = 6.0 * dx - 3.0 * dv + 0.5 * da;
  return x0 + u * (c1 + u * (c2 + u * (c3 + u * (c4 + u * c5))));
}

}  // namespace

JointTrajectory::JointTrajectory(std::vector<TrajectoryPoint> points, std::size_t joints)
    : points_(std::move(points)), joints_(joints) {
  check(points_, joints_);
}

void JointTrajectory::sample(double time, double* position) const {
  const auto next = std::upper_bound(points_.begin(), points_.end(), time,
                                     [](double value, const TrajectoryPoint& point) { return value < point.time; });
  if (next == points_.begin() || next == points_.end()) {
    const std::vector<double>& end = next == points_.begin() ? points_.front().position : points_.back().position;
    std::copy(end.begin(), end.end(), position);
    return;
  }
  const TrajectoryPoint &from = *(next - 1), &to = *next;
  const double span = to.time - from.time, u = (time - from.time) / span;
  const bool velocities = !from.velocity.empty() && !to.velocity.empty();
  const bool accelerations = velocities && !from.acceleration.empty() && !to.acceleration.empty();
  for (std::size_t i = 0; i < joints_; ++i) {
    const double x0 = from.position[i], x1 = to.position[i];
    if (accelerations) {
      position[i] =
          quintic(u, span, x0, from.velocity[i], from.acceleration[i], x1, to.velocity[i], to.acceleration[i]);
    } else if (velocities) {
      position[i] = cubic(u, span, x0, from.velocity[i], x1, to.velocity[i]);
    } else {
      position[i] = x0 + u * (x1 - x0);
    }
  }
}

}  // namespace bc
