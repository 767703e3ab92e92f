"""The recording as whoever drives should know it: what a button means now, and what is wrong. No ROS."""

from collections.abc import Sequence
from enum import IntEnum

from bc_core.grid import NANOSECONDS
from bc_teleop.command import Button

REMIND_NS = 5 * NANOSECONDS  # a warning that lasts is told again after so long


class EpisodeState(IntEnum):
    """Constants of bc_msgs/EpisodeStatus."""

    IDLE = 0
    RECORDING = 1
    PAUSED = 2


class EpisodeWatch:
    """Follows the recorder's status. state: its last; warnings: what is wrong with the recording now."""

    def __init__(self) -> None:
        self.state = EpisodeState.IDLE
        self.warnings: tuple[str, ...] = ()
        self._asked_to_end = False
        self._told: dict[str, int] = {}

    def update(self, now_ns: int, state: int, warnings: Sequence[str], message: str) -> list[str]:
        """Take a status over; returns what is to be told: new warnings, lasting ones again, an end nobody asked for."""
        before, self.state = self.state, EpisodeState(state)
        self.warnings = tuple(warnings)
        news = [text for text in warnings if not 0 <= now_ns - self._told.get(text, -REMIND_NS) < REMIND_NS]
        self._told = {text: now_ns if text in news else self._told[text] for text in warnings}
        if before != EpisodeState.IDLE and self.state == EpisodeState.IDLE and message and not self._asked_to_end:
            news.append(f"the recording has ended: {message}")
        if self.state != EpisodeState.IDLE:
            self._asked_to_end = False
        return news

    def meant(self, pressed: frozenset[Button], stopped: bool) -> frozenset[Button]:
        """What a press means where one button stands for several things: those that can be done now.

        stopped: the controller's software stop is in force. Where nothing can be done, all of them: whoever is asked
        says why not.
        """
        fitting = frozenset(button for button in pressed if self._fits(button, stopped))
        chosen = fitting or pressed
        self._asked_to_end |= bool(chosen & {Button.SUCCESS, Button.FAILURE, Button.DISCARD, Button.RERECORD})
        return chosen

    def _fits(self, button: Button, stopped: bool) -> bool:
        is_idle, is_paused = self.state == EpisodeState.IDLE, self.state == EpisodeState.PAUSED
        when = {
            Button.START: is_idle,
            Button.SUCCESS: not is_idle,
            Button.FAILURE: not is_idle,
            Button.DISCARD: not is_idle and not is_paused,
            Button.RERECORD: is_paused,
            Button.PAUSE: not is_idle and not stopped,
            Button.RESET: stopped,
        }
        return when.get(button, True)
