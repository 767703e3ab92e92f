// Parameters of a plugin to the library's configuration.
#pragma once

#include "bc_controllers/chunk_controller_parameters.hpp"
#include "bc_controllers/config.hpp"

namespace bc_plugins {

// `update_rate` of the control loop [Hz]. ConfigError names what contradicts; the Controller checks the values.
bc::ControllerConfig configuration(const chunk_controller::Params& parameters, bc::Output output,
                                   unsigned int update_rate);

}  // namespace bc_plugins
