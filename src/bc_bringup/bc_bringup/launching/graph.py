"""A graph of processes, from start to end: nothing it started outlives it.

Every process leads its own process group, so that a Ctrl-C in the terminal reaches the launcher alone and the launcher
ends the graph in order: SIGINT to all, SIGTERM to those left after `sigterm_timeout`, SIGKILL after `sigkill_timeout`.
Should the launcher itself be killed, the kernel sends its children SIGINT (Linux).
"""

import contextlib
import ctypes
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import yaml

from bc_bringup.launching.console import Console, LineReader, tail
from bc_bringup.launching.expand import Process
from bc_bringup.launching.signals import StopSignals
from bc_core.errors import BcError

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def _prepare_child() -> None:
    """In the child: end with the launcher; hear SIGINT, which a shell lets its background jobs ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


@dataclass(frozen=True)
class Ended:
    """Why a graph is over: a required process ended, or all have."""

    exit_code: int
    reason: str


@dataclass
class _Member:
    process: Process
    handle: subprocess.Popen[bytes]
    log: Path
    is_reported: bool = False

    @property
    def is_running(self) -> bool:
        return self.handle.poll() is None

    def send(self, signum: int) -> None:
        """To the whole process group: also to what the process itself has started."""
        with contextlib.suppress(ProcessLookupError):  # the group is empty: what we want
            os.killpg(self.handle.pid, signum)


class ProcessGraph:
    """Starts processes on entry, ends them all on exit. `poll()` tells when the graph is over.

    log_directory gets one log and one parameter file per process; it is created.
    """

    def __init__(self, processes: Sequence[Process], log_directory: Path, console: Console) -> None:
        self.processes = processes
        self.log_directory = log_directory
        self.console = console
        self._members: list[_Member] = []
        self._selector = selectors.DefaultSelector()
        self._reader = threading.Thread(target=self._read, name="process output", daemon=True)
        self._open_streams = 0
        self._first_failure: Ended | None = None

    def __enter__(self) -> "ProcessGraph":
        self.log_directory.mkdir(parents=True, exist_ok=True)
        try:
            for process in self.processes:
                self._start(process)
        except BaseException:
            self.shutdown()
            raise
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def _start(self, process: Process) -> None:
        log = self.log_directory / f"{process.label}.log"
        command = [*process.command, *self._parameter_arguments(process)]
        stream = log.open("wb")  # stays open until the output ends
        stream.write(f"# {' '.join(command)}\n".encode())
        stream.flush()
        try:
            handle = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=process.cwd,
                env={"PYTHONUNBUFFERED": "1", **process.environment}, process_group=0, preexec_fn=_prepare_child,
            )  # fmt: skip
        except OSError as error:
            stream.close()
            raise process.place.error(
                f"cannot start '{process.label}' ({process.command[0]}): {error.strerror}"
            ) from error
        self._members.append(_Member(process, handle, log))
        self.console.note(f"{process.label}: started, process {handle.pid}")
        for pipe, is_screen in ((handle.stdout, process.output != "log"), (handle.stderr, True)):
            assert pipe is not None
            self._selector.register(
                pipe, selectors.EVENT_READ, LineReader(process.label, stream, self.console, is_screen)
            )
            self._open_streams += 1

    def _parameter_arguments(self, process: Process) -> list[str]:
        arguments: list[str] = []
        for index, parameters in enumerate(process.parameters):
            if isinstance(parameters, Path):
                arguments += ["--params-file", str(parameters)]
                continue
            file = self.log_directory / f"{process.label}.{index}.params.yaml"
            file.write_text(yaml.dump({process.node_name or "/**": {"ros__parameters": parameters}}))
            arguments += ["--params-file", str(file)]
        return arguments

    def _read(self) -> None:
        while self._open_streams:
            for key, _ in self._selector.select():
                data = os.read(key.fd, 65536)
                if data:
                    key.data.feed(data)
                    continue
                key.data.close()
                self._selector.unregister(key.fileobj)
                self._open_streams -= 1

    def poll(self) -> Ended | None:
        """None while the graph runs. Reports processes that have ended, each once."""
        for member in self._members:
            if member.is_running or member.is_reported:
                continue
            member.is_reported = True
            ended = self._report(member)
            if ended.exit_code and self._first_failure is None:
                self._first_failure = ended
            if member.process.required:
                return ended
        if any(member.is_running for member in self._members):
            return None
        return self._first_failure or Ended(0, "all processes have ended")

    def _report(self, member: _Member) -> Ended:
        code = member.handle.returncode
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        required = "required process " if member.process.required else ""
        reason = f"{required}'{member.process.label}' {how}"
        if code == 0:
            self.console.note(reason)
            return Ended(0, reason)
        reason += f"; its output is in {member.log}"
        self.console.say(reason)
        if self.console.quiet:
            for line in tail(member.log, 15):
                self.console.say(f"  {line}")
        return Ended(1, reason)

    def check(self) -> None:
        """BcError when the graph is over: for commands that need it to run."""
        ended = self.poll()
        if ended is not None:
            raise BcError(f"the graph ended early: {ended.reason}")

    def shutdown(self) -> None:
        """End every process: SIGINT, SIGTERM, SIGKILL. Each further Ctrl-C goes one step on at once."""
        with StopSignals() as impatience:
            started = time.monotonic()
            sent = dict.fromkeys(range(len(self._members)), 0)
            while any(member.is_running for member in self._members):
                elapsed = time.monotonic() - started
                for index, member in enumerate(self._members):
                    stage = max(self._stage(member.process, elapsed), min(3, 1 + impatience.count))
                    if member.is_running and sent[index] < stage:
                        sent[index] = stage
                        self._signal(member, stage)
                time.sleep(0.02)
            for member in self._members:
                member.send(signal.SIGKILL)  # what a process has left behind in its group
        if self._reader.is_alive():
            self._reader.join(timeout=2.0)

    @staticmethod
    def _stage(process: Process, elapsed: float) -> int:
        """1: SIGINT, 2: SIGTERM, 3: SIGKILL, by the seconds since the shutdown began."""
        if elapsed < process.sigterm_timeout:
            return 1
        return 2 if elapsed < process.sigterm_timeout + process.sigkill_timeout else 3

    def _signal(self, member: _Member, stage: int) -> None:
        signum = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)[stage - 1]
        if stage > 1:
            self.console.say(f"'{member.process.label}' (process {member.handle.pid}) is still there: {signum.name}")
        member.send(signum)


def run(processes: Sequence[Process], log_directory: Path, console: Console) -> int:
    """Run a graph until it is over or a signal comes. Returns the exit code: 0, 1, or 128 + signal."""
    with StopSignals() as stop:
        with ProcessGraph(processes, log_directory, console) as graph:
            while stop.first is None:
                ended = graph.poll()
                if ended is not None:
                    console.say("ending every process" if ended.exit_code else f"{ended.reason}: ending every process")
                    return ended.exit_code
                time.sleep(0.05)
            console.note(f"{signal.Signals(stop.first).name}: ending every process")
        return 128 + stop.first
