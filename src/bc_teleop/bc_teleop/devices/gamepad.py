"""A gamepad read from the kernel (evdev), where no joy node runs: the same numbers as that node's.

Axes and buttons are numbered by ascending event code, up and left positive, a trigger from +1 (let go) to -1: as ros
joy_node and the kernel's own joystick interface have it, so that a layout holds for both.
"""

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from bc_core.errors import BcError

Receive = Callable[[list[float], list[int]], None]
"""Axes in -1 ... 1 and buttons, 0 or 1."""

REPEAT = 0.02  # [s] after which an unchanged reading is sent again: silence means that the gamepad is gone
RETRY = 1.0  # [s] between two looks for a gamepad that was unplugged
_MARGIN = 0.2  # [s] in which the thread must have ended


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

    def take(self, events: Iterable[Event]) -> bool:
        """Take events over; True: something changed."""
        before = (dict(self._axes), dict(self._buttons))
        for event in events:
            if event.type == self._abs and event.code in self._axes:
                self._axes[event.code] = self._scaled(event.code, event.value)
            elif event.type == self._key and event.code in self._buttons:
                self._buttons[event.code] = int(event.value != 0)
        return before != (self._axes, self._buttons)

    @property
    def axes(self) -> list[float]:
        return list(self._axes.values())

    @property
    def buttons(self) -> list[int]:
        return list(self._buttons.values())

    def _scaled(self, code: int, value: int) -> float:
        least, most = self._ranges[code]
        return 1.0 - 2.0 * (value - least) / (most - least) if most > least else 0.0


class Gamepad:
    """Reads in a thread of its own and hands every reading to `receive`, there; looks again for one that was unplugged.

    find: opens the device (BcError when there is none). say: what became of it, for a log.
    """

    def __init__(self, find: Callable[[], InputDevice], receive: Receive, say: Callable[[str], None]) -> None:
        self._find, self._receive, self._say = find, receive, say
        self._stopping = threading.Event()
        self._device: InputDevice | None = find()
        self._thread = threading.Thread(target=self._run, name="gamepad", daemon=True)

    def start(self) -> None:
        self._say(f"gamepad '{self._device.name if self._device else ''}'")
        self._thread.start()

    def close(self) -> None:
        """End the thread and let the device go."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(REPEAT + RETRY + _MARGIN)
        if self._device is not None:
            self._device.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._device is None:
                self._device = self._look()
                continue
            try:
                self._follow(self._device)
            except OSError as error:  # ENODEV: the cable was pulled, or the battery is empty
                self._say(f"gamepad '{self._device.name}' is gone ({error.strerror}): the dead-man counts as let go")
                self._device.close()
                self._device = None

    def _look(self) -> InputDevice | None:
        try:
            device = self._find()
        except BcError:
            self._stopping.wait(RETRY)  # said when it went; looked for until it is back
            return None
        self._say(f"gamepad '{device.name}' is back")
        return device

    def _follow(self, device: InputDevice) -> None:
        reading, sent = Reading(device), 0.0
        while not self._stopping.is_set():
            ready = select.select([device.fd], [], [], REPEAT)[0]
            changed = reading.take(device.read()) if ready else False
            if changed or time.monotonic() - sent >= REPEAT:
                sent = time.monotonic()
                self._receive(reading.axes, reading.buttons)


def _evdev() -> tuple[Any, Any]:
    try:
        import evdev
    except ImportError as error:
        raise BcError(
            "device 'gamepad' needs the package evdev: pip install evdev-binary==2.0.0, or use device 'joy'"
        ) from error
    return evdev, evdev.ecodes
