"""A leader arm: the robot's joints follow the leader's, once the leader has been brought to where the robot is.

The leader stands somewhere when it is picked up. It takes hold only if every joint lies within a tolerance of the
robot's reference at the moment at which the dead-man goes down; until then it says which joint to turn, and how far.
"""

from dataclasses import dataclass, field

import numpy as np

from bc_core.grid import NANOSECONDS
from bc_teleop.command import Array, DeviceCommand, Observation
from bc_teleop.devices.joy import JoyDevice

_GUIDANCE = 0.05  # [rad] in which the way to go is told: a text that changes with every reading cannot be read


@dataclass(frozen=True)
class GripperRange:
    """What the leader's trigger reads with the fingers closed and open, in the unit of its reading."""

    closed: float
    open: float


@dataclass(frozen=True)
class LeaderConfig:
    """joints: the leader's, in the order of the robot's arm: names in a JointState, or ids on a bus. The robot's joint
    is sign * reading + offset [rad]. gripper: the trigger's name or id; "": none.

    tolerance: between leader and reference, within which it takes hold [rad]. slip: beyond which it has lost the robot
    and lets go [rad]. timeout: a leader silent for longer has let go [s]. open_width: of the gripper [m].
    """

    joints: tuple[str, ...] = ()
    signs: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    gripper: str = ""
    gripper_range: GripperRange = field(default_factory=lambda: GripperRange(0.0, 1.0))
    tolerance: float = 0.1
    slip: float = 0.6
    timeout: float = 0.25
    open_width: float = 0.08


class LeaderDevice:
    """Follows the newest reading while the dead-man of `buttons` (a pedal, a pad) is held.

    names: of the robot's joints, for what is told.
    """

    def __init__(self, config: LeaderConfig, names: tuple[str, ...], buttons: JoyDevice) -> None:
        self._config, self._names, self._buttons = config, names, buttons
        self._signs, self._offsets = np.array(config.signs), np.array(config.offsets)
        self._joints: Array | None = None
        self._gripper: float | None = None
        self._received_ns = 0
        self._was_held = self._follows = False
        self._refused = ""

    def receive(self, readings: dict[str, float], received_ns: int) -> None:
        """A reading by the leader's joint; one that lacks a joint of the configuration is none."""
        if any(name not in readings for name in self._config.joints):
            return
        raw = np.array([readings[name] for name in self._config.joints])
        if not np.all(np.isfinite(raw)):
            return
        self._joints, self._received_ns = self._signs * raw + self._offsets, received_ns
        if self._config.gripper in readings:
            ends = self._config.gripper_range
            share = (readings[self._config.gripper] - ends.closed) / (ends.open - ends.closed)
            self._gripper = self._config.open_width * float(np.clip(share, 0.0, 1.0))

    def command(self, seen: Observation) -> DeviceCommand:
        """The leader's posture while it is followed; else what keeps it from being so."""
        buttons = self._buttons.command(seen)
        held, pressed = buttons.enabled, buttons.enabled and not self._was_held
        self._was_held = held
        obstacle = self._obstacle(seen, self._config.slip if self._follows else self._config.tolerance)
        if pressed:
            self._follows, self._refused = not obstacle, obstacle
        elif self._follows and obstacle:
            self._follows, self._refused = False, f"{obstacle}; let the dead-man go first"
        if not held:
            self._follows, self._refused = False, ""
        if not self._follows:
            told = obstacle or "leader aligned: press the dead-man to take over"
            return DeviceCommand(pressed=buttons.pressed, told=told, refused=self._refused)
        return DeviceCommand(
            True, gripper=self._gripper, pressed=buttons.pressed, posture=self._joints, told="leader followed"
        )

    def _obstacle(self, seen: Observation, tolerance: float) -> str:
        """Why the leader cannot be followed, joint by joint; empty: it can."""
        age = (seen.time_ns - self._received_ns) / NANOSECONDS
        if self._joints is None or age > self._config.timeout:
            return "no reading of the leader arm: is its driver running, its cable in?"
        if seen.joints is None:
            return "no reference of the robot yet: is the controller running?"
        way = seen.joints - self._joints
        off = [
            f"{name} by {_GUIDANCE * round(angle / _GUIDANCE):+.2f} rad"
            for name, angle in zip(self._names, way, strict=True)
            if abs(angle) > tolerance
        ]
        return f"leader off the robot (tolerance {tolerance:.2f} rad): turn its {', '.join(off)}" if off else ""
