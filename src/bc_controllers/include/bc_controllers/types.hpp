// Numbers and small values of the protocol (docs/protocol.md); enumerators equal the constants of bc_msgs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bc {

constexpr std::size_t kMaxJoints = 16;               // of all joint groups together
constexpr std::size_t kMaxColumns = kMaxJoints + 1;  // and one gripper
constexpr std::size_t kMaxRows = 256;
constexpr std::size_t kMaxWaiting = 4;
constexpr std::int64_t kMinDt = 1'000'000;        // [ns]
constexpr std::int64_t kMaxDt = 1'000'000'000;    // [ns]
constexpr std::int64_t kMaxLead = 1'000'000'000;  // row 0 in the future at most [ns]
constexpr std::int64_t kMostPeriods = 5;          // what a loop that was late catches up with in one step
constexpr std::uint32_t kMinRows = 2;
constexpr std::uint32_t kMinRowsHuman = 3;

using JointVector = std::array<double, kMaxJoints>;
using RowVector = std::array<double, kMaxColumns>;
using Vector3 = std::array<double, 3>;
using Vector6 = std::array<double, 6>;  // of the tool centre point: translation x y z, rotation x y z

constexpr std::size_t kPoseColumns = 7;  // x y z qx qy qz qw

// Of the tool centre point in the base frame.
struct Pose {
  Vector3 position{};                              // [m]
  std::array<double, 4> rotation{0., 0., 0., 1.};  // unit quaternion x y z w
};

// Its rate, along the axes of the base frame.
struct Twist {
  Vector3 linear{};   // [m/s]
  Vector3 angular{};  // [rad/s]
};

enum class Space : std::uint8_t { kJointPosition = 1, kCartesianPose = 2, kGripper = 3 };
enum class Source : std::uint8_t { kPolicy = 0, kHuman = 1, kPlanner = 2 };
enum class Mode : std::uint8_t { kHold = 0, kPolicy = 1, kPlanner = 2, kHuman = 3, kStopped = 4 };
enum class Request : std::uint8_t { kResume = 1, kGrant = 2, kHold = 3, kStop = 4, kReset = 5 };
enum class Verdict : std::uint8_t { kInForce = 1, kRefused = 2 };
enum class Rung : std::uint8_t { kFollowing = 0, kStopping = 1, kHolding = 2, kCompliant = 3 };

enum class Reason : std::uint8_t {
  kNone = 0,
  kSize = 1,
  kLayout = 2,
  kNotFinite = 3,
  kOldSequence = 4,
  kForeignEpoch = 5,
  kWrongSource = 6,
  kExpired = 7,
  kClock = 8,
  kTiming = 9,
  kSuperseded = 10,
  kOverflow = 11,
};
constexpr std::size_t kReasons = 12;

constexpr std::array<Source, 3> kSources = {Source::kHuman, Source::kPolicy, Source::kPlanner};  // order of service

std::string_view name_of(Source source);
std::string_view name_of(Mode mode);
std::string_view name_of(Request request);

// Text in place: assigning it allocates nothing. What does not fit is cut off.
template <std::size_t N>
class FixedString {
 public:
  FixedString() = default;
  FixedString(std::string_view text) { *this = text; }  // NOLINT: a text is what it is made of
  FixedString& operator=(std::string_view text) {
    size_ = std::min(text.size(), N);
    std::copy_n(text.data(), size_, text_.begin());
    return *this;
  }
  std::string_view view() const { return {text_.data(), size_}; }
  std::string str() const { return std::string(view()); }

 private:
  std::array<char, N> text_{};
  std::size_t size_ = 0;
};

// A verdict as the control loop leaves it: detail(ack) puts it into words later, outside the loop.
struct Ack {
  std::int64_t stamp_ns = 0;
  Source source = Source::kPolicy;
  FixedString<64> producer;
  std::uint64_t producer_id = 0;
  std::uint64_t sequence = 0;
  Verdict verdict = Verdict::kRefused;
  Reason reason = Reason::kNone;
  FixedString<192> fault;     // structural faults: in words, written before the loop saw the chunk
  std::int64_t expected = 0;  // other refusals: what the rule asked for ...
  std::int64_t found = 0;     // ... and what the chunk had
  Mode mode = Mode::kHold;    // at the verdict
  std::uint64_t mode_epoch = 0;
  std::int64_t effective_ns = 0;
  double row = 0.0;
  double raw_jump = 0.0;           // joints [rad], or the pose's position [m]
  double raw_jump_rotation = 0.0;  // of the pose [rad]
  double raw_jump_gripper = 0.0;
  std::uint32_t clamped = 0;
};
std::string detail(const Ack& ack);

struct ModeChange {
  std::int64_t stamp_ns = 0;
  Mode mode = Mode::kHold;
  std::uint64_t epoch = 1;
  Mode previous = Mode::kHold;
  FixedString<128> reason;
};

struct ModeRequest {
  std::uint64_t ticket = 0;
  std::uint8_t request = 0;  // unchecked: may be none of Request
  FixedString<128> reason;
};

struct ModeResult {
  std::uint64_t ticket = 0;
  std::uint8_t request = 0;
  bool success = false;
  bool queue_full = false;  // the control loop never saw it
  Mode before = Mode::kHold;
  Mode mode = Mode::kHold;
  std::uint64_t epoch = 1;
};
std::string message(const ModeResult& result);  // empty when it succeeded

struct Counters {
  std::uint64_t periods = 0;
  std::uint64_t chunks_in_force = 0;
  std::uint64_t chunks_refused = 0;
  std::array<std::uint64_t, kReasons> refused_by_reason{};
  std::uint64_t values_clamped = 0;
  std::uint64_t starved_periods = 0;
  std::uint64_t commands_overdue = 0;  // chunks ended by the watchdog on their age, or by a jump of the ROS clock
  std::uint64_t sources_silent = 0;    // chunks ended because their source was not heard of any more
  // Faults.
  std::uint64_t nonfinite_inputs = 0;
  std::uint64_t nonfinite_commands = 0;
  std::uint64_t frozen_encoders = 0;
  // Periods in which a limit acted: on the reference,
  std::uint64_t velocity_limited = 0;
  std::uint64_t acceleration_limited = 0;
  // the setpoint,
  std::uint64_t workspace_limited = 0;
  std::uint64_t tcp_speed_limited = 0;
  std::uint64_t kinematics_limited = 0;  // joints could not follow the pose
  // and the command.
  std::uint64_t error_clipped = 0;
  std::uint64_t limits_repelled = 0;
  std::uint64_t overspeed = 0;
  std::uint64_t torque_limited = 0;
  std::uint64_t torque_rate_limited = 0;
  std::uint64_t position_limited = 0;  // position outputs: range or speed of the command
};

}  // namespace bc
