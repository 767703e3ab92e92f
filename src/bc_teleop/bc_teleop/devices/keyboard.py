"""Keyboard of a terminal. A terminal tells when a key goes down or repeats, never when it is let go.

So a key counts as held for `hold` seconds after its last repeat, and the dead-man for `dead_man_hold` seconds after the
last motion key: long enough to bridge the pause before a keyboard starts to repeat, and no longer.
"""

import os
import select
import sys
import termios
import tty
from dataclasses import dataclass, field

import numpy as np

from bc_core.errors import BcError
from bc_teleop.command import Array, Button, DeviceCommand, Observation
from bc_teleop.devices.joy import DIRECTIONS, GRIPPER

ACTIONS = tuple(f"{sign}{direction}" for direction in DIRECTIONS for sign in "+-") + GRIPPER + ("hold",) + tuple(Button)


@dataclass(frozen=True)
class KeyboardConfig:
    """keys: action (one of ACTIONS) by key; "hold" holds the dead-man without motion. Speeds in m/s and rad/s."""

    keys: dict[str, str] = field(default_factory=dict)
    linear_speed: float = 0.15
    angular_speed: float = 0.6
    hold: float = 0.15
    dead_man_hold: float = 0.6
    open_width: float = 0.08


class KeyboardDevice:
    """Turns key strokes into commands."""

    def __init__(self, config: KeyboardConfig) -> None:
        self._config = config
        self._motion: dict[str, int] = {}  # time of the last stroke by action
        self._alive_ns: int | None = None
        self._gripper: float | None = None
        self._pressed: set[Button] = set()

    def press(self, key: str, time_ns: int) -> None:
        """A key went down or repeats; keys without an action have none."""
        action = self._config.keys.get(key)
        if action is None:
            return
        if action in tuple(Button):
            self._pressed.add(Button(action))
            return
        self._alive_ns = time_ns
        if action in GRIPPER:
            self._gripper = self._config.open_width if action == "open" else 0.0
        elif action != "hold":
            self._motion[action] = time_ns

    def command(self, seen: Observation) -> DeviceCommand:
        """The twist of the keys held at seen.time_ns. Pressed buttons are handed out once."""
        pressed, self._pressed = frozenset(self._pressed), set()
        if self._alive_ns is None or seen.time_ns - self._alive_ns > self._config.dead_man_hold * 1e9:
            self._gripper = None
            return DeviceCommand(pressed=pressed)
        twist: Array = np.zeros(6)
        for action, time_ns in self._motion.items():
            if seen.time_ns - time_ns <= self._config.hold * 1e9:
                column = DIRECTIONS.index(action[1:])
                speed = self._config.linear_speed if column < 3 else self._config.angular_speed
                twist[column] += speed if action[0] == "+" else -speed
        return DeviceCommand(True, twist[:3], twist[3:], self._gripper, pressed)


class Terminal:
    """Key strokes of the controlling terminal, unbuffered. BcError: standard input is no terminal."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno()
        if not os.isatty(self._descriptor):
            raise BcError(
                "device 'keyboard' needs a terminal, but standard input is none: run teleop_node in a terminal of its "
                "own, or use device 'joy'"
            )
        self._saved = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)

    def struck(self) -> str:
        """Keys struck since the last call, in order; never waits."""
        struck = b""
        while select.select([self._descriptor], [], [], 0.0)[0]:
            block = os.read(self._descriptor, 64)
            if not block:
                break
            struck += block
        return struck.decode(errors="ignore")

    def close(self) -> None:
        """Give the terminal back as it was."""
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._saved)
