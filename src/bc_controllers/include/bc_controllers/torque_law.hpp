// What joint and Cartesian impedance have in common: measurement and setpoint in, torque out.
#pragma once

#include "bc_controllers/setpoint.hpp"
#include "bc_controllers/settings.hpp"
#include "bc_controllers/types.hpp"

namespace bc {

struct Measurement {
  JointVector position{};  // [rad]
  JointVector velocity{};  // [rad/s]
};

class TorqueLaw {
 public:
  virtual ~TorqueLaw() = default;
  // Springs, dampers and the wrench; model compensation comes on top. `share` of the stiffness is in use, and its root
  // of the damping, so that damping ratios stay. Returns whether an error was clipped. Allocates nothing.
  virtual bool torque(const Measurement& measured, const Setpoint& setpoint, const Settings& settings, double share,
                      JointVector& torque) = 0;
};

}  // namespace bc
