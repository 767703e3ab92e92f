#include "bc_controllers/port.hpp"

namespace bc {

namespace {

// Chunks that may arrive within one control period of a stalled loop; each slot holds a whole chunk.
constexpr std::size_t kChunkSlots = 8;

template <typename T>
void drain(Mailbox<T>& mailbox, std::vector<T>& out) {
  while (T* value = mailbox.front()) {
    out.push_back(*value);
    mailbox.pop();
  }
}

}  // namespace

Port::Port(const ControllerConfig& config)
    : intake_(config),
      chunks_{Mailbox<Chunk>(kChunkSlots, Chunk(config.width())), Mailbox<Chunk>(kChunkSlots, Chunk(config.width())),
              Mailbox<Chunk>(kChunkSlots, Chunk(config.width()))},
      requests_(64),
      acks_(1024),
      modes_(256),
      results_(64) {}

void Port::submit(Source source, const WireChunk& wire) {
  const auto index = static_cast<std::size_t>(source);
  {
    const std::lock_guard<std::mutex> lock(submitting_[index]);
    if (Chunk* slot = chunks_[index].begin_write()) {
      intake_.convert(source, wire, *slot);
      chunks_[index].commit();
      return;
    }
  }
  Ack ack;
  ack.stamp_ns = wire.stamp_ns;  // no clock here, and the loop stands still
  ack.source = source;
  ack.producer = wire.producer;
  ack.producer_id = wire.producer_id;
  ack.sequence = wire.sequence;
  ack.reason = Reason::kOverflow;
  ack.fault = "the controller's mailbox is full: see why its loop does not run, or send less often";
  ack.mode_epoch = wire.mode_epoch;
  refused_here_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(local_);
  local_acks_.push_back(ack);
}

std::uint64_t Port::request(std::uint8_t request, std::string_view reason) {
  const std::lock_guard<std::mutex> lock(requesting_);
  const std::uint64_t ticket = next_ticket_++;
  ModeRequest entry;
  entry.ticket = ticket;
  entry.request = request;
  entry.reason = reason;
  if (!requests_.push(entry)) {
    ModeResult result;
    result.ticket = ticket;
    result.request = request;
    result.queue_full = true;
    const std::lock_guard<std::mutex> local(local_);
    local_results_.push_back(result);
  }
  return ticket;
}

std::vector<Ack> Port::acks() {
  const std::lock_guard<std::mutex> lock(polling_);
  std::vector<Ack> out;
  drain(acks_, out);
  const std::lock_guard<std::mutex> local(local_);
  out.insert(out.end(), local_acks_.begin(), local_acks_.end());
  local_acks_.clear();
  return out;
}

std::vector<ModeChange> Port::modes() {
  const std::lock_guard<std::mutex> lock(polling_);
  std::vector<ModeChange> out;
  drain(modes_, out);
  return out;
}

std::vector<ModeResult> Port::results() {
  const std::lock_guard<std::mutex> lock(polling_);
  std::vector<ModeResult> out;
  drain(results_, out);
  const std::lock_guard<std::mutex> local(local_);
  out.insert(out.end(), local_results_.begin(), local_results_.end());
  local_results_.clear();
  return out;
}

void Port::copy_from(Port& other) {
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    const std::scoped_lock lock(submitting_[i], other.submitting_[i]);
    chunks_[i].copy_from(other.chunks_[i]);
  }
  {
    const std::scoped_lock lock(requesting_, other.requesting_);
    requests_.copy_from(other.requests_);
    next_ticket_ = other.next_ticket_;
  }
  acks();
  modes();
  results();
}

void Port::discard(Mode mode, std::uint64_t epoch) {
  for (Mailbox<Chunk>& chunks : chunks_) {
    while (chunks.front() != nullptr) chunks.pop();
  }
  while (const ModeRequest* request = requests_.front()) {
    push(ModeResult{request->ticket, request->request, false, true, mode, mode, epoch});
    requests_.pop();
  }
}

void Port::push(const Ack& ack) {
  if (!acks_.push(ack)) acks_lost_.fetch_add(1, std::memory_order_relaxed);
}

void Port::push(const ModeChange& change) {
  if (!modes_.push(change)) modes_lost_.fetch_add(1, std::memory_order_relaxed);
}

void Port::push(const ModeResult& result) {
  results_.push(result);  // never full: at most as many as requests wait, and those are polled by who asked
}

}  // namespace bc
