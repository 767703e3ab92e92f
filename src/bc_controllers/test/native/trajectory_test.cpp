// Trajectories of planners: what is sampled between points, and what is refused. Exit code 0, or the failures on
// stderr.
#include "bc_controllers/trajectory.hpp"

#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <string>

namespace {

int failures = 0;

void expect(bool condition, const std::string& what) {
  if (condition) return;
  ++failures;
  std::fprintf(stderr, "failed: %s\n", what.c_str());
}

void expect_refused(const std::vector<bc::TrajectoryPoint>& points, const std::string& text) {
  try {
    bc::JointTrajectory(points, 1);
    expect(false, "not refused: " + text);
  } catch (const bc::TrajectoryError& error) {
    expect(std::string(error.what()).find(text) != std::string::npos, std::string(error.what()) + " names " + text);
  }
}

// A polynomial and what points of it tell; a Hermite interpolant of its degree gives it back exactly.
double polynomial(double t, int degree) {
  const double coefficients[] = {0.3, -0.7, 1.1, 0.5, -0.4, 0.2};
  double value = 0.0;
  for (int i = degree; i >= 0; --i) value = value * t + coefficients[i];
  return value;
}

double derivative(const std::function<double(double)>& f, double t) {
  constexpr double h = 1e-5;
  return (f(t + h) - f(t - h)) / (2.0 * h);
}

void expect_exact(int degree, bool velocities, bool accelerations) {
  const auto x = [degree](double t) { return polynomial(t, degree); };
  const auto v = [&x](double t) { return derivative(x, t); };
  std::vector<bc::TrajectoryPoint> points;
  for (const double t : {0.0, 0.4, 1.5}) {
    bc::TrajectoryPoint point{t, {x(t)}, {}, {}};
    if (velocities) point.velocity = {v(t)};
    if (accelerations) point.acceleration = {derivative(v, t)};
    points.push_back(point);
  }
  const bc::JointTrajectory trajectory(points, 1);
  for (double t = 0.0; t <= 1.5; t += 0.05) {
    double value = 0.0;
    trajectory.sample(t, &value);
    expect(std::abs(value - x(t)) < 1e-4, "degree " + std::to_string(degree) + " at " + std::to_string(t));
  }
}

}  // namespace

int main() {
  expect_exact(1, false, false);
  expect_exact(3, true, false);
  expect_exact(5, true, true);

  const bc::JointTrajectory late({{0.5, {1.0}, {}, {}}, {1.0, {2.0}, {}, {}}}, 1);
  double value = 0.0;
  late.sample(0.1, &value);
  expect(value == 1.0, "before the first point: its position");
  late.sample(7.0, &value);
  expect(value == 2.0, "after the last point: its position");
  expect(late.duration() == 1.0, "the last point's time is the duration");

  const double nan = std::numeric_limits<double>::quiet_NaN();
  expect_refused({}, "no points");
  expect_refused({{0.0, {1.0, 2.0}, {}, {}}}, "point 0 has 2 positions for 1 joints");
  expect_refused({{0.0, {nan}, {}, {}}}, "not finite");
  expect_refused({{0.0, {1.0}, {1.0, 2.0}, {}}}, "velocities");
  expect_refused({{0.0, {1.0}, {}, {}}, {0.0, {1.0}, {}, {}}}, "point 1 lies at 0");
  expect_refused({{-0.1, {1.0}, {}, {}}}, "point 0 lies at -0.1");
  expect_refused({{nan, {1.0}, {}, {}}}, "point 0 lies at");
  if (failures == 0) std::printf("trajectories: all as expected\n");
  return failures == 0 ? 0 : 1;
}
