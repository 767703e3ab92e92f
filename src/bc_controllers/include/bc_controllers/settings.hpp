// What may change while the controller runs: gains, payload, a wrench to apply. Validated outside the loop, and
// reached in it at a limited rate.
#pragma once

#include <cstdint>
#include <mutex>
#include <string_view>

#include "bc_controllers/config.hpp"
#include "bc_controllers/mailbox.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

struct Gains {
  JointVector stiffness{};            // [Nm/rad]
  JointVector damping{};              // [Nm s/rad]
  Vector6 cartesian_stiffness{};      // [N/m], [Nm/rad]
  Vector6 cartesian_damping_ratio{};  // both in the axes of cartesian.stiffness_frame
  JointVector nullspace_stiffness{};  // [Nm/rad]
  double nullspace_damping_ratio = 1.0;
};

struct Settings {
  Gains gains;
  Payload payload;
  Vector6 wrench{};  // that the tool applies, along the base frame's axes [N], [Nm]
};

// Setters: any thread; ConfigError names the value that is refused, and leaves everything as it was.
// advance(): the control loop's, wait-free.
class LiveSettings {
 public:
  explicit LiveSettings(const ControllerConfig& config);

  void set_gains(const Gains& gains);
  void use_preset(std::string_view name);  // "": the configured gains
  void set_payload(const Payload& payload);
  void set_wrench(const Vector6& wrench);  // dropped when not renewed within wrench_time
  Settings wanted() const;                 // what was asked for last

  // may_push: otherwise a wrench fades, whoever renews it.
  const Settings& advance(double seconds, std::int64_t steady_ns, bool may_push);
  const Settings& now() const { return now_; }

  void copy_from(LiveSettings& other);

 private:
  struct Wanted {
    Settings settings;
    std::uint64_t wrench_count = 0;  // of set_wrench() so far
  };

  Gains preset(std::string_view name) const;
  void check(const Gains& gains) const;
  void publish();

  SettingsConfig config_;
  std::vector<std::string> joints_;
  Gains configured_, most_;
  double damping_most_;
  bool tool_stiffness_;      // the output has springs at the tool
  bool joint_stiffness_;     // ... at the joints
  Vector6 least_damping_{};  // of these

  mutable std::mutex asking_;
  Wanted wanted_;
  Latest<Wanted> handed_;

  Settings now_;  // the loop's, from here on
  Vector3 moment_{};
  std::uint64_t wrench_seen_ = 0;
  std::int64_t wrench_until_ = 0;
};

}  // namespace bc
