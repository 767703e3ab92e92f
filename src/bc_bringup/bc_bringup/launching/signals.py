"""Signals that ask a command to end, collected instead of raised.

A graph of processes must be ended in order whatever the main thread was doing: an exception out of a signal handler
could fall between starting a process and knowing about it. So handlers only count, and loops ask.
"""

import signal
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequested(KeyboardInterrupt):
    """The user (or the system) asked for the end; `exit_code` is 128 + the signal's number."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.exit_code = 128 + signum


class StopSignals:
    """Counts SIGINT, SIGTERM and SIGHUP while it is entered. Main thread only."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.count = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        for signum in _SIGNALS:
            self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.first = self.first or signum
        self.count += 1

    def check(self) -> None:
        """StopRequested once a signal has come."""
        if self.first is not None:
            raise StopRequested(self.first)
