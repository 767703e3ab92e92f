#include "bc_controllers/modes.hpp"

namespace bc {

std::optional<Mode> requested_mode(Mode mode, std::uint8_t request) {
  switch (static_cast<Request>(request)) {
    case Request::kResume:
      if (mode == Mode::kHold) return Mode::kPolicy;
      return std::nullopt;
    case Request::kGrant:
      if (mode == Mode::kHold) return Mode::kPlanner;
      return std::nullopt;
    case Request::kHold:
      if (mode == Mode::kPolicy || mode == Mode::kPlanner) return Mode::kHold;
      return std::nullopt;
    case Request::kStop:
      return Mode::kStopped;
    case Request::kReset:
      if (mode == Mode::kStopped) return Mode::kHold;
      return std::nullopt;
  }
  return std::nullopt;  // a number that is none of them
}

bool human_may_take_over(Mode mode) {
  return mode == Mode::kHold || mode == Mode::kPolicy || mode == Mode::kPlanner;
}

bool commands_in(Source source, Mode mode) {
  switch (mode) {
    case Mode::kPolicy:
      return source == Source::kPolicy;
    case Mode::kPlanner:
      return source == Source::kPlanner;
    case Mode::kHuman:
      return source == Source::kHuman;
    case Mode::kHold:
    case Mode::kStopped:
      return false;
  }
  return false;
}

}  // namespace bc
