"""A gamepad read from the kernel (evdev), where no joy node runs: the same numbers as that node's.

Axes and buttons are numbered by ascending event code, up and left positive, a trigger from +1 (let go) to -1: as ros
joy_node and the kernel's own joystick interface have it, so that a layout holds for both.
"""

import select
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from bc_core.errors import BcError
from bc_teleop.devices.plugged import JoyReading, Plugged


class Event(Protocol):
    """input_event of the kernel."""

    type: int
    code: int
    value: int


class InputDevice(Protocol):
    """What is used of evdev.InputDevice."""

    name: str
    fd: int

    def capabilities(self, verbose: bool = False, absinfo: bool = True) -> dict[int, list[Any]]: ...

    def read(self) -> Iterator[Event]: ...

    def close(self) -> None: ...


def open_gamepad(name: str) -> InputDevice:
    """The first device with sticks and buttons whose name contains `name`. BcError: none, or evdev is not installed."""
    evdev, codes = _evdev()
    seen = []
    for path in sorted(evdev.list_devices()):
        device: InputDevice = evdev.InputDevice(path)
        seen.append(device.name)
        found = device.capabilities()
        buttons = [code for code in found.get(codes.EV_KEY, []) if codes.BTN_JOYSTICK <= code < codes.BTN_DIGI]
        if name.lower() in device.name.lower() and buttons and codes.EV_ABS in found:
            return device
        device.close()
    wanted = f"called '{name}' " if name else ""
    raise BcError(
        f"no gamepad {wanted}among the input devices ({', '.join(seen) or 'none can be read'}): "
        "plug one in, correct `gamepad.name`, and give this user read access to /dev/input (group 'input')"
    )


class Reading:
    """The state of a gamepad, from its events."""

    def __init__(self, device: InputDevice) -> None:
        _, codes = _evdev()
        found = device.capabilities()
        self._key, self._abs = codes.EV_KEY, codes.EV_ABS
        self._ranges = {code: (info.min, info.max) for code, info in sorted(found.get(self._abs, []))}
        first = codes.BTN_JOYSTICK  # as the kernel's joystick interface: these first, then what lies below
        keys = sorted(found.get(self._key, []), key=lambda code: (code < first, code))
        self._buttons = dict.fromkeys(keys, 0)
        self._axes = {code: self._scaled(code, info.value) for code, info in sorted(found.get(self._abs, []))}

    def take(self, events: Iterable[Event]) -> None:
        """Take events over."""
        for event in events:
            if event.type == self._abs and event.code in self._axes:
                self._axes[event.code] = self._scaled(event.code, event.value)
            elif event.type == self._key and event.code in self._buttons:
                self._buttons[event.code] = int(event.value != 0)

    @property
    def axes(self) -> list[float]:
        return list(self._axes.values())

    @property
    def buttons(self) -> list[int]:
        return list(self._buttons.values())

    def _scaled(self, code: int, value: int) -> float:
        least, most = self._ranges[code]
        return 1.0 - 2.0 * (value - least) / (most - least) if most > least else 0.0


class GamepadSource:
    """An open gamepad, as plugged.Source."""

    def __init__(self, device: InputDevice) -> None:
        self.name = device.name
        self._device, self._reading = device, Reading(device)

    def poll(self, seconds: float) -> JoyReading:
        if select.select([self._device.fd], [], [], seconds)[0]:
            self._reading.take(self._device.read())  # ENODEV when the cable was pulled
        return self._reading.axes, self._reading.buttons

    def close(self) -> None:
        self._device.close()


def gamepad(
    find: Callable[[], InputDevice], receive: Callable[[JoyReading], None], say: Callable[[str], None]
) -> Plugged[JoyReading]:
    """Reads the gamepad that `find` opens."""
    return Plugged("gamepad", lambda: GamepadSource(find()), receive, say)


def _evdev() -> tuple[Any, Any]:
    try:
        import evdev
    except ImportError as error:
        raise BcError(
            "device 'gamepad' needs the package evdev: pip install evdev-binary==2.0.0, or use device 'joy'"
        ) from error
    return evdev, evdev.ecodes
