"""How fast the joints go from knot to knot of a chunk: a tool is driven, joints are, or a leader is followed."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial.transform import Rotation

from bc_teleop.command import Array, DeviceCommand, Pose
from bc_teleop.ik import DifferentialIk
from bc_teleop.limiter import Twist, TwistLimits, approach

_LAG = 0.1  # [s] by which a leader that moves evenly is followed


@dataclass(frozen=True)
class Bounds:
    """dt: from knot to knot [s]. change: of the joint velocity in that time, shape (n,) [rad/s]. limits: the hand's."""

    dt: float
    change: Array
    limits: TwistLimits


class Course(Protocol):
    """Asked once per knot, in order."""

    @property
    def moves(self) -> bool:
        """Is there more to come than what the joints' own velocity says?"""
        ...

    def speed(self, joints: Array, speed: Array, share: float) -> Array:
        """Mean joint velocity from the knot at `joints` to the next, after `speed`; shape (n,) each [rad/s].

        share: of a whole `dt` that lies between the two velocities.
        """
        ...


def course(
    ik: DifferentialIk, joints: Array, velocity: Array, command: DeviceCommand, bounds: Bounds, knots: int
) -> Course:
    """What a command asks for, from joints that move with `velocity`. knots: of a chunk."""
    if command.posture is not None:
        return LeaderCourse(ik, command.posture, bounds)
    if command.joints is not None:
        return JointCourse(ik, command.joints, bounds)
    return ToolCourse(ik, joints, velocity, Twist(command.linear, command.angular), bounds, knots)


class ToolCourse:
    """The tool goes over from the twist it has to the one that is wanted."""

    def __init__(
        self, ik: DifferentialIk, joints: Array, velocity: Array, wanted: Twist, bounds: Bounds, knots: int
    ) -> None:
        self._ik, self._wanted, self._bounds = ik, wanted, bounds
        self._twist = Twist(*ik.twist(joints, velocity))
        # What the joints do without moving the tool is no hand's wish: it fades out, it is not cut off.
        self._idle, self._fade = ik.null_velocity(joints, velocity), 1.0 / (knots - 1)
        self._rest = 1.0 - 0.5 * self._fade

    @property
    def moves(self) -> bool:
        return self._twist.moves

    def speed(self, joints: Array, speed: Array, share: float) -> Array:
        dt = self._bounds.dt
        following = approach(self._twist, self._wanted, self._bounds.limits, dt)
        mean, idle = self._twist.towards(following, 0.5), max(self._rest, 0.0) * self._idle
        pose = self._ik.forward(joints)
        target = Pose(pose.position + mean.linear * dt, Rotation.from_rotvec(mean.angular * dt) * pose.rotation)
        change = (self._ik.step(joints + idle * dt, target, dt) - joints) / dt - speed
        excess = float(np.max(np.abs(change) / (share * self._bounds.change)))
        self._twist, self._rest = following, self._rest - self._fade
        return speed + change / max(excess, 1.0)  # all joints alike: the tool is late on its way, not off it


class JointCourse:
    """Every joint goes over to the velocity that is wanted of it, and slows down ahead of its limits."""

    def __init__(self, ik: DifferentialIk, wanted: Array, bounds: Bounds) -> None:
        self._ik, self._dt, self._wanted = ik, bounds.dt, wanted
        self._most = np.minimum(ik.model.velocityLimit, bounds.limits.joint_velocity)
        self._change = np.minimum(bounds.change, bounds.limits.joint_acceleration * bounds.dt)

    @property
    def moves(self) -> bool:
        return False

    def speed(self, joints: Array, speed: Array, share: float) -> Array:
        lower, upper = self._ik.bounds(joints)
        wanted = np.clip(self._wanted_at(joints), -self._within(joints - lower), self._within(upper - joints))
        return speed + np.clip(wanted - speed, -share * self._change, share * self._change)

    def _wanted_at(self, joints: Array) -> Array:
        return self._wanted

    def _within(self, distance: Array) -> Array:
        """The greatest speed, of equal steps of time each slower by `change`, that comes to rest within a distance."""
        steps = np.sqrt(0.25 + 2.0 * distance / (self._change * self._dt)) - 0.5
        return np.minimum(self._change * steps, self._most)


class LeaderCourse(JointCourse):
    """Every joint goes where the leader's is, slow enough to stop there."""

    def _wanted_at(self, joints: Array) -> Array:
        error = self._wanted - joints  # of positions
        most = self._within(np.abs(error))
        return np.clip(error / _LAG, -most, most)
