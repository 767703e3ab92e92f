"""Progress of many episodes with the remaining time: a bar on a terminal, a line per episode in a log."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text


class EpisodeProgress:
    """Shows `done` of `total` episodes. done: those that were on disk before count as done, but not for the speed."""

    def __init__(self, title: str, total: int, done: int, console: Console | None = None) -> None:
        self._console = console or Console(file=sys.stdout, highlight=False)
        self._title, self._total, self._done = title, total, done
        self._begun, self._done_before = time.monotonic(), done
        self._successes = 0
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(elapsed_when_finished=False),
            console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task(title, total=total, completed=done, note="")

    def __enter__(self) -> "EpisodeProgress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def write(self, line: str) -> None:
        """A line of its own, above the bar. It may hold escape codes for colour."""
        self._console.print(Text.from_ansi(line), soft_wrap=True)

    def add(self, seed: int, outcome: str, reason: str, seconds: float) -> None:
        """One more episode has ended."""
        self._done += 1
        self._successes += outcome == "success"
        new = self._done - self._done_before
        self._bar.update(self._task, completed=self._done, note=f"success {self._successes}/{new}")
        if not self._console.is_terminal:
            left = (time.monotonic() - self._begun) / new * (self._total - self._done)
            self.write(
                f"{self._title}: {self._done}/{self._total}, seed {seed}: {outcome} ({reason}, {seconds:.1f} s), "
                f"success {self._successes}/{new}, {duration(left)} left"
            )


def duration(seconds: float) -> str:
    """A time span for people: 75 s -> 1:15 min."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"
