#include "bc_controllers/chunk.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bc {

Columns::Columns(const ControllerConfig& config) {
  std::size_t column = 0;
  for (const GroupLayout& group : config.groups) {
    if (group.space == Space::kCartesianPose) pose = static_cast<int>(column);
    if (group.space == Space::kGripper) gripper = static_cast<int>(column);
    for (std::size_t i = 0; i < group.width(); ++i, ++column) {
      if (group.space == Space::kJointPosition) joints.push_back(column);
    }
  }
}

namespace {

std::int64_t claimed_width(const WireChunk& wire) {
  std::int64_t columns = 0;
  for (const WireGroup& group : wire.groups) columns += std::clamp<std::int64_t>(group.width, 0, kMaxColumns + 1);
  return columns;
}

std::string check_capacity(const WireChunk& wire, std::int64_t columns) {
  if (wire.horizon <= static_cast<std::int64_t>(kMaxRows) && columns <= static_cast<std::int64_t>(kMaxColumns))
    return "";
  return std::to_string(wire.horizon) + " rows of " + std::to_string(columns) + " columns: send " +
         std::to_string(kMaxRows) + " rows of " + std::to_string(kMaxColumns) + " columns at most";
}

std::string check_timing(const WireChunk& wire) {
  if (wire.dt_ns >= kMinDt && wire.dt_ns <= kMaxDt) return "";
  return "dt is " + std::to_string(wire.dt_ns) + " ns: send rows that are 1 ms to 1 s apart";
}

std::string check_size(Source source, const WireChunk& wire, std::int64_t columns) {
  const std::int64_t least = source == Source::kHuman ? kMinRowsHuman : kMinRows;
  if (wire.horizon < least) {
    return "horizon is " + std::to_string(wire.horizon) + ": a " + std::string(name_of(source)) + " sends " +
           std::to_string(least) + " rows at least";
  }
  if (static_cast<std::int64_t>(wire.actions.size()) != wire.horizon * columns) {
    return std::to_string(wire.actions.size()) + " actions for " + std::to_string(wire.horizon) + " rows of " +
           std::to_string(columns) + " columns: send horizon * columns values";
  }
  if (wire.frozen < 0 || wire.frozen > wire.horizon) {
    return "frozen is " + std::to_string(wire.frozen) + ": it counts repeated rows, send 0 to " +
           std::to_string(wire.horizon);
  }
  return "";
}

// Names come from the sender, and a fault's text has an end: what is to be done must not be cut off it.
std::string quoted(const std::string& name) {
  constexpr std::size_t kShown = 24;
  return "'" + (name.size() <= kShown ? name : name.substr(0, kShown - 2) + "..") + "'";
}

std::string check_layout(const WireChunk& wire, const std::vector<WireGroup>& layout) {
  const std::string remedy = ": send the `actions` of its contract";
  if (wire.groups.size() != layout.size()) {
    return std::to_string(wire.groups.size()) + " groups, but the robot has " + std::to_string(layout.size()) + remedy;
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const WireGroup& is = wire.groups[i];
    const WireGroup& should = layout[i];
    const std::string group = "group " + std::to_string(i) + ": ";
    if (is.name != should.name) {
      return group + "name is " + quoted(is.name) + ", the robot's " + quoted(should.name) + remedy;
    }
    if (is.space != should.space) {
      return group + "space is " + std::to_string(is.space) + ", the robot's " + std::to_string(should.space) + remedy;
    }
    if (is.offset != should.offset || is.width != should.width) {
      return group + "columns " + std::to_string(is.offset) + " + " + std::to_string(is.width) + ", the robot's " +
             std::to_string(should.offset) + " + " + std::to_string(should.width) + remedy;
    }
    if (is.tip != should.tip || is.frame_id != should.frame_id) {
      return group + "commands " + quoted(is.tip) + " in " + quoted(is.frame_id) + ", the robot " + quoted(should.tip) +
             " in " + quoted(should.frame_id) + remedy;
    }
    if (is.names.size() != should.names.size()) {
      return group + std::to_string(is.names.size()) + " names, the robot has " + std::to_string(should.names.size()) +
             remedy;
    }
    for (std::size_t j = 0; j < is.names.size(); ++j) {
      if (is.names[j] != should.names[j]) {
        return group + "column " + std::to_string(j) + " is " + quoted(is.names[j]) + ", the robot's " +
               quoted(should.names[j]) + ": send the robot's order";
      }
    }
  }
  return "";
}

std::string check_finite(const WireChunk& wire, std::int64_t columns) {
  for (std::size_t i = 0; i < wire.actions.size(); ++i) {
    if (!std::isfinite(wire.actions[i])) {
      return "row " + std::to_string(i / columns) + ", column " + std::to_string(i % columns) + " is " +
             std::to_string(wire.actions[i]) + ": send finite values";
    }
  }
  return "";
}

constexpr double kUnitTolerance = 0.01;

double quaternion_norm(const double* values) {
  return std::sqrt(values[0] * values[0] + values[1] * values[1] + values[2] * values[2] + values[3] * values[3]);
}

std::string check_rotations(const WireChunk& wire, std::int64_t columns, int pose) {
  for (std::int64_t row = 0; pose >= 0 && row < wire.horizon; ++row) {
    const double size = quaternion_norm(&wire.actions[static_cast<std::size_t>(row * columns + pose + 3)]);
    if (!(std::abs(size - 1.0) <= kUnitTolerance)) {
      return "the quaternion of row " + std::to_string(row) + " has norm " + std::to_string(size) +
             ": send unit quaternions, x y z w";
    }
  }
  return "";
}

}  // namespace

Intake::Intake(const ControllerConfig& config) {
  std::int64_t offset = 0;
  std::size_t joint = 0;
  for (const GroupLayout& group : config.groups) {
    const auto width = static_cast<std::int64_t>(group.width());
    layout_.push_back(
        {group.name, static_cast<std::int64_t>(group.space), group.names, group.tip, group.frame_id, offset, width});
    if (group.space == Space::kCartesianPose) {
      pose_ = static_cast<int>(offset);
      lower_.insert(lower_.end(), config.workspace.lower.begin(), config.workspace.lower.end());
      upper_.insert(upper_.end(), config.workspace.upper.begin(), config.workspace.upper.end());
      lower_.resize(lower_.size() + 4, -2.0);  // of a unit quaternion: never in the way
      upper_.resize(upper_.size() + 4, 2.0);
    }
    offset += width;
    for (std::size_t i = 0; i < group.names.size(); ++i) {
      const bool is_joint = group.space == Space::kJointPosition;
      lower_.push_back(is_joint ? config.position_lower[joint] : config.gripper_lower);
      upper_.push_back(is_joint ? config.position_upper[joint] : config.gripper_upper);
      joint += is_joint ? 1 : 0;
    }
  }
}

void Intake::convert(Source source, const WireChunk& wire, Chunk& chunk) const {
  chunk.source = source;
  chunk.stamp_ns = wire.stamp_ns;
  chunk.dt_ns = wire.dt_ns;
  chunk.producer = wire.producer;
  chunk.producer_id = wire.producer_id;
  chunk.sequence = wire.sequence;
  chunk.mode_epoch = wire.mode_epoch;
  chunk.release = wire.release;
  chunk.clamped = 0;
  chunk.joined.row.fill(Join::kNone);

  const std::int64_t columns = claimed_width(wire);
  chunk.fault = Reason::kNone;
  const auto fails = [&chunk](Reason reason, const std::string& fault) {
    if (fault.empty()) return false;
    chunk.fault = reason;
    chunk.fault_text = fault;
    return true;
  };
  if (fails(Reason::kOverflow, check_capacity(wire, columns)) ||
      fails(Reason::kSize, check_size(source, wire, columns)) || fails(Reason::kLayout, check_layout(wire, layout_)) ||
      fails(Reason::kTiming, check_timing(wire)) || fails(Reason::kNotFinite, check_finite(wire, columns)) ||
      fails(Reason::kNotFinite, check_rotations(wire, columns, pose_))) {
    return;
  }
  chunk.horizon = static_cast<std::uint32_t>(wire.horizon);
  for (std::size_t i = 0; i < wire.actions.size(); ++i) {
    const std::size_t column = i % lower_.size();
    const double value = std::clamp(wire.actions[i], lower_[column], upper_[column]);
    chunk.clamped += value != wire.actions[i] ? 1 : 0;
    chunk.rows[i] = value;
  }
  if (pose_ >= 0) align(chunk);
}

// Unit quaternions, each in the hemisphere of the one before.
void Intake::align(Chunk& chunk) const {
  const double* before = nullptr;
  for (std::size_t row = 0; row < chunk.horizon; ++row) {
    double* values = &chunk.rows[row * chunk.width + static_cast<std::size_t>(pose_) + 3];
    double scale = 1.0 / quaternion_norm(values);
    if (before != nullptr && std::inner_product(values, values + 4, before, 0.0) < 0.0) scale = -scale;
    for (std::size_t i = 0; i < 4; ++i) values[i] *= scale;
    before = values;
  }
}

}  // namespace bc
