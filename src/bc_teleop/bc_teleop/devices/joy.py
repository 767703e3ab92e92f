"""Joystick: sensor_msgs/Joy as axes and buttons, without ROS."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bc_core.errors import BcError
from bc_teleop.command import Button, DeviceCommand, Observation

DIRECTIONS = ("linear_x", "linear_y", "linear_z", "angular_x", "angular_y", "angular_z")
GRIPPER = ("open", "close")


@dataclass(frozen=True)
class Axis:
    """Index in Joy.axes, and the velocity at full deflection [m/s or rad/s]; a negative one turns the axis round."""

    index: int
    scale: float


@dataclass(frozen=True)
class JoyConfig:
    """Layout of a joystick.

    dead_man: button that must be held. axes: by direction (DIRECTIONS, base frame). buttons: index by what they ask
    for (GRIPPER or a Button's name). dead_zone: share of an axis without effect. expo: 0 ... 1, from proportional to
    the cube of the deflection beyond it. timeout [s]: a joystick that has been silent for longer is dead. open_width:
    gripper opening of "open" [m].
    """

    dead_man: int = 4
    axes: dict[str, Axis] = field(default_factory=dict)
    buttons: dict[str, int] = field(default_factory=dict)
    dead_zone: float = 0.08
    expo: float = 0.0
    timeout: float = 0.25
    open_width: float = 0.08


class JoyDevice:
    """Remembers the newest reading; `command` turns it into a twist as long as it is fresh."""

    def __init__(self, config: JoyConfig) -> None:
        self._config = config
        self._axes: tuple[float, ...] = ()
        self._held: frozenset[str] = frozenset()
        self._dead_man = False
        self._received_ns: int | None = None
        self._pressed: set[Button] = set()
        self._gripper: float | None = None

    def receive(self, axes: Sequence[float], buttons: Sequence[int], received_ns: int) -> bool:
        """A reading of the joystick; True: a button or the dead-man changed, which should not wait for the next period.

        BcError: it lacks an axis or button that the configuration names.
        """
        self._check_size(len(axes), len(buttons))
        held = frozenset(name for name, index in self._config.buttons.items() if buttons[index])
        for name in held - self._held:
            if name in GRIPPER:
                self._gripper = self._config.open_width if name == "open" else 0.0
            else:
                self._pressed.add(Button(name))
        dead_man = bool(buttons[self._config.dead_man])
        changed = held != self._held or dead_man != self._dead_man
        self._held, self._dead_man = held, dead_man
        self._axes = tuple(axes)
        self._received_ns = received_ns
        return changed

    def command(self, seen: Observation) -> DeviceCommand:
        """The twist of the newest reading; none without dead-man or after silence. Pressed buttons: once."""
        pressed, self._pressed = frozenset(self._pressed), set()
        fresh = self._received_ns is not None and seen.time_ns - self._received_ns <= self._config.timeout * 1e9
        if not (fresh and self._dead_man):
            self._gripper = None
            return DeviceCommand(pressed=pressed)
        twist = np.array([self._velocity(direction) for direction in DIRECTIONS])
        return DeviceCommand(True, twist[:3], twist[3:], self._gripper, pressed)

    def _velocity(self, direction: str) -> float:
        axis = self._config.axes.get(direction)
        if axis is None:
            return 0.0
        value, zone, expo = self._axes[axis.index], self._config.dead_zone, self._config.expo
        reach = min(max(abs(value) - zone, 0.0) / (1.0 - zone), 1.0)  # continuous where the dead zone ends
        return float(np.copysign((1.0 - expo) * reach + expo * reach**3, value)) * axis.scale

    def _check_size(self, axes: int, buttons: int) -> None:
        wanted = [("axis", direction, axis.index, axes) for direction, axis in self._config.axes.items()]
        wanted += [("button", name, index, buttons) for name, index in self._config.buttons.items()]
        wanted.append(("button", "dead_man", self._config.dead_man, buttons))
        for kind, name, index, count in wanted:
            if index >= count:
                raise BcError(
                    f"joystick has {count} of kind '{kind}', but '{name}' is set to {kind} {index}: "
                    "correct the joystick's configuration file"
                )
