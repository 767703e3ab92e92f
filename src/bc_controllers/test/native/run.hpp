// One controller on a measurement that follows its setpoint, with everything that can come in from outside.
#pragma once

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "bc_controllers/controller.hpp"
#include "panda.hpp"

namespace bc_test {

constexpr std::int64_t kPeriod = 1'000'000;

class Run {
 public:
  // `around` is called with each update to make: update(): void.
  Run(const std::string& urdf, bc::Output output, bool pose)
      : config_(panda(output, pose)), controller_(config_, urdf), position_(kHome), velocity_(kJoints, 0.0) {}

  // One period; `around(update)` has to call update() once.
  template <typename Around>
  void period(const Around& around) {
    now_ += kPeriod;
    around([this] { controller_.update(now_, now_, position_.data(), velocity_.data(), 0.04); });
    ++periods_;
    // Another reading every period, as encoders give: never frozen.
    const auto state = controller_.view().state;
    rungs_.insert(static_cast<int>(state.ladder));
    modes_.insert(static_cast<int>(state.mode));
    for (std::size_t j = 0; j < kJoints; ++j) {
      position_[j] = state.position_reference[j] + 1e-6 * static_cast<double>(periods_ % 2);
      if (!broken_) velocity_[j] = state.velocity_reference[j];
    }
  }
  template <typename Around>
  void step(int periods, const Around& around) {
    for (int i = 0; i < periods; ++i) period(around);
    for (const bc::Ack& ack : controller_.port().acks()) reasons_.insert(static_cast<int>(ack.reason));
    controller_.port().modes();
    controller_.port().results();
  }

  // A smooth swing about home of `amplitude` [rad], or of half as many metres and radians of the tool.
  bc::WireChunk chunk(bc::Source source, double lead_seconds, int rows, double amplitude = 0.1) {
    bc::WireChunk wire;
    wire.stamp_ns = now_ + static_cast<std::int64_t>(lead_seconds * 1e9);
    wire.dt_ns = 50'000'000;
    wire.horizon = rows;
    wire.producer = "a producer with a name longer than any short-string buffer";
    wire.producer_id = 1 + static_cast<std::uint64_t>(source);
    wire.sequence = ++sequence_;
    wire.mode_epoch = controller_.view().state.mode_epoch;
    std::int64_t offset = 0;
    for (const bc::GroupLayout& group : config_.groups) {
      const auto width = static_cast<std::int64_t>(group.width());
      wire.groups.push_back(
          {group.name, static_cast<std::int64_t>(group.space), group.names, group.tip, group.frame_id, offset, width});
      offset += width;
    }
    if (place_.empty()) {
      const auto view = controller_.view();
      place_ = config_.has_pose() ? std::vector<double>(view.tcp.begin(), view.tcp.end()) : kHome;
    }
    for (int row = 0; row < rows; ++row) {
      const double time = static_cast<double>(wire.stamp_ns) * 1e-9 + 0.05 * row;
      const double swing = amplitude * std::sin(2.0 * time);
      std::vector<double> values = place_;
      for (std::size_t i = 0; i < (config_.has_pose() ? 3 : values.size()); ++i) values[i] += 0.5 * swing;
      if (config_.has_pose()) turn(values, 0.5 * swing);
      wire.actions.insert(wire.actions.end(), values.begin(), values.end());
      wire.actions.push_back(0.02);
    }
    return wire;
  }

  void send(bc::Source source, const bc::WireChunk& wire) { controller_.port().submit(source, wire); }
  void send(bc::Source source, double lead_seconds = 0.0, int rows = 8) {
    send(source, chunk(source, lead_seconds, rows));
  }
  void request(bc::Request request) { controller_.port().request(static_cast<std::uint8_t>(request), "test"); }
  void break_encoder(bool broken) {
    broken_ = broken;
    velocity_[3] = broken ? std::nan("") : 0.0;
  }

  bc::Controller& controller() { return controller_; }
  int periods() const { return periods_; }
  const std::set<int>& modes() const { return modes_; }
  const std::set<int>& rungs() const { return rungs_; }
  const std::set<int>& reasons() const { return reasons_; }

 private:
  // The pose's rotation, turned about the base's x axis by an angle.
  static void turn(std::vector<double>& pose, double angle) {
    const double w = std::cos(0.5 * angle), x = std::sin(0.5 * angle);
    const double qx = pose[3], qy = pose[4], qz = pose[5], qw = pose[6];
    pose[3] = w * qx + x * qw;
    pose[4] = w * qy - x * qz;
    pose[5] = w * qz + x * qy;
    pose[6] = w * qw - x * qx;
  }

  bc::ControllerConfig config_;
  bc::Controller controller_;
  std::vector<double> position_, velocity_, place_;
  bool broken_ = false;
  std::int64_t now_ = 1'000'000'000;
  std::uint64_t sequence_ = 0;
  int periods_ = 0;
  std::set<int> modes_, rungs_, reasons_;
};

// Every way to be refused, each once.
template <typename Around>
void refusals(Run& run, const Around& around) {
  const auto spoiled = [&](auto&& spoil, double lead = 0.0) {
    bc::WireChunk wire = run.chunk(bc::Source::kPolicy, lead, 8);
    spoil(wire);
    run.send(bc::Source::kPolicy, wire);
    run.step(3, around);
  };
  spoiled([](bc::WireChunk& wire) { wire.horizon = 1000; });
  spoiled([](bc::WireChunk& wire) { wire.actions.pop_back(); });
  spoiled([](bc::WireChunk& wire) { wire.groups[1].names[0] = "another"; });
  spoiled([](bc::WireChunk& wire) { wire.dt_ns = 0; });
  spoiled([](bc::WireChunk& wire) { wire.actions[5] = std::nan(""); });
  spoiled([](bc::WireChunk& wire) { wire.sequence = 1; });
  spoiled([](bc::WireChunk& wire) { wire.mode_epoch += 7; });
  spoiled([](bc::WireChunk&) {}, -5.0);
  spoiled([](bc::WireChunk&) {}, 5.0);
  run.send(bc::Source::kPlanner);
  for (int i = 0; i < 6; ++i) run.send(bc::Source::kPolicy, 0.5 - 0.05 * i);
  run.step(3, around);
}

// All modes, rungs of the ladder and refusals, and every live setting.
template <typename Around>
void everything(Run& run, const Around& around) {
  run.step(10, around);
  run.request(bc::Request::kResume);
  run.step(2500, around);  // no first chunk: compliant
  for (int i = 0; i < 20; ++i) {
    run.send(bc::Source::kPolicy, 0.02);
    run.controller().settings().set_wrench({1.0, 2.0, 3.0, 0.1, 0.2, 0.3});
    run.step(100, around);
  }
  run.controller().settings().use_preset("CO");
  run.controller().settings().set_payload({1.0, {0.0, 0.0, 0.1}});
  refusals(run, around);
  run.send(bc::Source::kHuman, 0.02, 3);
  run.step(600, around);  // lease over
  run.request(bc::Request::kGrant);
  run.step(1, around);
  run.send(bc::Source::kPlanner);
  run.step(1000, around);  // starved
  run.break_encoder(true);
  run.step(10, around);
  run.break_encoder(false);
  run.request(bc::Request::kReset);
  run.controller().relocate("test");
  run.step(2500, around);
}

}  // namespace bc_test
