#include "bc_controllers/chunk.hpp"

#include <algorithm>
#include <cmath>

namespace bc {

Place place(const Chunk& chunk, std::int64_t time_ns) {
  const std::int64_t elapsed = time_ns - chunk.stamp_ns;
  const std::int64_t last = static_cast<std::int64_t>(chunk.horizon) - 2;  // last row that has a next one
  if (elapsed <= 0) return {0, 0.0};
  const std::int64_t low = elapsed / chunk.dt_ns;
  if (low > last) return {static_cast<std::uint32_t>(last), 1.0};
  return {static_cast<std::uint32_t>(low),
          static_cast<double>(elapsed % chunk.dt_ns) / static_cast<double>(chunk.dt_ns)};
}

double sample(const Chunk& chunk, const Place& place, std::size_t column) {
  const double before = chunk.rows[place.low * chunk.width + column];
  const double after = chunk.rows[(place.low + 1) * chunk.width + column];
  if (place.fraction == 1.0) return after;  // exactly: frozen rows must repeat to the bit
  return before + place.fraction * (after - before);
}

double slope(const Chunk& chunk, const Place& place, std::size_t column) {
  const double before = chunk.rows[place.low * chunk.width + column];
  const double after = chunk.rows[(place.low + 1) * chunk.width + column];
  return (after - before) / (static_cast<double>(chunk.dt_ns) * 1e-9);
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
  return std::to_string(wire.horizon) + " rows of " + std::to_string(columns) +
         " columns: " + std::to_string(kMaxRows) + " rows of " + std::to_string(kMaxColumns) + " at most";
}

std::string check_timing(const WireChunk& wire) {
  if (wire.dt_ns >= kMinDt && wire.dt_ns <= kMaxDt) return "";
  return "dt is " + std::to_string(wire.dt_ns) + " ns: 1 ms to 1 s between rows";
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
    return "frozen is " + std::to_string(wire.frozen) + ": it counts rows, 0 to " + std::to_string(wire.horizon);
  }
  return "";
}

std::string check_layout(const WireChunk& wire, const std::vector<WireGroup>& layout) {
  if (wire.groups.size() != layout.size()) {
    return std::to_string(wire.groups.size()) + " groups, but the robot has " + std::to_string(layout.size()) +
           ": use its layout";
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const WireGroup& is = wire.groups[i];
    const WireGroup& should = layout[i];
    const std::string group = "group " + std::to_string(i) + ": ";
    if (is.name != should.name) return group + "name is '" + is.name + "', the robot's '" + should.name + "'";
    if (is.space != should.space) {
      return group + "space is " + std::to_string(is.space) + ", the robot's " + std::to_string(should.space);
    }
    if (is.offset != should.offset || is.width != should.width) {
      return group + "columns " + std::to_string(is.offset) + " + " + std::to_string(is.width) + ", the robot's " +
             std::to_string(should.offset) + " + " + std::to_string(should.width);
    }
    if (is.names.size() != should.names.size()) {
      return group + std::to_string(is.names.size()) + " names, the robot has " + std::to_string(should.names.size());
    }
    for (std::size_t j = 0; j < is.names.size(); ++j) {
      if (is.names[j] != should.names[j]) {
        return group + "column " + std::to_string(j) + " is '" + is.names[j] + "', the robot's '" + should.names[j] +
               "': send the robot's order";
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

}  // namespace

Intake::Intake(const ControllerConfig& config) {
  std::int64_t offset = 0;
  std::size_t joint = 0;
  for (const GroupLayout& group : config.groups) {
    const auto width = static_cast<std::int64_t>(group.names.size());
    layout_.push_back({group.name, static_cast<std::int64_t>(group.space), group.names, "", "", offset, width});
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
      fails(Reason::kTiming, check_timing(wire)) || fails(Reason::kNotFinite, check_finite(wire, columns))) {
    return;
  }
  chunk.horizon = static_cast<std::uint32_t>(wire.horizon);
  for (std::size_t i = 0; i < wire.actions.size(); ++i) {
    const std::size_t column = i % lower_.size();
    const double value = std::clamp(wire.actions[i], lower_[column], upper_[column]);
    chunk.clamped += value != wire.actions[i] ? 1 : 0;
    chunk.rows[i] = value;
  }
}

}  // namespace bc
