#include "bc_controllers/types.hpp"

#include <cstdio>

namespace bc {

namespace {

std::string seconds(std::int64_t nanoseconds) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.3f s", static_cast<double>(nanoseconds) * 1e-9);
  return text.data();
}

std::string number(std::int64_t value) {
  return std::to_string(static_cast<std::uint64_t>(value));
}

std::string wrong_source(const Ack& ack) {
  const std::string mode(name_of(ack.mode));
  if (ack.mode == Mode::kStopped)
    return "the robot is STOPPED: find out why, then ask controller/change_mode for RESET";
  if (ack.source != Source::kHuman) {
    return "a " + std::string(name_of(ack.source)) + " may not command in " + mode +
           ": ask controller/change_mode first";
  }
  if (ack.mode == Mode::kHuman) return "another human holds the lease: wait until it is released";
  return "a release chunk does not take over in " + mode + ": there is nothing to release";
}

}  // namespace

std::string_view name_of(Source source) {
  constexpr std::array<std::string_view, 3> kNames = {"policy", "human", "planner"};
  return kNames[static_cast<std::size_t>(source)];
}

std::string_view name_of(Mode mode) {
  constexpr std::array<std::string_view, 5> kNames = {"HOLD", "POLICY", "PLANNER", "HUMAN", "STOPPED"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::string_view name_of(Request request) {
  constexpr std::array<std::string_view, 6> kNames = {"NONE", "RESUME", "GRANT", "HOLD", "STOP", "RESET"};
  return kNames[static_cast<std::size_t>(request)];
}

std::string detail(const Ack& ack) {
  switch (ack.reason) {
    case Reason::kNone:
      return "";
    case Reason::kSize:
    case Reason::kLayout:
    case Reason::kTiming:
    case Reason::kNotFinite:
      return ack.fault.str();
    case Reason::kOverflow:
      return ack.fault.view().empty() ? number(ack.expected) + " chunks wait already: send fewer ahead of time"
                                      : ack.fault.str();
    case Reason::kOldSequence:
      return "sequence " + number(ack.found) + " is not above " + number(ack.expected) +
             ", the last one seen from this producer: count up";
    case Reason::kForeignEpoch:
      return "made for mode epoch " + number(ack.found) + ", but the current one is " + number(ack.expected) +
             ": follow controller/mode";
    case Reason::kWrongSource:
      return wrong_source(ack);
    case Reason::kExpired:
      return "the last row lies " + seconds(ack.found) + " in the past: send earlier, or mend the sender's clock";
    case Reason::kClock:
      return "row 0 lies " + seconds(ack.found) + " in the future, " + seconds(ack.expected) +
             " at most: mend the sender's clock";
    case Reason::kSuperseded:
      return "the mode changed, or the ROS clock jumped, before the chunk took effect: make a new one for the epoch of "
             "controller/mode";
  }
  return "";
}

std::string message(const ModeResult& result) {
  if (result.success) return "";
  if (result.queue_full) return "the control loop did not take it: it stands still, or too many requests wait already";
  if (result.request < 1 || result.request > 5) {
    return "request " + std::to_string(result.request) +
           " is unknown: use RESUME=1, GRANT=2, HOLD=3, STOP=4 or RESET=5";
  }
  const std::string from(name_of(result.before));
  const std::string text = std::string(name_of(static_cast<Request>(result.request))) + " is refused in " + from + ": ";
  if (result.before == Mode::kStopped) return text + "RESET first";
  switch (static_cast<Request>(result.request)) {
    case Request::kResume:
    case Request::kGrant:
      return text + "it leads out of HOLD only";
    case Request::kHold:
      return text + "it ends POLICY and PLANNER only" + (result.before == Mode::kHuman ? "; release, or STOP" : "");
    default:
      return text + "it leads out of STOPPED only";
  }
}

}  // namespace bc
