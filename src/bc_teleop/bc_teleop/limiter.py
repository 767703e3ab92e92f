"""Bounds on velocity and acceleration of what a hand asks for: a stick can jump, a robot cannot."""

from dataclasses import dataclass

import numpy as np

from bc_teleop.command import Array


@dataclass(frozen=True)
class TwistLimits:
    """Norms: linear [m/s, m/s^2], angular [rad/s, rad/s^2]; gripper: speed of the opening [m/s].

    joint: of every joint, where a hand drives the joints themselves [rad/s, rad/s^2].
    """

    linear_velocity: float = 0.8
    linear_acceleration: float = 5.0
    angular_velocity: float = 3.0
    angular_acceleration: float = 20.0
    gripper_velocity: float = 0.3
    joint_velocity: float = 1.0
    joint_acceleration: float = 4.0

    @property
    def stopping_time(self) -> float:
        """From full speed to rest [s]."""
        return max(
            self.linear_velocity / self.linear_acceleration,
            self.angular_velocity / self.angular_acceleration,
            self.joint_velocity / self.joint_acceleration,
        )


@dataclass(frozen=True)
class Twist:
    """Linear [m/s] and angular [rad/s] velocity, shape (3,) each, along the axes of the base frame."""

    linear: Array
    angular: Array

    @staticmethod
    def zero() -> "Twist":
        return Twist(np.zeros(3), np.zeros(3))

    @property
    def moves(self) -> bool:
        return bool(np.any(self.linear) or np.any(self.angular))

    def towards(self, other: "Twist", share: float) -> "Twist":
        """The twist that lies a share of the way from this one to another."""
        return Twist(
            self.linear + share * (other.linear - self.linear), self.angular + share * (other.angular - self.angular)
        )


def approach(current: Twist, wanted: Twist, limits: TwistLimits, dt: float) -> Twist:
    """The twist that follows `current` a time dt [s] later on the way to `wanted`, within the limits."""
    linear = _clip_norm(wanted.linear, limits.linear_velocity)
    angular = _clip_norm(wanted.angular, limits.angular_velocity)
    return Twist(
        current.linear + _clip_norm(linear - current.linear, limits.linear_acceleration * dt),
        current.angular + _clip_norm(angular - current.angular, limits.angular_acceleration * dt),
    )


def _clip_norm(vector: Array, limit: float) -> Array:
    norm = float(np.linalg.norm(vector))
    return vector if norm <= limit else vector * (limit / norm)
