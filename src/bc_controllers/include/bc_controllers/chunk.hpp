// Action chunks: as they come in (WireChunk), and as the control loop holds them (Chunk).
#pragma once

#include <array>
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

// Which columns of a row are what.
struct Columns {
  explicit Columns(const ControllerConfig& config);
  std::vector<std::size_t> joints;
  int pose = -1;  // first of seven
  int gripper = -1;
};

// Rates at two neighbouring rows that a chunk took over from the one before it.
struct Join {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::array<std::uint32_t, 2> row{kNone, kNone};
  std::array<RowVector, 2> rate{};  // [1/s]; of a pose: columns 0-2 linear, 3-5 angular in its own axes
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
  Join joined;
  std::vector<double> rows;  // kMaxRows * width values

  Chunk() = default;
  explicit Chunk(std::size_t columns) : width(static_cast<std::uint32_t>(columns)), rows(kMaxRows * columns, 0.0) {}

  std::int64_t end_ns() const { return stamp_ns + static_cast<std::int64_t>(horizon - 1) * dt_ns; }
  double seconds() const { return static_cast<double>(dt_ns) * 1e-9; }  // between rows
  double at(std::size_t row, std::size_t column) const { return rows[row * width + column]; }
  // Row, with fraction, that belongs to a time.
  double row(std::int64_t time_ns) const {
    return static_cast<double>(time_ns - stamp_ns) / static_cast<double>(dt_ns);
  }
};

// Checks that need no state, in the protocol's order (OVERFLOW, SIZE, LAYOUT, TIMING, NOT_FINITE), the copy into
// preallocated storage and the clamping to limits: all that the control loop need not do. One per robot.
class Intake {
 public:
  explicit Intake(const ControllerConfig& config);
  void convert(Source source, const WireChunk& wire, Chunk& chunk) const;
  std::size_t width() const { return lower_.size(); }

 private:
  void align(Chunk& chunk) const;

  std::vector<WireGroup> layout_;
  int pose_ = -1;              // first column of the pose
  std::vector<double> lower_;  // per column
  std::vector<double> upper_;
};

}  // namespace bc
