"""What a motion is to reach, what a planner answers, and why it does not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import pinocchio as pin

from bc_core.chunks import Array
from bc_core.errors import BcError


class Reason(IntEnum):
    """Of an end; values equal bc_msgs/MoveTo's result."""

    SUCCESS = 0
    BAD_GOAL = 1
    START_IN_COLLISION = 2
    GOAL_IN_COLLISION = 3
    OUT_OF_LIMITS = 4
    UNREACHABLE = 5
    NO_PATH = 6
    NOT_GRANTED = 7
    PREEMPTED = 8
    CANCELED = 9
    FAILED = 10


class MotionError(BcError):
    """A motion that cannot be, or that has ended early; the message names thing, value and remedy."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class MotionGoal:
    """Common to all goals. gripper: opening at the end [m]; None: as it is. speed: share of the limits, 0 < s <= 1."""

    gripper: float | None = None
    speed: float | None = None


@dataclass(frozen=True)
class ToJoints(MotionGoal):
    """To positions by joint name [rad], all of the arm's."""

    positions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ToNamed(MotionGoal):
    """To a configuration of the workspace, or "home"."""

    name: str = ""


@dataclass(frozen=True)
class ToPose(MotionGoal):
    """The tool centre point to a pose in the base frame; the last `straight` metres along the tool's z axis."""

    pose: pin.SE3 = field(default_factory=pin.SE3.Identity)
    straight: float = 0.0


@dataclass(frozen=True)
class Back(MotionGoal):
    """The tool centre point straight back along its z axis by a distance [m]."""

    distance: float = 0.0


@dataclass(frozen=True)
class Grip(MotionGoal):
    """The gripper alone."""


@dataclass(frozen=True)
class Motion:
    """rows: (N, D) at ticks, at rest at both ends; N is 0 where nothing needs to move. seconds: that planning took.

    end: joint positions that it ends with, (n,) [rad].
    """

    rows: Array
    end: Array
    seconds: float
