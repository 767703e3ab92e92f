"""Paths of the tool: towards a moving object, along with it, and up from it.

A path gives its target at a time [s] since its start, for an object that is seen now.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import BPoly
from scipy.spatial.transform import Rotation

from bc_teleop.command import Array, ObjectView, Pose
from bc_teleop.devices import motion

QUARTER = math.pi / 2


@dataclass(frozen=True)
class Target:
    """Where the tool should be now, and its linear [m/s] and angular [rad/s] velocity there; base frame."""

    pose: Pose
    linear: Array
    angular: Array


@dataclass(frozen=True)
class Arc:
    """Down upon a moving object: the offset from it dies out in the plane while the tool swings out to one side, comes
    down to a height above the object, turns, and goes from there onto it.

    offset: in the plane [m]; above: height over the object [m] until the descent; descent: what is added to it from
    descent_start [s] on; normal: direction of the swing, unit, shape (2,); yaw_error: from the yaw at the end [rad], as
    it is until turn_start [s]; quarter: that yaw less the object's.
    """

    offset: BPoly
    above: BPoly
    descent: BPoly
    descent_start: float
    normal: Array
    swing: float
    yaw_error: BPoly
    turn_start: float
    quarter: float

    @property
    def end(self) -> float:
        """Time of the end [s]."""
        return self.descent_start + float(self.descent.x[-1])

    def target(self, time: float, seen: ObjectView) -> Target:
        duration = float(self.offset.x[-1])
        offset, offset_rate = motion.at(self.offset, time)
        swing, swing_rate = motion.bump(time / duration)
        above, above_rate = motion.at(self.above, time)
        descent, descent_rate = motion.at(self.descent, time - self.descent_start)
        yaw_error, yaw_rate = motion.at(self.yaw_error, time - self.turn_start)
        side = self.swing * self.normal
        relative = np.append(offset + side * swing, above + descent)
        rate = np.append(offset_rate + side * (swing_rate / duration), above_rate + descent_rate)
        yaw = motion.yaw_of(seen.pose.rotation) + self.quarter + float(yaw_error)
        pose = Pose(seen.pose.position + relative, motion.pointing_down(yaw))
        return Target(pose, seen.velocity + rate, np.array([0.0, 0.0, float(yaw_rate)]))


@dataclass(frozen=True)
class Straight:
    """At constant velocity from a position: along with an object that the fingers hold. Following what one holds would
    be chasing oneself.
    """

    start: Array
    velocity: Array
    rotation: Rotation

    def target(self, time: float, seen: ObjectView) -> Target:
        return Target(Pose(self.start + self.velocity * time, self.rotation), self.velocity, np.zeros(3))


@dataclass(frozen=True)
class Rise:
    """Along a profile of the position, at constant rotation; stands at its end."""

    profile: BPoly
    rotation: Rotation

    def target(self, time: float, seen: ObjectView) -> Target:
        position, linear = motion.at(self.profile, time)
        return Target(Pose(position, self.rotation), linear, np.zeros(3))


def grasp_yaw(tool_yaw: float, object_yaw: float, turn: int) -> float:
    """The next yaw of the tool [rad] that grips two faces of a cube, in direction turn (+1, -1; 0: the nearest)."""
    below = object_yaw + QUARTER * math.floor((tool_yaw - object_yaw) / QUARTER)
    if turn == 0:
        return below if tool_yaw - below < QUARTER / 2 else below + QUARTER
    return below + QUARTER if turn > 0 else below


def left_of(chord: Array) -> Array:
    """Unit vector to the left of a way in the plane, shape (2,); of straight ahead (+x) where there is no way to go."""
    length = float(np.linalg.norm(chord))
    ahead = chord / length if length > 0.02 else np.array([1.0, 0.0])
    return np.array([-ahead[1], ahead[0]])
