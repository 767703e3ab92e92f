"""A SpaceMouse through pyspacemouse (3Dconnexion's devices over hidapi): six axes and its buttons, as of a joystick.

Axes: x, y, z, roll, pitch, yaw of REP 103 (forward, left, up), -1 ... 1, in this order; buttons in the device's own.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from bc_core.errors import BcError
from bc_teleop.devices.plugged import JoyReading, Plugged

AXES = ("x", "y", "z", "roll", "pitch", "yaw")
_PAUSE = 0.002  # [s] between two looks for a report; the device sends one every 8 ms while it is moved
_REPORTS = 16  # read at once, at most: translation, rotation and buttons come in reports of their own


class State(Protocol):
    """pyspacemouse.SpaceMouseState: t is the time of the newest report."""

    t: float
    x: float
    y: float
    z: float
    roll: float
    pitch: float
    yaw: float
    buttons: list[int]


class Mouse(Protocol):
    """What is used of pyspacemouse.SpaceMouseDevice."""

    @property
    def name(self) -> str: ...

    def read(self) -> State: ...

    def close(self) -> None: ...


def open_spacemouse(name: str) -> Mouse:
    """The device called so in pyspacemouse; empty: the first. BcError: none, no permission, or a library is missing."""
    library = _library()
    try:
        mouse: Mouse = library.open(device=name or None, axis_convention=library.AxisConvention.ROS)
    except (RuntimeError, ValueError) as error:
        raise BcError(
            f"no SpaceMouse{f' called {name!r}' if name else ''} ({error}): plug one in, correct `spacemouse.name`, "
            "give this user access to /dev/hidraw* (a udev rule for vendor 256f), or apt-get install libhidapi-hidraw0"
        ) from error
    return mouse


class SpaceMouseSource:
    """An open SpaceMouse, as plugged.Source."""

    def __init__(self, mouse: Mouse) -> None:
        self.name = mouse.name
        self._mouse = mouse
        self._state = self._read()

    def poll(self, seconds: float) -> JoyReading:
        deadline = time.monotonic() + seconds
        while not self._drain() and time.monotonic() < deadline:
            time.sleep(_PAUSE)
        state = self._state
        return [float(getattr(state, axis)) for axis in AXES], [int(button != 0) for button in state.buttons]

    def _drain(self) -> bool:
        """Take what has been reported; True: there was something."""
        before = self._state.t
        for _ in range(_REPORTS):
            reported = self._state.t
            self._state = self._read()
            if self._state.t == reported:
                break
        return self._state.t != before

    def close(self) -> None:
        self._mouse.close()

    def _read(self) -> State:
        try:
            return self._mouse.read()
        except OSError:
            raise
        except Exception as error:  # easyhid.HIDException, which is no OSError: the cable was pulled
            raise OSError(str(error)) from error


def spacemouse(
    find: Callable[[], Mouse], receive: Callable[[JoyReading], None], say: Callable[[str], None]
) -> Plugged[JoyReading]:
    """Reads the SpaceMouse that `find` opens."""
    return Plugged("SpaceMouse", lambda: SpaceMouseSource(find()), receive, say)


def _library() -> Any:
    try:
        import pyspacemouse
    except (ImportError, OSError, AttributeError) as error:  # easyhid loads libhidapi when it is imported
        raise BcError(
            f"device 'spacemouse' needs pyspacemouse and libhidapi ({error}): pip install pyspacemouse==2.1.0, and "
            "apt-get install libhidapi-hidraw0"
        ) from error
    return pyspacemouse
