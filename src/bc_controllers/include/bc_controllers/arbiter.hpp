// Who commands: validity of chunks, modes, epochs, leases, waiting chunks and their acknowledgement (docs/protocol.md).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "bc_controllers/chunk.hpp"
#include "bc_controllers/config.hpp"
#include "bc_controllers/ladder.hpp"
#include "bc_controllers/port.hpp"
#include "bc_controllers/reference.hpp"

namespace bc {

// Runs in the control loop, on one thread: nothing here allocates, locks or throws. Clocks are arguments: `now` is ROS
// time, in which chunks are stamped; `steady` never jumps, and times out leases and the ladder.
class Arbiter {
 public:
  // The configuration holds position limits. The port outlives the arbiter.
  Arbiter(const ControllerConfig& config, Port& port);

  // One control period: takes what came in, moves the reference to `now`.
  void update(std::int64_t now_ns, std::int64_t steady_ns);
  // Begins anew from joint positions, or a pose's seven values: drops chunks, falls to HOLD unless STOPPED.
  void relocate(std::int64_t now_ns, const double* place, double gripper, std::string_view reason);
  // STOPPED, until reset.
  void fault(std::int64_t now_ns, std::string_view reason);
  // Goes on as another one of the same configuration would, with a port of its own.
  void copy_from(const Arbiter& other);
  void drop_stiffness() { ladder_.drop_stiffness(); }

  Mode mode() const { return mode_; }
  bool faulted() const { return faulted_; }  // STOPPED by a fault, until reset
  std::uint64_t epoch() const { return epoch_; }
  const Reference& reference() const { return reference_; }
  const Ladder& ladder() const { return ladder_; }
  const Chunk* in_force() const { return has_chunk_ ? &in_force_ : nullptr; }
  const Counters& counters() const { return counters_; }

 private:
  // Highest sequence per producer of a source; the producer not heard for longest makes room for a new one.
  struct Producer {
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;
    std::uint64_t used = 0;  // 0: free
  };
  struct Refusal {
    Reason reason = Reason::kNone;
    std::int64_t expected = 0;
    std::int64_t found = 0;
  };

  void take_requests(std::int64_t now_ns);
  void take_chunks(std::int64_t now_ns);
  void judge(Chunk& chunk, std::int64_t now_ns);
  Refusal check(const Chunk& chunk, std::int64_t now_ns);
  Refusal check_authority(const Chunk& chunk) const;
  bool advance_sequence(const Chunk& chunk, std::uint64_t* last);
  void wait(Chunk& chunk);
  void start_waiting(std::int64_t now_ns);
  void take_effect(Chunk& chunk, std::int64_t effective_ns, std::int64_t now_ns);
  void refuse(const Chunk& chunk, const Refusal& refusal, std::int64_t now_ns);
  void enter(Mode mode, std::int64_t now_ns, std::string_view reason);
  void drop_waiting(std::int64_t now_ns);
  void move(std::int64_t now_ns);
  void follow(std::int64_t time_ns, double seconds);
  void watch();
  void notice_jump(std::int64_t now_ns);
  void give_up();
  double step_seconds(std::int64_t nanoseconds) const;
  void follow_rules_of_silence(std::int64_t now_ns);
  Ack ack_for(const Chunk& chunk, std::int64_t now_ns) const;

  Port* port_;
  std::int64_t hold_time_ns_;
  std::int64_t lease_time_ns_;
  std::int64_t clock_tolerance_ns_;
  std::int64_t receive_time_ns_;
  std::int64_t most_step_ns_;
  Reference reference_;
  Ladder ladder_;

  Mode mode_ = Mode::kHold;
  std::uint64_t epoch_ = 1;
  std::uint64_t oldest_epoch_ = 1;  // a takeover may be made for this one or a later one
  bool announced_ = false;          // the first mode was published
  bool faulted_ = false;
  bool unattended_ = false;  // after a fault, or a source that fell silent: until the next chunk is followed
  std::uint64_t lease_producer_ = 0;
  std::int64_t lease_end_ = 0;  // steady time at which a silent human's lease is over

  Chunk in_force_;
  Chunk spare_;
  bool has_chunk_ = false;
  bool ended_ = false;                      // in_force_ has no row left
  std::int64_t ended_at_ = 0;               // steady time of its last row
  bool given_up_ = false;                   // the watchdog ended it: it stays ended
  std::int64_t overdue_at_ = 0;             // steady time from which it is too old
  std::array<std::int64_t, 3> heard_at_{};  // steady time of the last valid chunk of each source
  std::array<Chunk, kMaxWaiting> waiting_;
  std::array<std::uint8_t, kMaxWaiting> order_{};  // indices into waiting_, by stamp; those beyond the count are free
  std::size_t waiting_count_ = 0;

  std::array<std::array<Producer, 16>, 3> producers_{};
  std::uint64_t heard_ = 0;
  bool started_ = false;
  std::int64_t steady_ = 0;
  std::int64_t period_ns_ = 0;  // since the last update, steady
  std::int64_t now_ = 0;        // ROS time of the last update
  Counters counters_;
};

}  // namespace bc
