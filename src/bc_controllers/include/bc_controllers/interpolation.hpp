// The curve through a chunk's rows: continuous in velocity, and exact at the rows (docs/protocol.md, "Between the
// rows").
#pragma once

#include <cstdint>

#include "bc_controllers/chunk.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

// A place between two rows: `fraction` of the way from row `low` to the next one.
struct Place {
  std::uint32_t low = 0;
  double fraction = 0.0;
};

// The place of a time in a chunk; held at its first and last row outside it.
Place place(const Chunk& chunk, std::int64_t time_ns);

struct Point {
  double value = 0.0;
  double rate = 0.0;          // [1/s]
  double acceleration = 0.0;  // [1/s^2]
};
// Cubic Hermite interpolation of one column.
Point sample(const Chunk& chunk, const Place& place, std::size_t column);
// Linear interpolation of one column: grippers.
double sample_linear(const Chunk& chunk, const Place& place, std::size_t column);

struct PosePoint {
  Pose pose;
  Twist twist;
};
// The pose whose first column is given: position as above, rotation as a cumulative Bezier curve on SO(3) (Kim, Kim and
// Shin, "A General Construction Scheme for Unit Quaternion Curves with Simple High Order Derivatives", SIGGRAPH 1995).
PosePoint sample_pose(const Chunk& chunk, const Place& place, std::size_t column);

// Where a chunk goes on in rows of the one before, the rates there stay what they were: at the ends of the running
// interval, as far as the rows are the same to the bit. With both the same, the reference does not notice the change.
void join(Chunk& next, const Chunk& old, const Place& place, const Columns& columns);

}  // namespace bc
