#include "bc_controllers/settings.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "checks.hpp"

namespace bc {

namespace {

constexpr double kMostRatio = 3.0;  // of damping

template <std::size_t N>
void load(const std::vector<double>& from, std::array<double, N>& into) {
  std::copy(from.begin(), from.end(), into.begin());
}

// At most `most` times the largest configured value of a kind: of all joints' own, of translation and of rotation.
Vector6 most_of(const Vector6& values, double most) {
  const double translation = *std::max_element(values.begin(), values.begin() + 3);
  const double rotation = *std::max_element(values.begin() + 3, values.end());
  return {most * translation, most * translation, most * translation,
          most * rotation,    most * rotation,    most * rotation};
}

void check_value(const std::string& name, double value, double least, double most) {
  if (std::isfinite(value) && value >= least && value <= most) return;
  throw ConfigError(name + " is " + std::to_string(value) + ": it must lie between " + std::to_string(least) + " and " +
                    std::to_string(most));
}

void approach(double& value, double wanted, double step) {
  value += std::clamp(wanted - value, -step, step);
}

template <std::size_t N>
void approach(std::array<double, N>& values, const std::array<double, N>& wanted, const std::array<double, N>& most,
              double share) {
  for (std::size_t i = 0; i < N; ++i) approach(values[i], wanted[i], most[i] * share);
}

}  // namespace

LiveSettings::LiveSettings(const ControllerConfig& config)
    : config_(config.settings),
      joints_(config.joint_names()),
      damping_most_(kMostRatio),
      tool_stiffness_(config.output == Output::kCartesianImpedance),
      joint_stiffness_(config.output == Output::kJointImpedance) {
  load(config.cartesian.least_damping, least_damping_);
  load(config.stiffness, configured_.stiffness);
  load(config.damping, configured_.damping);
  load(config.cartesian.stiffness, configured_.cartesian_stiffness);
  load(config.cartesian.damping_ratio, configured_.cartesian_damping_ratio);
  load(config.cartesian.nullspace_stiffness, configured_.nullspace_stiffness);
  configured_.nullspace_damping_ratio = config.cartesian.nullspace_damping_ratio;

  const double most = config_.most;
  for (std::size_t i = 0; i < joints_.size(); ++i) {
    most_.stiffness[i] = most * configured_.stiffness[i];
    most_.damping[i] = most * configured_.damping[i];
  }
  most_.cartesian_stiffness = most_of(configured_.cartesian_stiffness, most);
  most_.cartesian_damping_ratio.fill(damping_most_);
  most_.nullspace_stiffness.fill(
      most * *std::max_element(configured_.nullspace_stiffness.begin(), configured_.nullspace_stiffness.end()));
  most_.nullspace_damping_ratio = damping_most_;

  for (const Preset& known : config_.presets) check(preset(known.name));
  wanted_.settings.gains = preset(config_.preset);
  set_payload(config.payload);
  now_ = wanted_.settings;
  for (std::size_t i = 0; i < 3; ++i) moment_[i] = now_.payload.mass * now_.payload.center[i];
}

Gains LiveSettings::preset(std::string_view name) const {
  Gains gains = configured_;
  if (name.empty()) return gains;
  std::string known;
  for (const Preset& entry : config_.presets) {
    if (entry.name != name) {
      known += (known.empty() ? "" : ", ") + entry.name;
      continue;
    }
    const auto scale = [](auto& values, double factor) {
      for (double& value : values) value *= factor;
    };
    scale(gains.stiffness, entry.stiffness);
    scale(gains.damping, entry.damping_ratio * std::sqrt(entry.stiffness));  // the ratio times damping_ratio
    scale(gains.cartesian_stiffness, entry.stiffness);
    scale(gains.cartesian_damping_ratio, entry.damping_ratio);
    scale(gains.nullspace_stiffness, entry.stiffness);
    gains.nullspace_damping_ratio *= entry.damping_ratio;
    return gains;
  }
  throw ConfigError("gains.preset '" + std::string(name) + "' is unknown: known are " +
                    (known.empty() ? "none" : known));
}

void LiveSettings::check(const Gains& gains) const {
  for (std::size_t i = 0; i < joints_.size(); ++i) {
    check_value("stiffness of " + joints_[i], gains.stiffness[i], 0.0, most_.stiffness[i]);
    check_value("damping of " + joints_[i], gains.damping[i], 0.0, most_.damping[i]);
    check_value("nullspace_stiffness of " + joints_[i], gains.nullspace_stiffness[i], 0.0,
                most_.nullspace_stiffness[i]);
    require(!joint_stiffness_ || gains.stiffness[i] > 0.0 || gains.damping[i] > 0.0,
            "stiffness and damping of " + joints_[i] +
                " are both zero: the joint would be free and undamped; give it one of the two");
  }
  for (std::size_t i = 0; i < 6; ++i) {
    const std::string axis = kAxes[i];
    if (tool_stiffness_) check_free_axis(i, gains.cartesian_stiffness[i], least_damping_[i]);
    check_value("cartesian.stiffness " + axis, gains.cartesian_stiffness[i], 0.0, most_.cartesian_stiffness[i]);
    check_value("cartesian.damping_ratio " + axis, gains.cartesian_damping_ratio[i], 0.0, damping_most_);
  }
  check_value("cartesian.nullspace_damping_ratio", gains.nullspace_damping_ratio, 0.0, damping_most_);
}

void LiveSettings::publish() {
  handed_.writable() = wanted_;
  handed_.publish();
}

void LiveSettings::set_gains(const Gains& gains) {
  check(gains);
  const std::lock_guard<std::mutex> lock(asking_);
  wanted_.settings.gains = gains;
  publish();
}

void LiveSettings::use_preset(std::string_view name) {
  set_gains(preset(name));
}

void LiveSettings::set_payload(const Payload& payload) {
  check_value("payload.mass", payload.mass, 0.0, config_.payload_mass);
  for (std::size_t i = 0; i < 3; ++i) {
    check_value(std::string("payload.center ") + kAxes[i], payload.center[i], -1.0, 1.0);
  }
  const std::lock_guard<std::mutex> lock(asking_);
  wanted_.settings.payload = payload;
  publish();
}

void LiveSettings::set_wrench(const Vector6& wrench) {
  for (std::size_t i = 0; i < 6; ++i) {
    const double most = i < 3 ? config_.wrench_force : config_.wrench_torque;
    check_value(std::string("wrench ") + kAxes[i], wrench[i], -most, most);
  }
  const std::lock_guard<std::mutex> lock(asking_);
  wanted_.settings.wrench = wrench;
  ++wanted_.wrench_count;
  publish();
}

Settings LiveSettings::wanted() const {
  const std::lock_guard<std::mutex> lock(asking_);
  return wanted_.settings;
}

const Settings& LiveSettings::advance(double seconds, std::int64_t steady_ns, bool may_push) {
  const Wanted& wanted = handed_.read();
  if (!handed_.filled()) return now_;
  const double share = seconds / config_.time;
  const Gains& gains = wanted.settings.gains;
  approach(now_.gains.stiffness, gains.stiffness, most_.stiffness, share);
  approach(now_.gains.damping, gains.damping, most_.damping, share);
  approach(now_.gains.cartesian_stiffness, gains.cartesian_stiffness, most_.cartesian_stiffness, share);
  approach(now_.gains.cartesian_damping_ratio, gains.cartesian_damping_ratio, most_.cartesian_damping_ratio, share);
  approach(now_.gains.nullspace_stiffness, gains.nullspace_stiffness, most_.nullspace_stiffness, share);
  approach(now_.gains.nullspace_damping_ratio, gains.nullspace_damping_ratio, damping_most_ * share);

  if (wanted.wrench_count != wrench_seen_) {
    wrench_seen_ = wanted.wrench_count;
    wrench_until_ = steady_ns + config_.wrench_time_ns;
  }
  const bool fresh = may_push && wrench_seen_ > 0 && steady_ns < wrench_until_;
  for (std::size_t i = 0; i < 6; ++i) {
    approach(now_.wrench[i], fresh ? wanted.settings.wrench[i] : 0.0,
             (i < 3 ? config_.wrench_force : config_.wrench_torque) * share);
  }
  // Mass and first moment change evenly: so does the torque that holds them.
  approach(now_.payload.mass, wanted.settings.payload.mass, config_.payload_mass * share);
  for (std::size_t i = 0; i < 3; ++i) {
    approach(moment_[i], wanted.settings.payload.mass * wanted.settings.payload.center[i],
             config_.payload_mass * share);
    now_.payload.center[i] = now_.payload.mass > 0.0 ? moment_[i] / now_.payload.mass : 0.0;
  }
  return now_;
}

void LiveSettings::copy_from(LiveSettings& other) {
  const std::scoped_lock lock(asking_, other.asking_);
  wanted_ = other.wanted_;
  publish();
  now_ = other.now_;
  moment_ = other.moment_;
  wrench_seen_ = other.wrench_seen_;
  wrench_until_ = other.wrench_until_;
}

}  // namespace bc
