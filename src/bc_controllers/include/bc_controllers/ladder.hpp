// What happens to stiffness when no chunk is left (docs/protocol.md, "End of a chunk").
#pragma once

#include <cstdint>

#include "bc_controllers/config.hpp"

namespace bc {

class Ladder {
 public:
  explicit Ladder(const ControllerConfig& config);

  void follow() { rung_ = Rung::kFollowing, standing_ns_ = 0; }
  // A period without a chunk. may_soften: the mode is one that lowers stiffness.
  void rest(bool standing, bool may_soften, std::int64_t period_ns);
  // Moves the share of stiffness towards what the rung asks for; call once per period.
  void advance(std::int64_t period_ns);
  void restore() { rung_ = Rung::kHolding, standing_ns_ = 0, scale_ = 1.0; }
  // At once without any stiffness: the measurement cannot be trusted.
  void drop_stiffness() { scale_ = 0.0; }

  Rung rung() const { return rung_; }
  double stiffness_scale() const { return scale_; }

 private:
  std::int64_t compliant_time_ns_;
  std::int64_t recovery_time_ns_;
  double compliant_scale_;
  Rung rung_ = Rung::kHolding;
  std::int64_t standing_ns_ = 0;
  double scale_ = 1.0;
};

}  // namespace bc
