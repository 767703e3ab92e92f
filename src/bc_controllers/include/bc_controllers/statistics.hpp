// Quantiles of durations, recorded in a control loop and read from another thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace bc {

// Histogram with logarithmic bins: 64 ns to over a minute, each octave in 16 parts, so that a quantile is exact to 4.5
// %. One thread adds; any may read. The maximum is exact.
class DurationHistogram {
 public:
  void add(std::int64_t nanoseconds);
  void reset();
  std::uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  std::uint64_t count_over_1ms() const { return over_1ms_.load(std::memory_order_relaxed); }
  double maximum_us() const;
  double quantile_us(double share) const;  // upper edge of its bin, the maximum at most; 0 when empty

 private:
  static constexpr std::size_t kOctaves = 30, kParts = 16;
  static std::size_t bin(std::int64_t nanoseconds);
  static double upper_edge(std::size_t bin);

  std::array<std::atomic<std::uint64_t>, kOctaves * kParts> bins_{};
  std::atomic<std::uint64_t> count_{0};
  std::atomic<std::uint64_t> over_1ms_{0};
  std::atomic<std::int64_t> maximum_{0};
};

}  // namespace bc
