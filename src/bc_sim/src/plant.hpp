// MuJoCo and the controller in one loop: the robot when there is none.
#pragma once

#include <mujoco/mujoco.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bc_controllers/controller.hpp"
#include "bc_controllers/mailbox.hpp"
#include "bc_controllers/statistics.hpp"
#include "realtime.hpp"

namespace bc_sim {

struct Wiring {
  std::vector<std::string> arm_joints, arm_actuators, finger_joints, finger_actuators;
};

// One period's measurement, taken at its beginning.
struct Sample {
  std::int64_t now_ns = 0;
  std::uint64_t period = 0;
  double simulation_time = 0.0;
  bc::JointVector position{}, velocity{}, torque{};
  double gripper = 0.0;
  double gripper_velocity = 0.0;
};

struct PlantStatus {
  double rate_hz = 0.0, realtime_factor = 0.0;
  std::uint64_t periods = 0, late_over_1ms = 0;
  double late_p50_us = 0.0, late_p99_us = 0.0, late_max_us = 0.0;
  double update_p50_us = 0.0, update_p99_us = 0.0, update_max_us = 0.0;
  std::uint64_t skipped_periods = 0, samples_lost = 0, physics_warnings = 0;
  std::string scheduling;
};

// The physics belong to whoever runs periods: the caller of advance(), or the thread between start() and stop().
// Everybody else looks through read() and changes through write(), which pass whole states without locking the loop.
class Plant {
 public:
  // std::invalid_argument when model, wiring, period and controller do not fit together.
  Plant(bc::Controller& controller, mjModel* model, mjData* data, const Wiring& wiring, std::int64_t period_ns,
        std::int64_t start_ns);
  ~Plant();
  Plant(const Plant&) = delete;
  Plant& operator=(const Plant&) = delete;

  std::int64_t advance(std::int64_t periods);  // lock step; returns the time of the next period
  void start(int priority, bool lock_memory);
  void stop();
  bool running() const { return running_.load(std::memory_order_acquire); }
  std::int64_t now_ns() const { return now_ns_.load(std::memory_order_acquire); }

  Sample sample();
  std::vector<Sample> samples();
  Sample read(mjData* into);
  void write(const mjData* from, const std::string& reason);
  // Physics, controller and time of another plant of the same model: from here on both do the same, given the same
  // commands. std::runtime_error while either's thread runs, std::invalid_argument for another model.
  void copy_from(Plant& other);
  PlantStatus status();
  void reset_statistics();
  std::size_t joints() const { return arm_qpos_.size(); }

 private:
  struct Snapshot {
    Sample sample;
    std::vector<mjtNum> state;
  };
  struct Write {
    std::vector<mjtNum> state;
    bc::FixedString<128> reason;
  };

  void period(std::int64_t now_ns, std::int64_t steady_ns);
  void measure(std::int64_t now_ns);
  void take_snapshot();
  void apply(const Write& write);
  void run(int priority);
  void refuse_while_running(const char* what) const;

  bc::Controller& controller_;
  mjModel* model_;
  mjData* data_;
  std::int64_t period_ns_;
  int steps_;
  std::vector<int> arm_qpos_, arm_qvel_, arm_ctrl_, finger_qpos_, finger_qvel_, finger_ctrl_;

  Sample current_;             // the loop's
  std::uint64_t periods_ = 0;  // done
  std::int64_t sampled_ = -1;  // multiple of 5 ms that the last sample stands for
  std::atomic<std::int64_t> now_ns_;
  bc::Latest<Snapshot> snapshot_;
  bc::Mailbox<Sample> samples_;
  bc::Mailbox<Write> writes_;
  std::atomic<std::uint64_t> writes_done_{0};
  std::uint64_t writes_asked_ = 0;
  std::mutex reading_, sampling_, writing_, running_control_;

  std::thread thread_;
  std::atomic<bool> running_{false};
  std::atomic<bool> stopping_{false};

  // Statistics: written by the loop, read and reset by others.
  bc::DurationHistogram late_, update_;
  std::atomic<std::uint64_t> counted_{0}, skipped_{0}, samples_lost_{0}, warnings_{0};
  std::atomic<std::int64_t> since_steady_{steady_now()};
  std::atomic<std::int64_t> stopped_steady_{0};  // 0: not stopped
  std::string scheduling_ = "lock step";
  std::mutex describing_;
};

}  // namespace bc_sim
