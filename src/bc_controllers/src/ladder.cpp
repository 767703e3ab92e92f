#include "bc_controllers/ladder.hpp"

#include <algorithm>

namespace bc {

Ladder::Ladder(const ControllerConfig& config)
    : compliant_time_ns_(config.compliant_time_ns),
      recovery_time_ns_(config.recovery_time_ns),
      compliant_scale_(config.compliant_scale) {}

void Ladder::rest(bool standing, bool may_soften, std::int64_t period_ns) {
  if (rung_ == Rung::kCompliant) return;  // until the next chunk
  if (!standing) {
    rung_ = Rung::kStopping;
    standing_ns_ = 0;
    return;
  }
  rung_ = Rung::kHolding;
  standing_ns_ = may_soften ? standing_ns_ + period_ns : 0;
  if (standing_ns_ >= compliant_time_ns_) rung_ = Rung::kCompliant;
}

void Ladder::advance(std::int64_t period_ns) {
  const double wanted = rung_ == Rung::kCompliant ? compliant_scale_ : 1.0;
  const double step = static_cast<double>(period_ns) / static_cast<double>(recovery_time_ns_);
  scale_ += std::clamp(wanted - scale_, -step, step);
}

}  // namespace bc
