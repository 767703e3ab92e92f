"""What processes print: every line into a log file, and on the screen with a coloured prefix."""

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

_COLOURS = (36, 33, 35, 32, 34, 96, 93, 95, 92, 94)
_PROBLEM = re.compile(r"\b(WARN|WARNING|ERROR|FATAL|CRITICAL)\b|^error: |^Traceback |^\w+(\.\w+)*Error\b")


def print_line(line: str) -> None:
    print(line, flush=True)


class Console:
    """Where lines go. Safe to use from several threads.

    write: shows one line. quiet: only lines that tell of a problem are shown (all are logged).
    """

    def __init__(
        self, write: Callable[[str], None] = print_line, quiet: bool = False, colour: bool | None = None
    ) -> None:
        self.write = write
        self.quiet = quiet
        self.colour = sys.stdout.isatty() if colour is None else colour
        self._lock = threading.Lock()
        self._labels: list[str] = []

    def show(self, label: str, line: str, is_screen: bool = True) -> None:
        """Show a line of a process. is_screen: its output setting asks for the screen."""
        with self._lock:
            if _PROBLEM.search(line) if self.quiet else is_screen:
                self.write(f"{self._prefix(label)} {line}")

    def say(self, line: str) -> None:
        """A line of the launcher itself; shown even when quiet."""
        with self._lock:
            self.write(f"\033[1m[bcros]\033[0m {line}" if self.colour else f"[bcros] {line}")

    def note(self, line: str) -> None:
        """A line of the launcher itself that is not worth showing when quiet."""
        if not self.quiet:
            self.say(line)

    def _prefix(self, label: str) -> str:
        if label not in self._labels:
            self._labels.append(label)
        if not self.colour:
            return f"[{label}]"
        return f"\033[{_COLOURS[self._labels.index(label) % len(_COLOURS)]}m[{label}]\033[0m"


class LineReader:
    """Cuts one process's output stream into lines: each goes to its log file and to the console."""

    def __init__(self, label: str, log: IO[bytes], console: Console, is_screen: bool) -> None:
        self.label = label
        self._log = log
        self._console = console
        self._is_screen = is_screen
        self._rest = b""

    def feed(self, data: bytes) -> None:
        self._log.write(data)
        self._log.flush()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._show(line)

    def close(self) -> None:
        """The stream has ended: what is left is a line without an end."""
        if self._rest:
            self._show(self._rest)
            self._rest = b""

    def _show(self, line: bytes) -> None:
        self._console.show(self.label, line.decode(errors="replace").rstrip("\r"), self._is_screen)


def tail(file: Path, lines: int) -> list[str]:
    """The last lines of a log file, to show why a process ended."""
    return file.read_text(errors="replace").splitlines()[-lines:]
