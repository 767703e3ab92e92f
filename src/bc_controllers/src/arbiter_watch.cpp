// What the arbiter does when nothing comes in, or time itself is wrong.
#include <cstdlib>

#include "bc_controllers/arbiter.hpp"

namespace bc {

// By the steady clock alone: a ROS clock that stands still or goes back keeps no chunk alive, and a source that fell
// silent does not command through a long one. A planner's trajectory is whole from the start, and may be long.
void Arbiter::watch() {
  if (!has_chunk_ || ended_) return;
  const bool overdue = steady_ >= overdue_at_;
  const bool silent = in_force_.source != Source::kPlanner &&
                      steady_ - heard_at_[static_cast<std::size_t>(in_force_.source)] >= receive_time_ns_;
  if (!overdue && !silent) return;
  give_up();
  ++(overdue ? counters_.commands_overdue : counters_.sources_silent);
}

// Where the ROS clock jumped nothing that was stamped before can be followed: the arm would run back through its rows,
// or ahead of them.
void Arbiter::notice_jump(std::int64_t now_ns) {
  const std::int64_t jump = now_ns - now_ - period_ns_;
  now_ = now_ns;
  if (std::abs(jump) <= clock_tolerance_ns_) return;
  drop_waiting(now_ns);
  if (!has_chunk_ || ended_) return;
  give_up();
  ++counters_.commands_overdue;
}

// Ends the chunk in force before its rows do.
void Arbiter::give_up() {
  given_up_ = ended_ = true;
  ended_at_ = steady_;
}

// What follows from nothing coming in: leases end, starved modes fall to HOLD.
void Arbiter::follow_rules_of_silence(std::int64_t now_ns) {
  const bool out_of_rows = has_chunk_ && ended_;
  const bool autonomous = mode_ == Mode::kPolicy || mode_ == Mode::kPlanner;
  if (autonomous && out_of_rows) ++counters_.starved_periods;

  const bool nothing_left = out_of_rows && waiting_count_ == 0;
  if (nothing_left && in_force_.release && (mode_ == Mode::kHuman || mode_ == Mode::kPlanner)) {
    enter(Mode::kHold, now_ns, "released");
  } else if (mode_ == Mode::kHuman && steady_ >= lease_end_) {
    unattended_ = true;
    enter(Mode::kHold, now_ns, "lease over");
  } else if (nothing_left && autonomous && steady_ - ended_at_ >= hold_time_ns_) {
    unattended_ = true;
    enter(Mode::kHold, now_ns, "starved");
  }
}

}  // namespace bc
