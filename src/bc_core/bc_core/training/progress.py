"""Progress with remaining time: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

T = TypeVar("T")
LINE_EVERY = 15.0
"""Seconds between lines where there is no terminal."""


@contextmanager
def progress_bar(title: str, total: int, before: int = 0) -> Iterator[Callable[[int, str], None]]:
    """Shows a task; yields a function to call with the number of finished items and a note. before: of these were
    finished earlier, and say nothing about the time that is left."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(title, total, before)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total, completed=before, note="")
        yield lambda done, note: progress.update(task, completed=done, note=note)


def track(title: str, items: Sequence[T]) -> Iterator[T]:
    """Iterate with a progress display."""
    with progress_bar(title, len(items)) as update:
        for done, item in enumerate(items):
            yield item
            update(done + 1, "")


class _Lines:
    def __init__(self, title: str, total: int, before: int) -> None:
        self._title, self._total, self._before = title, total, before
        self._start = self._last = time.monotonic()

    def __call__(self, done: int, note: str) -> None:
        now = time.monotonic()
        if now - self._last < LINE_EVERY and done < self._total:
            return
        self._last = now
        left = (now - self._start) / max(done - self._before, 1) * (self._total - done)
        print(f"{self._title}: {done}/{self._total}, {left:.0f} s left {note}".rstrip(), file=sys.stderr, flush=True)
