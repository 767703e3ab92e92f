// The reference that the output follows: sampled from chunks, and continuous whatever they do.
#pragma once

#include <cstdint>
#include <vector>

#include "bc_controllers/chunk.hpp"
#include "bc_controllers/config.hpp"

namespace bc {

struct Jump {
  double joints = 0.0;   // norm [rad]
  double gripper = 0.0;  // magnitude [m]
};

// While a chunk is followed the reference is its interpolated row plus an offset. The offset is nil in normal running,
// so that the rows are met exactly; a change of chunk puts the raw jump into it, and it fades within the limits of
// velocity and acceleration. Without a chunk the reference decelerates along its path and stands.
class Reference {
 public:
  explicit Reference(const ControllerConfig& config);

  // Stands at a position, at once. For the start and for a robot that was put elsewhere.
  void reset(const double* position, double gripper);

  // The next chunk takes over at a time: `old` is the chunk followed until then, or null. Returns the raw jump.
  Jump change(const Chunk* old, const Chunk& next, std::int64_t time_ns);
  // Moves to the value of a chunk at a time, `seconds` after the last move.
  void follow(const Chunk& chunk, std::int64_t time_ns, double seconds);
  // Decelerates for some seconds.
  void stop(double seconds);

  bool standing() const;
  bool velocity_limited() const { return velocity_limited_; }  // in the last follow()
  std::size_t joints() const { return joint_column_.size(); }
  const JointVector& position() const { return position_; }
  const JointVector& velocity() const { return velocity_; }
  double gripper() const { return gripper_; }
  // All columns in the order of a row.
  void row(double* values) const;

 private:
  void fade(std::size_t joint, double seconds);
  void follow_gripper(const Chunk& chunk, const Place& place, double seconds);

  std::vector<std::size_t> joint_column_;  // column of each joint
  int gripper_column_ = -1;
  JointVector lower_{}, upper_{}, max_velocity_{}, max_acceleration_{};
  double gripper_lower_, gripper_upper_, gripper_velocity_, blend_rate_;

  JointVector position_{}, velocity_{};
  JointVector offset_{}, offset_velocity_{};
  double gripper_ = 0.0;
  bool velocity_limited_ = false;
};

}  // namespace bc
