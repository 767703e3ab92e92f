#include "bc_controllers/statistics.hpp"

#include <algorithm>
#include <cmath>

namespace bc {

namespace {
constexpr double kFirstEdge = 64.0;  // [ns]
}

std::size_t DurationHistogram::bin(std::int64_t nanoseconds) {
  if (static_cast<double>(nanoseconds) <= kFirstEdge) return 0;
  const double octaves = std::log2(static_cast<double>(nanoseconds) / kFirstEdge);
  return std::min(static_cast<std::size_t>(octaves * kParts), kOctaves * kParts - 1);
}

double DurationHistogram::upper_edge(std::size_t bin) {
  return kFirstEdge * std::exp2(static_cast<double>(bin + 1) / kParts);
}

void DurationHistogram::add(std::int64_t nanoseconds) {
  nanoseconds = std::max<std::int64_t>(0, nanoseconds);
  bins_[bin(nanoseconds)].fetch_add(1, std::memory_order_relaxed);
  count_.fetch_add(1, std::memory_order_relaxed);
  if (nanoseconds > 1'000'000) over_1ms_.fetch_add(1, std::memory_order_relaxed);
  if (nanoseconds > maximum_.load(std::memory_order_relaxed)) maximum_.store(nanoseconds, std::memory_order_relaxed);
}

void DurationHistogram::reset() {
  for (auto& count : bins_) count.store(0, std::memory_order_relaxed);
  count_.store(0, std::memory_order_relaxed);
  over_1ms_.store(0, std::memory_order_relaxed);
  maximum_.store(0, std::memory_order_relaxed);
}

double DurationHistogram::maximum_us() const {
  return static_cast<double>(maximum_.load(std::memory_order_relaxed)) * 1e-3;
}

double DurationHistogram::quantile_us(double share) const {
  const auto total = static_cast<double>(count());
  double below = 0.0;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    below += static_cast<double>(bins_[i].load(std::memory_order_relaxed));
    if (below > 0.0 && below >= share * total) return std::min(upper_edge(i) * 1e-3, maximum_us());
  }
  return 0.0;
}

}  // namespace bc
