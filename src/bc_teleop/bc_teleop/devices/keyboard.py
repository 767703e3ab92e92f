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

from bc_core.errors import BcError
from bc_teleop.command import Button, DeviceCommand, Observation
from bc_teleop.devices.hand import DIRECTIONS, FASTER, JOINT, SLOWER, Hand, HandConfig

MOST_JOINTS = 9
DRIVEN = DIRECTIONS + tuple(f"{JOINT}{number}" for number in range(1, MOST_JOINTS + 1))
OPENINGS = ("open", "close")
SPEEDS = (FASTER, SLOWER)
ACTIONS = tuple(f"{sign}{name}" for name in DRIVEN for sign in "+-") + OPENINGS + SPEEDS + ("hold",) + tuple(Button)


@dataclass(frozen=True)
class KeyboardConfig:
    """keys: action (one of ACTIONS) by key; "hold" holds the dead-man without motion. Speeds in m/s and rad/s.

    frame: of the directions (hand.FRAMES). While a key of a joint is held, joints are driven and not the tool.
    """

    keys: dict[str, str] = field(default_factory=dict)
    linear_speed: float = 0.15
    angular_speed: float = 0.6
    joint_speed: float = 0.4
    hold: float = 0.15
    dead_man_hold: float = 0.6
    open_width: float = 0.08
    frame: str = "base"
    hand: HandConfig = field(default_factory=HandConfig)


class KeyboardDevice:
    """Turns key strokes into commands. joints: how many the arm has; BcError: a key drives another."""

    def __init__(self, config: KeyboardConfig, joints: int = 0) -> None:
        self._config = config
        self._hand = Hand(config.hand, joints)
        for key, action in config.keys.items():
            self._hand.check(action[1:], f"key '{key}'")
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
        if action in SPEEDS:
            self._hand.gesture(action)
            return
        self._alive_ns = time_ns
        if action in OPENINGS:
            self._gripper = self._config.open_width if action == "open" else 0.0
        elif action != "hold":
            self._motion[action] = time_ns

    def command(self, seen: Observation) -> DeviceCommand:
        """The twist of the keys held at seen.time_ns. Pressed buttons are handed out once."""
        pressed, self._pressed = frozenset(self._pressed), set()
        told = f"{self._hand.speed:.0%} of full speed"
        if self._alive_ns is None or seen.time_ns - self._alive_ns > self._config.dead_man_hold * 1e9:
            self._gripper = None
            self._hand.let_go()
            return DeviceCommand(pressed=pressed, told=told)
        motion = self._hand.motion(self._velocities(seen.time_ns), self._config.frame, seen)
        return DeviceCommand(True, motion.linear, motion.angular, self._gripper, pressed, motion.joints, told=told)

    def _velocities(self, time_ns: int) -> dict[str, float]:
        """By what is driven: all directions, or, while a joint's key is held, the joints of the keys held."""
        held = {action for action, struck in self._motion.items() if time_ns - struck <= self._config.hold * 1e9}
        jogs = any(action[1:].startswith(JOINT) for action in held)
        names = [name for name in DRIVEN if name.startswith(JOINT) == jogs]
        driven = [name for name in names if not jogs or held & {f"+{name}", f"-{name}"}]
        return {name: self._speed(name) * ((f"+{name}" in held) - (f"-{name}" in held)) for name in driven}

    def _speed(self, name: str) -> float:
        config = self._config
        speeds = {"linear": config.linear_speed, "angular": config.angular_speed, "joint": config.joint_speed}
        return speeds[name.split("_")[0]]


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
