// What values of a configuration must be: ConfigError otherwise, naming the parameter and the value.
#pragma once

#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "bc_controllers/config.hpp"

namespace bc {

inline void require(bool condition, const std::string& message) {
  if (!condition) throw ConfigError(message);
}

inline double in_seconds(std::int64_t nanoseconds) {
  return static_cast<double>(nanoseconds) * 1e-9;
}

// One finite value per joint, not below (or, strictly, above) zero.
inline void check_vector(const char* name, const std::vector<double>& values, const std::vector<std::string>& joints,
                         bool strictly_positive) {
  require(values.size() == joints.size(), std::string(name) + " has " + std::to_string(values.size()) + " values for " +
                                              std::to_string(joints.size()) + " joints: give one per joint");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool good = std::isfinite(values[i]) && (strictly_positive ? values[i] > 0.0 : values[i] >= 0.0);
    require(good, std::string(name) + " of " + joints[i] + " is " + std::to_string(values[i]) + ": it must be " +
                      (strictly_positive ? "positive" : "zero or positive"));
  }
}

inline void check_positive(const std::string& name, double value) {
  require(std::isfinite(value) && value > 0.0, name + " is " + std::to_string(value) + ": it must be positive");
}

inline void check_range(const std::string& name, double lower, double upper) {
  require(std::isfinite(lower) && std::isfinite(upper) && lower < upper,
          name + " ranges from " + std::to_string(lower) + " to " + std::to_string(upper) +
              ": the lower limit must be below the upper one");
}

inline void check_not_negative(const std::string& name, double value) {
  require(std::isfinite(value) && value >= 0.0,
          name + " is " + std::to_string(value) + ": it must be zero or positive");
}

inline void check_share(const std::string& name, double value) {
  require(value >= 0.0 && value <= 1.0, name + " is " + std::to_string(value) + ": it is a share, 0 to 1");
}

inline void check_choice(const char* name, const std::string& value, const std::string& one, const std::string& other) {
  require(value == one || value == other,
          std::string(name) + " '" + value + "' is unknown: use " + one + " or " + other);
}

constexpr std::array<const char*, 6> kAxes = {"x", "y", "z", "rotation x", "rotation y", "rotation z"};

// An axis without stiffness is free: it must be damped by itself, or a wrench would drive it on and on.
inline void check_free_axis(std::size_t axis, double stiffness, double least_damping) {
  require(stiffness > 0.0 || least_damping > 0.0,
          std::string("cartesian.stiffness ") + kAxes[axis] + " is zero and cartesian.least_damping " + kAxes[axis] +
              " too: the axis would be free and undamped; give it one of the two");
}

// Of the outputs, not of layout and limits (config_outputs.cpp).
void check_outputs(const ControllerConfig& config);

}  // namespace bc
