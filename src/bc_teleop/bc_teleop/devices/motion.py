"""Smooth motion towards things that move: minimum-jerk profiles, a servo law, and the tremor of a hand."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BPoly
from scipy.spatial.transform import Rotation

from bc_teleop.command import Array, Pose


def quintic(duration: float, start: npt.ArrayLike, velocity: npt.ArrayLike, end: npt.ArrayLike) -> BPoly:
    """Polynomial of degree 5 over [0, duration]: from `start` with `velocity`, to rest at `end`; no acceleration at
    either end. Minimum jerk for these boundary values (Flash and Hogan 1985). All vectors of equal shape.
    """
    first, rate, last = (np.asarray(vector, dtype=np.float64) for vector in (start, velocity, end))
    zero = np.zeros_like(first)
    return BPoly.from_derivatives([0.0, duration], [[first, rate, zero], [last, zero, zero]])


def cubic(duration: float, start: npt.ArrayLike, velocity: npt.ArrayLike, end: npt.ArrayLike) -> BPoly:
    """Polynomial of degree 3 over [0, duration]: from `start` with `velocity`, to rest at `end`. The least acceleration
    for these values; begun anew on its own way with the time that is left, it goes on as it was.
    """
    first, rate, last = (np.asarray(vector, dtype=np.float64) for vector in (start, velocity, end))
    return BPoly.from_derivatives([0.0, duration], [[first, rate], [last, np.zeros_like(first)]])


def at(profile: BPoly, time: float) -> tuple[Array, Array]:
    """Value and rate of a profile at a time [s]; beyond its ends it stands."""
    first, last = float(profile.x[0]), float(profile.x[-1])
    inside = min(max(time, first), last)
    rate = profile.derivative()(inside) if first <= time < last else np.zeros_like(profile(inside))
    return profile(inside), rate


def bump(phase: float) -> tuple[float, float]:
    """A smooth bump over phase 0 ... 1, peak 1 at 0.5, and its rate per unit of phase; both start and end at 0."""
    if not 0.0 < phase < 1.0:
        return 0.0, 0.0
    product = phase * (1.0 - phase)
    return 16.0 * product**2, 32.0 * product * (1.0 - 2.0 * phase)


def pointing_down(yaw: float) -> Rotation:
    """Tool with its z axis down and its x axis turned by yaw [rad] from the base's x axis."""
    return Rotation.from_euler("z", yaw) * Rotation.from_euler("x", math.pi)


def yaw_of(rotation: Rotation) -> float:
    """Angle of a frame's x axis in the horizontal plane [rad]."""
    x_axis = rotation.apply([1.0, 0.0, 0.0])
    return math.atan2(x_axis[1], x_axis[0])


def servo(
    pose: Pose, target: Pose, linear: Array, angular: Array, linear_gain: float, angular_gain: float
) -> tuple[Array, Array]:
    """Twist that follows a moving target: its velocity plus gain [1/s] times the error; base frame."""
    error = (target.rotation * pose.rotation.inv()).as_rotvec()
    return linear + linear_gain * (target.position - pose.position), angular + angular_gain * error


@dataclass
class Tremor:
    """Ornstein-Uhlenbeck noise on a velocity command, as from a hand: demonstrations then cover the neighbourhood of
    the path, and the corrections in it, which one without noise would never show.

    deviation [unit of the command], correlation time [s].
    """

    deviation: Array
    correlation: float
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self._value = np.zeros_like(self.deviation)

    def step(self, dt: float) -> Array:
        """Noise a time dt [s] later; stationary deviation as given once dt has added up to the correlation time."""
        decay = math.exp(-dt / self.correlation)
        drive = self.deviation * math.sqrt(1.0 - decay**2)
        self._value = decay * self._value + drive * self.rng.standard_normal(self.deviation.shape)
        return self._value
