"""The controller of bc_ros: command arbiter, reference, safety limits and joint impedance, in C++ without ROS.

`Controller` runs once per control period; `Arbiter` is its upper half alone, in virtual time; `load_robot` reads
config/robots/*.yaml. Messages go in and come out as plain values: docs/protocol.md says what they mean.
"""

from bc_controllers._binding import (
    Ack,
    ConfigError,
    ControllerState,
    ControllerStatus,
    ModeChange,
    ModeResult,
)
from bc_controllers.config import ControllerConfig
from bc_controllers.controller import Arbiter, Controller
from bc_controllers.robot import Robot, load_robot

__all__ = [
    "Ack",
    "Arbiter",
    "ConfigError",
    "Controller",
    "ControllerConfig",
    "ControllerState",
    "ControllerStatus",
    "ModeChange",
    "ModeResult",
    "Robot",
    "load_robot",
]
