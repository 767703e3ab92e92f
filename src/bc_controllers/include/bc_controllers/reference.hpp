// The reference that the output follows: sampled from chunks, and continuous in velocity whatever they do.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bc_controllers/chunk.hpp"
#include "bc_controllers/config.hpp"
#include "bc_controllers/fade.hpp"
#include "bc_controllers/interpolation.hpp"

namespace bc {

struct Jump {
  double joints = 0.0;    // norm [rad]
  double position = 0.0;  // of the pose [m]
  double rotation = 0.0;  // of the pose [rad]
  double gripper = 0.0;   // magnitude [m]
};

// While a chunk is followed the reference is the curve through its rows plus an offset. The offset is nil in normal
// running, so that the rows are met exactly; a change of chunk puts the raw jump and the difference of rates into it,
// and it fades within `blend_time`, longer where the limits of velocity and acceleration ask for it. Rows that ask for
// more than those limits are followed as fast as they allow. Without a chunk the reference decelerates along its path
// and stands. A layout of joints has a position, one with a pose has a pose.
class Reference {
 public:
  explicit Reference(const ControllerConfig& config);

  // Stands at a place, at once: joint positions, or the seven values of a pose. For the start and for a robot that was
  // put elsewhere.
  void reset(const double* place, double gripper);

  // The next chunk takes over at a time, `seconds` after the last move: `old` is the chunk followed until then, or
  // null. Returns the raw jump at that time.
  Jump change(const Chunk* old, Chunk& next, std::int64_t time_ns, double seconds);
  // Moves to the value of a chunk at a time, `seconds` after the last move.
  void follow(const Chunk& chunk, std::int64_t time_ns, double seconds);
  // Decelerates for some seconds.
  void stop(double seconds);

  bool standing() const;
  bool velocity_limited() const { return velocity_limited_; }  // in the last follow()
  bool acceleration_limited() const { return acceleration_limited_; }
  bool has_pose() const { return columns_.pose >= 0; }
  std::size_t joints() const { return columns_.joints.size(); }
  const JointVector& position() const { return position_; }
  const JointVector& velocity() const { return velocity_; }
  const JointVector& acceleration() const { return acceleration_; }
  const Pose& pose() const { return pose_; }
  const Twist& twist() const { return twist_; }
  double gripper() const { return gripper_; }
  // All columns in the order of a row.
  void row(double* values) const;

 private:
  double change_joints(const Chunk* old, const Place& here, const Chunk& next, const Place& there, double seconds);
  void change_pose(const Chunk* old, const Place& here, const Chunk& next, const Place& there, double seconds,
                   Jump& jump);
  void follow_joint(std::size_t joint, const Point& point, double seconds);
  void follow_pose(const PosePoint& point, double seconds);
  bool keep_in_box(const Vector3& before);
  void follow_translation(const PosePoint& point, double seconds);
  void follow_rotation(const PosePoint& point, double seconds);
  void follow_gripper(const Chunk& chunk, const Place& place, double seconds);
  void stop_joints(double seconds);
  void stop_pose(double seconds);

  Columns columns_;
  JointVector lower_{}, upper_{};
  std::array<MotionLimits, kMaxJoints> joint_limits_{};
  MotionLimits linear_limits_, angular_limits_;
  Vector3 box_lower_{}, box_upper_{};
  double gripper_lower_, gripper_upper_, gripper_velocity_, blend_time_;

  JointVector position_{}, velocity_{}, acceleration_{};
  std::array<Fade<1>, kMaxJoints> joint_offset_;
  Pose pose_;
  Twist twist_;
  Fade<3> position_offset_, rotation_offset_;  // the latter a rotation vector in the base frame
  double gripper_ = 0.0;
  bool velocity_limited_ = false, acceleration_limited_ = false;
};

}  // namespace bc
