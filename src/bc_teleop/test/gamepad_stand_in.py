"""A stand-in for a gamepad: a device file that is a pipe, into which a test writes what the kernel would."""

import os
import struct
from collections.abc import Iterator

from evdev import AbsInfo, ecodes
from evdev.eventio import EventIO

STICK, TRIGGER, HAT = AbsInfo(0, -32768, 32767, 16, 128, 0), AbsInfo(0, 0, 255, 0, 0, 0), AbsInfo(0, -1, 1, 0, 0, 0)
CENTRED = AbsInfo(128, 0, 255, 0, 0, 0)
XBOX = {
    ecodes.EV_KEY: [304, 305, 307, 308, 310, 311, 314, 315, 316, 317, 318],
    ecodes.EV_ABS: [(0, STICK), (1, STICK), (2, TRIGGER), (3, STICK), (4, STICK), (5, TRIGGER), (16, HAT), (17, HAT)],
}
PLAYSTATION = {
    ecodes.EV_KEY: [304, 305, 307, 308, 310, 311, 312, 313, 314, 315, 316, 317, 318],
    ecodes.EV_ABS: [(code, CENTRED) for code in range(6)] + [(16, HAT), (17, HAT)],
}
GENERIC = {
    ecodes.EV_KEY: list(range(288, 300)),
    ecodes.EV_ABS: [(0, CENTRED), (1, CENTRED), (2, CENTRED), (5, CENTRED), (16, HAT), (17, HAT)],
}


class Pad(EventIO):
    """A device file that is a pipe. Closing the other end is pulling the cable."""

    def __init__(self, found: dict, name: str = "stand-in") -> None:
        self.name, self._found = name, found
        self.fd, self._kernel = os.pipe2(os.O_NONBLOCK)
        self.pulled = False

    def capabilities(self, verbose: bool = False, absinfo: bool = True) -> dict:
        return self._found

    def emit(self, *events: tuple[int, int, int]) -> None:
        for event in (*events, (ecodes.EV_SYN, ecodes.SYN_REPORT, 0)):
            os.write(self._kernel, struct.pack("llHHi", 0, 0, *event))

    def read(self) -> Iterator:
        if self.pulled:
            raise OSError(19, "No such device")
        return super().read()

    def pull(self) -> None:
        self.pulled = True
        self.emit()

    def close(self) -> None:
        for descriptor in (self.fd, self._kernel):
            os.close(descriptor)
