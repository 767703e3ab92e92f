"""A device on a cable: read in a thread of its own, and looked for again when it was pulled out."""

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from bc_core.errors import BcError

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

REPEAT = 0.02  # [s] after which an unchanged reading is sent again: silence means that the device is gone
RETRY = 1.0  # [s] between two looks for a device that was unplugged
_MARGIN = 0.2  # [s] in which the thread must have ended

JoyReading = tuple[list[float], list[int]]
"""Axes in -1 ... 1 and buttons, 0 or 1."""


class Source(Protocol[T_co]):
    """An open device."""

    name: str

    def poll(self, seconds: float) -> T_co:
        """The reading as it stands, after waiting at most so long for a new one. OSError: the device is gone."""
        ...

    def close(self) -> None: ...


class Plugged(Generic[T]):
    """Hands every reading to `receive`, in its own thread.

    kind: what it is, for the log. find: opens the device (BcError when there is none). say: what became of it.
    """

    def __init__(
        self, kind: str, find: Callable[[], Source[T]], receive: Callable[[T], None], say: Callable[[str], None]
    ) -> None:
        self._kind, self._find, self._receive, self._say = kind, find, receive, say
        self._stopping = threading.Event()
        self._source: Source[T] | None = find()
        self._thread = threading.Thread(target=self._run, name=kind, daemon=True)

    def start(self) -> None:
        self._say(f"{self._kind} '{self._source.name if self._source else ''}'")
        self._thread.start()

    def close(self) -> None:
        """End the thread and let the device go."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(REPEAT + RETRY + _MARGIN)
        if self._source is not None:
            self._source.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._source is None:
                self._source = self._look()
                continue
            try:
                self._follow(self._source)
            except OSError as error:  # the cable was pulled, or the battery is empty
                reason = error.strerror or error
                self._say(f"{self._kind} '{self._source.name}' is gone ({reason}): it counts as let go")
                self._source.close()
                self._source = None

    def _look(self) -> Source[T] | None:
        try:
            source = self._find()
        except BcError:
            self._stopping.wait(RETRY)  # said when it went; looked for until it is back
            return None
        self._say(f"{self._kind} '{source.name}' is back")
        return source

    def _follow(self, source: Source[T]) -> None:
        last: T | None = None
        sent = 0.0
        while not self._stopping.is_set():
            reading = source.poll(REPEAT)
            if reading != last or time.monotonic() - sent >= REPEAT:
                last, sent = reading, time.monotonic()
                self._receive(reading)
