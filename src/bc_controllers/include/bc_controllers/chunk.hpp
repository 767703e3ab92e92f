// Action chunks: as they come in (WireChunk), and as the control loop holds them (Chunk).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bc_controllers/config.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

struct WireGroup {
  std::string name;
  std::int64_t space = 0;
  std::vector<std::string> names;
  std::string tip;
  std::string frame_id;
  std::int64_t offset = 0;
  std::int64_t width = 0;
};

// bc_msgs/ActionChunk: nothing about it is trusted.
struct WireChunk {
  std::int64_t stamp_ns = 0;
  std::int64_t dt_ns = 0;
  std::int64_t horizon = 0;
  std::string producer;
  std::uint64_t producer_id = 0;
  std::uint64_t sequence = 0;
  std::uint64_t mode_epoch = 0;
  std::vector<WireGroup> groups;
  std::vector<double> actions;
  std::int64_t frozen = 0;
  bool release = false;
};

// A chunk in storage that is made once. When `fault` is not kNone only the fields that name it are valid.
struct Chunk {
  std::int64_t stamp_ns = 0;
  std::int64_t dt_ns = 1;
  std::uint32_t horizon = 0;
  std::uint32_t width = 0;
  FixedString<64> producer;
  std::uint64_t producer_id = 0;
  std::uint64_t sequence = 0;
  std::uint64_t mode_epoch = 0;
  bool release = false;
  Source source = Source::kPolicy;
  std::uint32_t clamped = 0;
  Reason fault = Reason::kNone;
  FixedString<192> fault_text;
  std::vector<double> rows;  // kMaxRows * width values

  Chunk() = default;
  explicit Chunk(std::size_t columns) : width(static_cast<std::uint32_t>(columns)), rows(kMaxRows * columns, 0.0) {}

  std::int64_t end_ns() const { return stamp_ns + static_cast<std::int64_t>(horizon - 1) * dt_ns; }
  // Row, with fraction, that belongs to a time.
  double row(std::int64_t time_ns) const {
    return static_cast<double>(time_ns - stamp_ns) / static_cast<double>(dt_ns);
  }
};

// A place between two rows: value = (1 - fraction) row[low] + fraction row[low + 1].
struct Place {
  std::uint32_t low = 0;
  double fraction = 0.0;
};

// The place of a time in a chunk; held at its first and last row outside it.
Place place(const Chunk& chunk, std::int64_t time_ns);
// Linear interpolation of one column.
double sample(const Chunk& chunk, const Place& place, std::size_t column);
// Its derivative to the right of the place (to the left at the last row) [1/s].
double slope(const Chunk& chunk, const Place& place, std::size_t column);

// Checks that need no state, in the protocol's order (OVERFLOW, SIZE, LAYOUT, TIMING, NOT_FINITE), the copy into
// preallocated storage and the clamping to limits: all that the control loop need not do. One per robot.
class Intake {
 public:
  explicit Intake(const ControllerConfig& config);
  void convert(Source source, const WireChunk& wire, Chunk& chunk) const;
  std::size_t width() const { return lower_.size(); }

 private:
  std::vector<WireGroup> layout_;
  std::vector<double> lower_;  // per column
  std::vector<double> upper_;
};

}  // namespace bc
