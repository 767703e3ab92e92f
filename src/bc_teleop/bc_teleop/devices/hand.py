"""What a hand's sticks mean, whatever the device: which mode they drive in, in which frame, how fast, how filtered."""

from dataclasses import dataclass, field

import numpy as np
from OneEuroFilter import OneEuroFilter
from scipy.spatial.transform import Rotation

from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS
from bc_teleop.command import Array, Observation

DIRECTIONS = ("linear_x", "linear_y", "linear_z", "angular_x", "angular_y", "angular_z")
JOINT = "joint_"  # and its number, from 1
FRAMES = ("base", "tool", "camera")
MODE, FASTER, SLOWER = "mode", "faster", "slower"
GESTURES = (MODE, FASTER, SLOWER)  # buttons that change what the sticks mean
_RATE = 20.0  # [Hz] that a filter assumes until its second value


@dataclass(frozen=True)
class CameraFrame:
    """The picture that the operator looks at: rotation of the camera's body frame (REP 103: x into the picture, y to
    its left, z up) in `parent`, base or tool.
    """

    parent: str = "base"
    rotation: Rotation = field(default_factory=Rotation.identity)


@dataclass(frozen=True)
class Smoothing:
    """The 1 euro filter (Casiez, Roussel and Vogel 2012) on every direction: cutoff [Hz] at rest, and by how much it
    rises per unit of full deflection a second. min_cutoff 0: none.
    """

    min_cutoff: float = 0.0
    beta: float = 0.0


@dataclass(frozen=True)
class HandConfig:
    """camera: None where no mode needs it. speeds: shares of the full speed, ascending; it starts at the last."""

    camera: CameraFrame | None = None
    speeds: tuple[float, ...] = (1.0,)
    smoothing: Smoothing = field(default_factory=Smoothing)


@dataclass(frozen=True)
class Motion:
    """linear [m/s], angular [rad/s] in the base frame, shape (3,) each; joints [rad/s], shape (n,), or None."""

    linear: Array
    angular: Array
    joints: Array | None = None


class Hand:
    """Turns velocities by direction into motion; keeps speed and filters. joints: how many the arm has."""

    def __init__(self, config: HandConfig, joints: int) -> None:
        self._config, self._joints = config, joints
        self._step = len(config.speeds) - 1
        self._filters: dict[str, OneEuroFilter] = {}

    @property
    def speed(self) -> float:
        """Share of the full speed."""
        return self._config.speeds[self._step]

    def check(self, name: str, where: str) -> None:
        """BcError: the arm has no such joint."""
        if name.startswith(JOINT) and int(name.removeprefix(JOINT)) > self._joints:
            raise BcError(f"{where} drives '{name}', but the arm has {self._joints} joints: correct the settings file")

    def gesture(self, name: str) -> None:
        """FASTER or SLOWER: one step, as far as there are any."""
        change = {FASTER: 1, SLOWER: -1}[name]
        self._step = min(max(self._step + change, 0), len(self._config.speeds) - 1)

    def let_go(self) -> None:
        """Filters forget: the next motion is another one."""
        self._filters.clear()

    def motion(self, velocities: dict[str, float], frame: str, seen: Observation) -> Motion:
        """Velocities by direction (DIRECTIONS in `frame`, or joints) at full speed, as motion at the chosen speed.

        velocities: either of directions or of joints.
        """
        values = {name: self.speed * self._smooth(name, value, seen.time_ns) for name, value in velocities.items()}
        driven = {int(name.removeprefix(JOINT)): value for name, value in values.items() if name.startswith(JOINT)}
        if driven:
            joints = np.zeros(self._joints)
            for number, value in driven.items():
                joints[number - 1] = value
            return Motion(np.zeros(3), np.zeros(3), joints)
        twist = np.array([values.get(direction, 0.0) for direction in DIRECTIONS])
        rotation = self._rotation(frame, seen)
        return Motion(rotation.apply(twist[:3]), rotation.apply(twist[3:]))

    def _rotation(self, frame: str, seen: Observation) -> Rotation:
        """Of a frame in the base frame."""
        if frame == "base":
            return Rotation.identity()
        if frame == "tool":
            return seen.tcp.rotation
        camera = self._config.camera
        assert camera is not None, "settings let no mode be of the camera without one"
        return self._rotation(camera.parent, seen) * camera.rotation

    def _smooth(self, name: str, value: float, time_ns: int) -> float:
        smoothing = self._config.smoothing
        if smoothing.min_cutoff == 0.0:
            return value
        if name not in self._filters:
            self._filters[name] = OneEuroFilter(_RATE, smoothing.min_cutoff, smoothing.beta)
        return float(self._filters[name](value, time_ns / NANOSECONDS))
