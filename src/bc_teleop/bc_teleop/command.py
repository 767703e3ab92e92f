"""What passes between a person (or the scripted expert) and teleoperation: what they see, and what they do.

Everything is in the robot's base frame (REP 103: x forward, y left, z up), in SI units; times are ROS nanoseconds.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

Array = npt.NDArray[np.float64]


class Button(StrEnum):
    """What a device can ask for besides motion. Taking over has no button: the dead-man itself does it."""

    RESUME = "resume"  # give control to the policy
    STOP = "stop"  # software stop
    RESET = "reset"  # leave the software stop
    START = "start"  # begin an episode
    PAUSE = "pause"  # leave observations out of the episode, or go on
    SUCCESS = "success"  # end the episode, labelled
    FAILURE = "failure"
    DISCARD = "discard"  # end the episode and delete it
    RERECORD = "rerecord"  # delete the episode and begin it anew


@dataclass(frozen=True)
class Pose:
    """position: shape (3,) [m]; rotation: of the frame in the base frame."""

    position: Array
    rotation: Rotation


@dataclass(frozen=True)
class DeviceCommand:
    """One reading of a device.

    enabled: the dead-man is held; without it nothing else moves the robot. linear [m/s] and angular [rad/s]: velocity
    of the tool centre point, shape (3,) each. gripper: opening to go to [m]; None: keep. pressed: buttons that went
    down since the last reading.

    joints: velocity of the joints [rad/s], shape (n,), in the place of the twist. posture: joint positions to go to
    [rad], shape (n,), in the place of both. told: how the device stands, for whoever holds it (mode, speed). refused:
    why it gives nothing though its dead-man is held.
    """

    enabled: bool = False
    linear: Array = field(default_factory=lambda: np.zeros(3))
    angular: Array = field(default_factory=lambda: np.zeros(3))
    gripper: float | None = None
    pressed: frozenset[Button] = frozenset()
    joints: Array | None = None
    posture: Array | None = None
    told: str = ""
    refused: str = ""


@dataclass(frozen=True)
class ObjectView:
    """The object as seen: pose, and linear velocity [m/s], shape (3,), both in the base frame."""

    pose: Pose
    velocity: Array


@dataclass(frozen=True)
class TaskView:
    """The task as it stands: seed of the last reset, seconds since then, and whether it is decided."""

    name: str
    seed: int
    elapsed: float
    success: bool
    failure: bool


@dataclass(frozen=True)
class Observation:
    """What can be seen at one moment. tcp and gripper opening [m] are measured; None: not seen (or no longer fresh).

    held: the controller is in HOLD, nobody commands. joints: of the controller's reference [rad], shape (n,). asked:
    the policy asks for help. tcp_velocity: linear velocity of the tool [m/s], shape (3,); None: taken for at rest.
    """

    time_ns: int
    tcp: Pose
    gripper: float
    object: ObjectView | None = None
    task: TaskView | None = None
    recording: bool = False
    held: bool = False
    asked: bool = False
    tcp_velocity: Array | None = None
    joints: Array | None = None


class Device(Protocol):
    """Anything that a robot can be driven with."""

    def command(self, seen: Observation) -> DeviceCommand:
        """The command at seen.time_ns. Called once a period, with times that do not decrease."""
        ...
