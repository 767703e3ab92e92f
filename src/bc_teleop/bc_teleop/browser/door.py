"""Who may drive through the page, and which of their readings count. Pure: no network, the clock is an argument."""

import math
import secrets
from typing import Any

from bc_teleop.devices.plugged import JoyReading

AXES, BUTTONS = 4, 17
"""Of the W3C Gamepad API's standard mapping: two sticks, and all buttons, the cross's among them."""
_CROSS = (12, 13, 14, 15)  # up, down, left, right
_DRIFT = 1e-3  # [s/s] by which the clocks of page and node may run apart
RELEASED: JoyReading = ([0.0] * 6, [0] * BUTTONS)


class Door:
    """One token lets one browser in, once; its session stays until another token was used."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(16)
        self._session: str | None = None

    def enter(self, token: str) -> str | None:
        """The session of whoever has the token, which is worth nothing afterwards; None: it is the wrong one."""
        if not self.token or not secrets.compare_digest(token.encode(), self.token.encode()):
            return None
        self.token, self._session = "", secrets.token_urlsafe(16)
        return self._session

    def knows(self, session: str) -> bool:
        return self._session is not None and secrets.compare_digest(session.encode(), self._session.encode())

    def renew(self) -> str:
        """A token for another browser."""
        self.token = secrets.token_urlsafe(16)
        return self.token


class Punctuality:
    """How much longer than the fastest one a reading was on its way; the two clocks need not agree."""

    def __init__(self) -> None:
        self._least: tuple[float, float] | None = None  # difference of the clocks [s], and when it was seen

    def delay(self, sent: float, received: float) -> float:
        """[s], of a reading sent at a time of the page's clock and received at one of ours."""
        difference = received - sent
        if self._least is None:
            self._least = (difference, received)
        least = min(self._least[0] + _DRIFT * (received - self._least[1]), difference)
        self._least = (least, received)
        return difference - least


class Valve:
    """Lets readings through. After a late one, and at first, none until everything was let go.

    stop: index of a button that counts whatever else does not: a stop that comes late is better than none.
    """

    def __init__(self, lateness: float, stop: int | None = None) -> None:
        self._lateness, self._stop, self._open = lateness, stop, False
        self._punctuality = Punctuality()
        self.delay = 0.0  # of the newest reading [s]

    @property
    def is_open(self) -> bool:
        return self._open

    def pass_on(self, reading: JoyReading, sent: float, received: float) -> JoyReading:
        """The reading, or in its place RELEASED, with the stop if it is pressed."""
        self.delay = self._punctuality.delay(sent, received)
        if self.delay > self._lateness:
            self._open = False
        elif not any(reading[1]):
            self._open = True
        if self._open:
            return reading
        return RELEASED[0], [int(index == self._stop and down) for index, down in enumerate(reading[1])]


def parse(message: Any) -> tuple[float, JoyReading] | None:
    """Time of sending [s] and reading of a page's message; None: it is none.

    Axes as on every other device: left and up positive, the cross as the last two.
    """
    if not isinstance(message, dict):
        return None
    sent, axes = _numbers([message.get("t")], 1), _numbers(message.get("axes"), AXES)
    buttons = _numbers(message.get("buttons"), BUTTONS)
    if not (sent and axes and buttons):
        return None
    pressed = [int(value > 0.5) for value in buttons]
    up, down, left, right = (pressed[index] for index in _CROSS)
    sticks = [-min(max(value, -1.0), 1.0) + 0.0 for value in axes]
    return sent[0] / 1000.0, ([*sticks, float(left - right), float(up - down)], pressed)


def _numbers(values: Any, count: int) -> list[float]:
    """The list, if it is one of so many finite numbers; else none."""
    if not isinstance(values, list) or len(values) != count:
        return []
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return []
    return [float(value) for value in values]
