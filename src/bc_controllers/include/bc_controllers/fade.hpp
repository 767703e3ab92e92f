// An offset that fades to nil in a set time, from any value and rate.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

namespace bc {

template <std::size_t N>
double norm(const std::array<double, N>& values) {
  double sum = 0.0;
  for (const double value : values) sum += value * value;
  return std::sqrt(sum);
}

// How one coordinate of the reference, or a vector of them taken by its norm, may move.
struct MotionLimits {
  double velocity = 0.0;
  double acceleration = 0.0;       // of stopping and blending
  double peak_acceleration = 0.0;  // while rows are followed
};

// The cubic from a value and a rate to nil at rest. Duration: the window, or longer where a limit asks for it.
template <std::size_t N>
class Fade {
 public:
  using Vector = std::array<double, N>;

  void start(const Vector& value, const Vector& rate, double window, const MotionLimits& limits) {
    from_ = value_ = value;
    rate_from_ = rate_ = rate;
    elapsed_ = 0.0;
    const double size = norm(value), speed = norm(rate);
    duration_ = 0.0;
    if (size == 0.0 && speed == 0.0) return;
    double along = 0.0;
    for (std::size_t i = 0; i < N; ++i) along += value[i] * rate[i];
    const double least = std::max(std::sqrt(6.0 * size / limits.acceleration), 2.0 * size / limits.velocity);
    if (along < 0.0 && along <= -kOpposite * size * speed && speed * least <= 3.0 * size) {
      duration_ = std::min(std::max(window, least), 3.0 * size / speed);  // later it would run past nil and return
    } else {
      duration_ = std::max({window, least, bent(size, speed, limits.acceleration)});
    }
  }
  void clear() { *this = Fade(); }

  void advance(double seconds) {
    if (duration_ == 0.0) return;
    elapsed_ += seconds;
    if (elapsed_ >= duration_) {
      clear();
      return;
    }
    const double u = elapsed_ / duration_, left = 1.0 - u;
    for (std::size_t i = 0; i < N; ++i) {
      value_[i] = left * left * ((1.0 + 2.0 * u) * from_[i] + u * duration_ * rate_from_[i]);
      rate_[i] = -6.0 * u * left / duration_ * from_[i] + left * (1.0 - 3.0 * u) * rate_from_[i];
    }
  }

  bool active() const { return duration_ != 0.0; }
  const Vector& value() const { return value_; }
  const Vector& rate() const { return rate_; }

 private:
  static constexpr double kOpposite = 0.99;  // cosine from which on a rate points back to nil

  // The cubic's acceleration is greatest at an end: at most 6 size / T^2 + 4 speed / T.
  static double bent(double size, double speed, double acceleration) {
    return (2.0 * speed + std::sqrt(4.0 * speed * speed + 6.0 * acceleration * size)) / acceleration;
  }

  Vector from_{}, rate_from_{}, value_{}, rate_{};
  double duration_ = 0.0, elapsed_ = 0.0;
};

}  // namespace bc
