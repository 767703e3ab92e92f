#include "bc_controllers/arbiter.hpp"

#include <algorithm>
#include <utility>

#include "bc_controllers/modes.hpp"

namespace bc {

namespace {
constexpr double kSeconds = 1e-9;
}

Arbiter::Arbiter(const ControllerConfig& config, Port& port)
    : port_(&port),
      hold_time_ns_(config.hold_time_ns),
      lease_time_ns_(config.lease_time_ns),
      clock_tolerance_ns_(config.clock_tolerance_ns),
      receive_time_ns_(config.receive_time_ns),
      most_step_ns_(kMostPeriods * config.period_ns),
      reference_(config),
      ladder_(config),
      in_force_(config.width()),
      spare_(config.width()) {
  waiting_.fill(Chunk(config.width()));
  for (std::size_t i = 0; i < kMaxWaiting; ++i) order_[i] = static_cast<std::uint8_t>(i);
}

void Arbiter::update(std::int64_t now_ns, std::int64_t steady_ns) {
  if (!started_) {
    steady_ = steady_ns;
    now_ = now_ns;
    started_ = true;
  }
  period_ns_ = std::max<std::int64_t>(0, steady_ns - steady_);
  steady_ = steady_ns;
  notice_jump(now_ns);
  if (!announced_) {
    announced_ = true;
    port_->push(ModeChange{now_ns, mode_, epoch_, mode_, std::string_view("start")});
  }
  take_requests(now_ns);
  take_chunks(now_ns);
  start_waiting(now_ns);
  move(now_ns);
  follow_rules_of_silence(now_ns);
  ladder_.advance(period_ns_);
  ++counters_.periods;
}

void Arbiter::relocate(std::int64_t now_ns, const double* place, double gripper, std::string_view reason) {
  if (!announced_ || mode_ == Mode::kStopped) {
    drop_waiting(now_ns);
    has_chunk_ = false;
    oldest_epoch_ = announced_ ? epoch_ + 1 : epoch_;  // before the first mode was said nobody could follow it
  } else {
    enter(Mode::kHold, now_ns, reason);
    oldest_epoch_ = epoch_;
  }
  reference_.reset(place, gripper);
  ladder_.restore();
}

void Arbiter::copy_from(const Arbiter& other) {
  Port* const own = port_;
  *this = other;
  port_ = own;
}

void Arbiter::fault(std::int64_t now_ns, std::string_view reason) {
  faulted_ = unattended_ = true;
  if (mode_ != Mode::kStopped) enter(Mode::kStopped, now_ns, reason);
}

void Arbiter::take_requests(std::int64_t now_ns) {
  while (ModeRequest* request = port_->requests().front()) {
    ModeResult result;
    result.ticket = request->ticket;
    result.request = request->request;
    result.before = mode_;
    const std::optional<Mode> mode = requested_mode(mode_, request->request);
    result.success = mode.has_value();
    if (mode.has_value() && *mode != mode_) enter(*mode, now_ns, request->reason.view());
    result.mode = mode_;
    result.epoch = epoch_;
    port_->push(result);
    port_->requests().pop();
  }
}

void Arbiter::take_chunks(std::int64_t now_ns) {
  for (const Source source : kSources) {
    while (Chunk* chunk = port_->chunks(source).front()) {
      judge(*chunk, now_ns);
      port_->chunks(source).pop();
    }
  }
}

void Arbiter::judge(Chunk& chunk, std::int64_t now_ns) {
  const Refusal refusal = check(chunk, now_ns);
  if (refusal.reason != Reason::kNone) {
    refuse(chunk, refusal, now_ns);
    return;
  }
  heard_at_[static_cast<std::size_t>(chunk.source)] = steady_;
  if (chunk.source == Source::kHuman) {
    if (mode_ != Mode::kHuman) {
      enter(Mode::kHuman, now_ns, "human chunk");
      lease_producer_ = chunk.producer_id;
    }
    // In steady time from here on: a jump of the ROS clock neither prolongs nor ends a lease.
    lease_end_ = steady_ + (chunk.end_ns() - now_ns) + lease_time_ns_;
  }
  if (chunk.stamp_ns <= now_ns) {
    start_waiting(now_ns);  // those that are due by now came first
    take_effect(chunk, now_ns, now_ns);
  } else {
    wait(chunk);
  }
}

// The order of the checks is the protocol's.
Arbiter::Refusal Arbiter::check(const Chunk& chunk, std::int64_t now_ns) {
  if (chunk.fault != Reason::kNone) return {chunk.fault, 0, 0};
  std::uint64_t last = 0;
  if (!advance_sequence(chunk, &last)) {
    return {Reason::kOldSequence, static_cast<std::int64_t>(last), static_cast<std::int64_t>(chunk.sequence)};
  }
  const Refusal authority = check_authority(chunk);
  if (authority.reason != Reason::kNone) return authority;
  if (chunk.end_ns() < now_ns) return {Reason::kExpired, 0, now_ns - chunk.end_ns()};
  if (chunk.stamp_ns - now_ns > kMaxLead) return {Reason::kClock, kMaxLead, chunk.stamp_ns - now_ns};
  const bool takes_over = chunk.source == Source::kHuman && mode_ != Mode::kHuman;  // and drops those that wait
  if (chunk.stamp_ns > now_ns && waiting_count_ == kMaxWaiting && !takes_over) {
    return {Reason::kOverflow, static_cast<std::int64_t>(kMaxWaiting), 0};
  }
  return {};
}

Arbiter::Refusal Arbiter::check_authority(const Chunk& chunk) const {
  // A human outside HUMAN cannot know of a change that is under way; an epoch that never was is foreign all the same.
  // But what was made before the robot was put elsewhere would start from where it no longer is.
  const bool may_be_older =
      chunk.source == Source::kHuman && mode_ != Mode::kHuman && chunk.mode_epoch >= oldest_epoch_;
  if (chunk.mode_epoch > epoch_ || (chunk.mode_epoch < epoch_ && !may_be_older)) {
    return {Reason::kForeignEpoch, static_cast<std::int64_t>(epoch_), static_cast<std::int64_t>(chunk.mode_epoch)};
  }
  const bool takes_over = chunk.source == Source::kHuman && human_may_take_over(mode_) && !chunk.release;
  const bool others_lease = mode_ == Mode::kHuman && chunk.producer_id != lease_producer_;
  if (!takes_over && (!commands_in(chunk.source, mode_) || others_lease)) return {Reason::kWrongSource, 0, 0};
  return {};
}

// A sequence counts as seen once the chunk is whole, whatever becomes of it afterwards.
bool Arbiter::advance_sequence(const Chunk& chunk, std::uint64_t* last) {
  auto& producers = producers_[static_cast<std::size_t>(chunk.source)];
  Producer* entry = &producers[0];
  for (Producer& producer : producers) {
    if (producer.used != 0 && producer.id == chunk.producer_id) {
      entry = &producer;
      break;
    }
    if (producer.used < entry->used) entry = &producer;
  }
  const bool known = entry->used != 0 && entry->id == chunk.producer_id;
  if (known && chunk.sequence <= entry->sequence) {
    *last = entry->sequence;
    return false;
  }
  *entry = {chunk.producer_id, chunk.sequence, ++heard_};
  return true;
}

void Arbiter::wait(Chunk& chunk) {
  const std::uint8_t slot = order_[waiting_count_];
  std::swap(waiting_[slot], chunk);
  std::size_t at = waiting_count_++;
  while (at > 0 && waiting_[order_[at - 1]].stamp_ns > waiting_[slot].stamp_ns) {
    order_[at] = order_[at - 1];
    --at;
  }
  order_[at] = slot;
}

void Arbiter::start_waiting(std::int64_t now_ns) {
  while (waiting_count_ > 0 && waiting_[order_[0]].stamp_ns <= now_ns) {
    const std::uint8_t slot = order_[0];
    std::rotate(order_.begin(), order_.begin() + 1, order_.begin() + static_cast<std::ptrdiff_t>(waiting_count_));
    --waiting_count_;
    std::swap(spare_, waiting_[slot]);
    take_effect(spare_, spare_.stamp_ns, now_ns);
  }
}

void Arbiter::take_effect(Chunk& chunk, std::int64_t effective_ns, std::int64_t now_ns) {
  const bool follows = has_chunk_ && effective_ns <= in_force_.end_ns() && !ended_;
  const std::int64_t since = std::clamp<std::int64_t>(period_ns_ - (now_ns - effective_ns), 0, period_ns_);
  const double seconds = step_seconds(since);
  const Jump jump = reference_.change(follows ? &in_force_ : nullptr, chunk, effective_ns, seconds);
  std::swap(in_force_, chunk);
  has_chunk_ = true;
  ended_ = given_up_ = false;
  overdue_at_ = steady_ + std::max<std::int64_t>(0, in_force_.end_ns() - now_ns) + clock_tolerance_ns_;
  unattended_ = false;
  ++counters_.chunks_in_force;
  counters_.values_clamped += in_force_.clamped;

  Ack ack = ack_for(in_force_, now_ns);
  ack.verdict = Verdict::kInForce;
  ack.effective_ns = effective_ns;
  ack.row = in_force_.row(effective_ns);
  ack.raw_jump = reference_.has_pose() ? jump.position : jump.joints;
  ack.raw_jump_rotation = jump.rotation;
  ack.raw_jump_gripper = jump.gripper;
  ack.clamped = in_force_.clamped;
  port_->push(ack);
}

void Arbiter::refuse(const Chunk& chunk, const Refusal& refusal, std::int64_t now_ns) {
  ++counters_.chunks_refused;
  ++counters_.refused_by_reason[static_cast<std::size_t>(refusal.reason)];
  Ack ack = ack_for(chunk, now_ns);
  ack.verdict = Verdict::kRefused;
  ack.reason = refusal.reason;
  if (chunk.fault != Reason::kNone) ack.fault = chunk.fault_text.view();
  ack.expected = refusal.expected;
  ack.found = refusal.found;
  port_->push(ack);
}

Ack Arbiter::ack_for(const Chunk& chunk, std::int64_t now_ns) const {
  Ack ack;
  ack.stamp_ns = now_ns;
  ack.source = chunk.source;
  ack.producer = chunk.producer.view();
  ack.producer_id = chunk.producer_id;
  ack.sequence = chunk.sequence;
  ack.mode = mode_;
  ack.mode_epoch = epoch_;
  return ack;
}

void Arbiter::enter(Mode mode, std::int64_t now_ns, std::string_view reason) {
  const Mode previous = mode_;
  mode_ = mode;
  faulted_ = faulted_ && mode == Mode::kStopped;
  ++epoch_;
  drop_waiting(now_ns);
  has_chunk_ = false;
  port_->push(ModeChange{now_ns, mode_, epoch_, previous, reason});
}

void Arbiter::drop_waiting(std::int64_t now_ns) {
  for (std::size_t i = 0; i < waiting_count_; ++i) refuse(waiting_[order_[i]], {Reason::kSuperseded, 0, 0}, now_ns);
  waiting_count_ = 0;
}

void Arbiter::move(std::int64_t now_ns) {
  const double seconds = step_seconds(period_ns_);
  watch();
  if (has_chunk_ && now_ns <= in_force_.end_ns() && !given_up_) {
    ended_ = false;
    follow(now_ns, seconds);
    ladder_.follow();
    return;
  }
  double stopping = seconds;
  if (has_chunk_ && !ended_) {
    // The last row lies between this period and the one before: reach it, and stop from there.
    ended_ = true;
    const std::int64_t past = std::clamp<std::int64_t>(now_ns - in_force_.end_ns(), 0, period_ns_);
    ended_at_ = steady_ - past;
    stopping = std::min(seconds, step_seconds(past));
    follow(in_force_.end_ns(), seconds - stopping);
  }
  reference_.stop(stopping);
  const bool commanded = mode_ == Mode::kHuman || mode_ == Mode::kPolicy || mode_ == Mode::kPlanner;
  ladder_.rest(reference_.standing(), commanded || unattended_, period_ns_);
}

// A loop that was late does not make up for it in one step.
double Arbiter::step_seconds(std::int64_t nanoseconds) const {
  return static_cast<double>(std::min(nanoseconds, most_step_ns_)) * kSeconds;
}

void Arbiter::follow(std::int64_t time_ns, double seconds) {
  reference_.follow(in_force_, time_ns, seconds);
  counters_.velocity_limited += reference_.velocity_limited() ? 1 : 0;
  counters_.acceleration_limited += reference_.acceleration_limited() ? 1 : 0;
}

}  // namespace bc
