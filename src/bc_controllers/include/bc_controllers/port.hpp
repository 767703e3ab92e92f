// Between the control loop and everybody else: chunks and requests in, acknowledgements, modes and results out.
#pragma once

#include <array>
#include <atomic>
#include <mutex>
#include <string_view>
#include <vector>

#include "bc_controllers/chunk.hpp"
#include "bc_controllers/mailbox.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

// Other threads use the upper half; its mutexes order them among each other and are never taken by the loop.
// The loop, one thread, uses the lower half: wait-free, no allocation.
class Port {
 public:
  explicit Port(const ControllerConfig& config);

  // Hands a chunk over. Everything about it, a full mailbox too, is answered through acks().
  void submit(Source source, const WireChunk& chunk);
  // Asks for a mode change; answered through results() with the ticket returned. Never refused here: when 64 requests
  // wait already the result, a failure, is made at once.
  std::uint64_t request(std::uint8_t request, std::string_view reason);
  std::vector<Ack> acks();
  std::vector<ModeChange> modes();
  std::vector<ModeResult> results();
  std::uint64_t acks_lost() const { return acks_lost_.load(std::memory_order_relaxed); }
  std::uint64_t modes_lost() const { return modes_lost_.load(std::memory_order_relaxed); }
  std::uint64_t refused_at_mailbox() const { return refused_here_.load(std::memory_order_relaxed); }

  // What waits in another robot's port; what this one has answered and nobody has fetched is dropped.
  void copy_from(Port& other);

  Mailbox<Chunk>& chunks(Source source) { return chunks_[static_cast<std::size_t>(source)]; }
  Mailbox<ModeRequest>& requests() { return requests_; }
  // Drops the chunks that wait unseen, and answers the requests that do as failed.
  void discard(Mode mode, std::uint64_t epoch);
  void push(const Ack& ack);
  void push(const ModeChange& change);
  void push(const ModeResult& result);

 private:
  Intake intake_;
  std::array<Mailbox<Chunk>, 3> chunks_;
  Mailbox<ModeRequest> requests_;
  Mailbox<Ack> acks_;
  Mailbox<ModeChange> modes_;
  Mailbox<ModeResult> results_;
  std::array<std::mutex, 3> submitting_;
  std::mutex requesting_;
  std::mutex polling_;
  std::mutex local_;
  std::vector<Ack> local_acks_;  // made outside the loop: a mailbox was full
  std::vector<ModeResult> local_results_;
  std::uint64_t next_ticket_ = 1;
  std::atomic<std::uint64_t> acks_lost_{0};
  std::atomic<std::uint64_t> modes_lost_{0};
  std::atomic<std::uint64_t> refused_here_{0};
};

}  // namespace bc
