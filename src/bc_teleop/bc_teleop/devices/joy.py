"""Sticks and buttons (sensor_msgs/Joy, or a device that is read as such), without ROS."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bc_core.errors import BcError
from bc_teleop.command import Button, DeviceCommand, Observation
from bc_teleop.devices.hand import GESTURES, MODE, Hand, HandConfig

GRIPPER = ("open", "close", "grip")
"""`grip` closes what is open and opens what is closed: for devices with few buttons."""
_PULLED = -0.3  # a trigger goes from +1 (let go; 0 before it was first touched) to -1


@dataclass(frozen=True)
class Axis:
    """Index in Joy.axes, and the velocity at full deflection [m/s or rad/s]; a negative one turns the axis round."""

    index: int
    scale: float


@dataclass(frozen=True)
class Trigger:
    """An axis that counts as a button: pressed when it is pulled."""

    axis: int


Switch = int | Trigger
"""Where a button is: its index in Joy.buttons, or the axis of a trigger."""


@dataclass(frozen=True)
class DriveMode:
    """What the sticks drive. axes: by direction (hand.DIRECTIONS) in `frame` (hand.FRAMES), or by joint: joint_1 ..."""

    name: str
    axes: dict[str, Axis]
    frame: str = "base"


@dataclass(frozen=True)
class JoyConfig:
    """Layout of a joystick.

    dead_man: must be held. modes: the first is the one it starts in. buttons: by what they
    ask for (GRIPPER, hand.GESTURES or a Button's name); the mode changes only while the dead-man is let go. dead_zone:
    share of an axis without effect. expo: 0 ... 1, from proportional to the cube of the deflection beyond it. timeout
    [s]: a joystick that has been silent for longer is dead. open_width: gripper opening of "open" [m].
    """

    dead_man: Switch = 4
    modes: tuple[DriveMode, ...] = (DriveMode("tool", {}),)
    buttons: dict[str, Switch] = field(default_factory=dict)
    dead_zone: float = 0.08
    expo: float = 0.0
    timeout: float = 0.25
    open_width: float = 0.08
    hand: HandConfig = field(default_factory=HandConfig)

    @property
    def switches(self) -> dict[str, Switch]:
        return {"dead_man": self.dead_man, **self.buttons}

    @property
    def used_axes(self) -> dict[str, int]:
        """Index by what it is for."""
        sticks = {f"{mode.name}: {name}": axis.index for mode in self.modes for name, axis in mode.axes.items()}
        return sticks | {name: at.axis for name, at in self.switches.items() if isinstance(at, Trigger)}

    @property
    def used_buttons(self) -> dict[str, int]:
        return {name: at for name, at in self.switches.items() if isinstance(at, int)}


class JoyDevice:
    """Remembers the newest reading; `command` turns it into motion as long as it is fresh.

    joints: how many the arm has. BcError: a mode drives others.
    """

    def __init__(self, config: JoyConfig, joints: int = 0) -> None:
        self._config = config
        self._hand = Hand(config.hand, joints)
        for mode in config.modes:
            for name in mode.axes:
                self._hand.check(name, f"mode '{mode.name}'")
        self._mode = 0
        self._axes: tuple[float, ...] = ()
        self._held: frozenset[str] = frozenset()
        self._dead_man = False
        self._received_ns: int | None = None
        self._pressed: set[Button] = set()
        self._gripper: float | None = None
        self._grip_closed = False

    @property
    def mode(self) -> str:
        """Name of what the sticks drive."""
        return self._config.modes[self._mode].name

    def receive(self, axes: Sequence[float], buttons: Sequence[int], received_ns: int) -> bool:
        """A reading of the joystick; True: a button or the dead-man changed, which should not wait for the next period.

        BcError: it lacks an axis or button that the configuration names.
        """
        self._check_size(len(axes), len(buttons))
        down = {name for name, at in self._config.switches.items() if _is_down(at, axes, buttons)}
        dead_man = "dead_man" in down
        held = frozenset(down - {"dead_man"})
        changed = held != self._held or dead_man != self._dead_man
        pressed, self._held, self._dead_man = held - self._held, held, dead_man
        for name in pressed:
            self._press(name)
        self._axes = tuple(axes)
        self._received_ns = received_ns
        return changed

    def command(self, seen: Observation) -> DeviceCommand:
        """The motion of the newest reading; none without dead-man or after silence. Pressed buttons: once."""
        pressed, self._pressed = frozenset(self._pressed), set()
        mode = self._config.modes[self._mode]
        told = f"mode '{self.mode}', {self._hand.speed:.0%} of full speed"
        fresh = self._received_ns is not None and seen.time_ns - self._received_ns <= self._config.timeout * 1e9
        if not (fresh and self._dead_man):
            self._gripper = None
            self._grip_closed = seen.gripper < 0.5 * self._config.open_width
            self._hand.let_go()
            return DeviceCommand(pressed=pressed, told=told)
        velocities = {name: self._velocity(axis) for name, axis in mode.axes.items()}
        motion = self._hand.motion(velocities, mode.frame, seen)
        return DeviceCommand(True, motion.linear, motion.angular, self._gripper, pressed, motion.joints, told=told)

    def _press(self, name: str) -> None:
        if name in GRIPPER:
            self._grip_closed = name == "close" or (name == "grip" and not self._grip_closed)
            self._gripper = 0.0 if self._grip_closed else self._config.open_width
        elif name == MODE:
            if not self._dead_man:  # a stick that is held would suddenly drive something else
                self._mode = (self._mode + 1) % len(self._config.modes)
        elif name in GESTURES:
            self._hand.gesture(name)
        else:
            self._pressed.add(Button(name))

    def _velocity(self, axis: Axis) -> float:
        value, zone, expo = self._axes[axis.index], self._config.dead_zone, self._config.expo
        reach = min(max(abs(value) - zone, 0.0) / (1.0 - zone), 1.0)  # continuous where the dead zone ends
        return float(np.copysign((1.0 - expo) * reach + expo * reach**3, value)) * axis.scale

    def _check_size(self, axes: int, buttons: int) -> None:
        for kind, count, used in (
            ("axis", axes, self._config.used_axes),
            ("button", buttons, self._config.used_buttons),
        ):
            for name, index in used.items():
                if index >= count:
                    raise BcError(
                        f"joystick has {count} of kind '{kind}', but '{name}' is set to {kind} {index}: "
                        "correct the joystick's configuration file"
                    )


def _is_down(at: Switch, axes: Sequence[float], buttons: Sequence[int]) -> bool:
    return axes[at.axis] < _PULLED if isinstance(at, Trigger) else bool(buttons[at])
