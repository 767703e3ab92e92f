// A joint trajectory as motion planners give it (trajectory_msgs/JointTrajectory), sampled in time.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <vector>

namespace bc {

// A trajectory that is refused: the message names point, value and remedy.
class TrajectoryError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct TrajectoryPoint {
  double time = 0.0;                                     // from the start [s]
  std::vector<double> position, velocity, acceleration;  // [rad], [rad/s], [rad/s^2]; the last two may be empty
};

// Between two points: the straight line, the cubic through both velocities, or the quintic through both accelerations
// too, whatever both points tell.
class JointTrajectory {
 public:
  // TrajectoryError for no point, sizes that differ, values that are not finite, times that do not increase or are
  // negative.
  JointTrajectory(std::vector<TrajectoryPoint> points, std::size_t joints);

  double duration() const { return points_.back().time; }
  const std::vector<TrajectoryPoint>& points() const { return points_; }
  // Joint positions at a time; before the first and after the last point, theirs.
  void sample(double time, double* position) const;

 private:
  std::vector<TrajectoryPoint> points_;
  std::size_t joints_;
};

}  // namespace bc
