#pragma once

#include <nanobind/nanobind.h>

// Config and its parts, as attributes that bc_controllers/config.py fills in.
void bind_config(nanobind::module_& m);
