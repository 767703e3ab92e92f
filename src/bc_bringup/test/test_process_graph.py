"""Processes are started, watched and ended, whatever they do; nothing is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bc_bringup.launching.console import Console, LineReader
from bc_bringup.launching.document import Place
from bc_bringup.launching.expand import Process
from bc_bringup.launching.graph import ProcessGraph, run
from bc_bringup.launching.signals import StopRequested, StopSignals
from bc_core.errors import BcError

PLACE = Place(Path("test.launch.yaml"), 7)
STUBBORN = (
    "import signal,time; [signal.signal(s, signal.SIG_IGN) for s in (2, 15)]; print('up', flush=True); time.sleep(60)"
)


def process(label: str, code: str, **more: object) -> Process:
    return Process(label, (sys.executable, "-c", code), dict(os.environ), PLACE, **more)  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Screen:
    def __init__(self, quiet: bool = False) -> None:
        self.lines: list[str] = []
        self.console = Console(self.lines.append, quiet=quiet, colour=False)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + 20.0
        while not any(text in line for line in self.lines):
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.01)


@pytest.fixture
def screen() -> Screen:
    return Screen()


def test_output_is_prefixed_and_logged(tmp_path: Path, screen: Screen) -> None:
    code = "import sys; print('out'); print('err', file=sys.stderr); print('no end', end='')"
    assert run([process("a", code, output="screen"), process("b", "print('unseen')")], tmp_path, screen.console) == 0
    assert {"[a] out", "[a] err", "[a] no end"} <= set(screen.lines)
    assert "[b] unseen" not in screen.lines
    assert (tmp_path / "b.log").read_text().splitlines()[1:] == ["unseen"]


def test_the_end_of_a_required_process_ends_the_graph(tmp_path: Path, screen: Screen) -> None:
    members = [process("other", "import time; time.sleep(60)"), process("robot", "raise SystemExit(3)", required=True)]
    graph = ProcessGraph(members, tmp_path, screen.console)
    with graph:
        while (ended := graph.poll()) is None:
            time.sleep(0.01)
        assert ended.exit_code == 1
        assert "required process 'robot' ended with code 3; its output is in" in ended.reason
        pids = [member.handle.pid for member in graph._members]
    assert not any(is_alive(pid) for pid in pids)


def test_a_process_that_is_not_required_may_end(tmp_path: Path, screen: Screen) -> None:
    with ProcessGraph(
        [process("a", ""), process("b", "import time; time.sleep(60)")], tmp_path, screen.console
    ) as graph:
        while not any("'a' ended with code 0" in line for line in screen.lines):
            assert graph.poll() is None


def test_a_graph_whose_processes_failed_says_so(tmp_path: Path, screen: Screen) -> None:
    assert run([process("a", "import os; os.abort()"), process("b", "")], tmp_path, screen.console) == 1
    assert any("'a' died of SIGABRT" in line for line in screen.lines)


def test_stubborn_processes_are_killed_step_by_step(tmp_path: Path, screen: Screen) -> None:
    stubborn = process("stubborn", STUBBORN, output="screen", sigterm_timeout=0.2, sigkill_timeout=0.2)
    with ProcessGraph([stubborn], tmp_path, screen.console) as graph:
        screen.wait_for("[stubborn] up")
    assert graph._members[0].handle.returncode == -signal.SIGKILL
    steps = [line.rsplit(" ", 1)[1] for line in screen.lines if "is still there" in line]
    assert steps == ["SIGTERM", "SIGKILL"]


def test_a_process_ends_in_its_own_way_on_the_first_signal(tmp_path: Path, screen: Screen) -> None:
    code = (
        "import time\ntry:\n  print('up', flush=True)\n  time.sleep(60)\n"
        "except KeyboardInterrupt:\n  print('bye', flush=True)"
    )
    with ProcessGraph([process("polite", code, output="screen")], tmp_path, screen.console) as graph:
        screen.wait_for("[polite] up")
    assert graph._members[0].handle.returncode == 0
    assert "[polite] bye" in screen.lines


def test_an_ignored_sigint_is_not_handed_on(tmp_path: Path, screen: Screen) -> None:
    """A shell starts background jobs with SIGINT ignored: their nodes must hear it all the same."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        test_a_process_ends_in_its_own_way_on_the_first_signal(tmp_path, screen)
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_process_started_is_ended_with_it(tmp_path: Path, screen: Screen) -> None:
    code = (
        "import subprocess,sys,time; child = subprocess.Popen([sys.executable, '-c', 'import signal,time; "
        "signal.signal(2, signal.SIG_IGN); time.sleep(60)']); print('child', child.pid, flush=True); time.sleep(60)"
    )
    with ProcessGraph([process("parent", code, output="screen")], tmp_path, screen.console):
        screen.wait_for("[parent] child")
        child = int(next(line for line in screen.lines if "[parent] child" in line).split()[-1])
        assert is_alive(child)
    deadline = time.monotonic() + 10.0
    while is_alive(child):  # the kernel delivers SIGKILL in its own time
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_command_that_does_not_exist_ends_what_was_started_before_it(tmp_path: Path, screen: Screen) -> None:
    nix = Process("nix", ("/nix/nix",), {}, PLACE)
    graph = ProcessGraph([process("first", "import time; time.sleep(60)"), nix], tmp_path, screen.console)
    with pytest.raises(BcError, match=r"test.launch.yaml:7: cannot start 'nix' \(/nix/nix\): No such file"), graph:
        raise AssertionError("not reached")
    assert not is_alive(graph._members[0].handle.pid)


def test_parameters_go_into_files_by_node_name(tmp_path: Path, screen: Screen) -> None:
    code = "import sys; print(open(sys.argv[2]).read())"
    named = process("n", code, output="screen", node_name="/left/n", parameters=({"s": "1", "f": 1.0},))
    assert run([named], tmp_path, screen.console) == 0
    text = (tmp_path / "n.0.params.yaml").read_text()
    assert text == "/left/n:\n  ros__parameters:\n    f: 1.0\n    s: '1'\n"
    assert "[n] /left/n:" in screen.lines


def test_a_quiet_console_shows_problems_only_and_the_reason_of_an_end(tmp_path: Path) -> None:
    screen = Screen(quiet=True)
    code = "print('[INFO] fine'); print('[WARN] [1.0] [sim]: late'); raise ValueError('broken')"
    assert run([process("a", code, required=True)], tmp_path, screen.console) == 1
    assert "[a] [INFO] fine" not in screen.lines
    assert "[a] [WARN] [1.0] [sim]: late" in screen.lines
    assert "[bcros]   ValueError: broken" in screen.lines


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_launcher_and_every_process(tmp_path: Path, signum: int, code: int) -> None:
    file = tmp_path / "two.launch.yaml"
    file.write_text("launch:\n  - executable: {cmd: sleep 61}\n  - executable: {cmd: sleep 62, output: screen}\n")
    command = [sys.executable, "-m", "bc_bringup.cli", "launch", str(file), "--log-dir", str(tmp_path / "logs")]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    pids = []
    while len(pids) < 2:
        line = launcher.stdout.readline()
        if "started, process" in line:
            pids.append(int(line.split()[-1]))
    launcher.send_signal(signum)
    output, _ = launcher.communicate(timeout=30)
    assert launcher.returncode == code
    assert f"{signal.Signals(signum).name}: ending every process" in output
    assert not any(is_alive(pid) for pid in pids)


def test_processes_end_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "one.launch.yaml"
    file.write_text("launch:\n  - executable: {cmd: sleep 63}\n")
    command = [sys.executable, "-m", "bc_bringup.cli", "launch", str(file), "--log-dir", str(tmp_path / "logs")]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert launcher.stdout is not None
    line = ""
    while "started, process" not in line:
        line = launcher.stdout.readline()
    launcher.kill()
    launcher.communicate(timeout=30)
    deadline = time.monotonic() + 10.0
    while is_alive(int(line.split()[-1])):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_stop_signals_are_counted_and_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with StopSignals() as stop:
        stop.check()
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert stop.count == 2
        with pytest.raises(StopRequested, match="SIGTERM") as error:
            stop.check()
    assert error.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_lines_are_put_together_from_pieces(tmp_path: Path) -> None:
    screen = Screen()
    with (tmp_path / "log").open("wb") as log:
        reader = LineReader("a", log, screen.console, is_screen=True)
        for piece in (b"one\ntw", b"o\r\n", b"\xff", b"x"):
            reader.feed(piece)
        reader.close()
    assert screen.lines == ["[a] one", "[a] two", "[a] \N{REPLACEMENT CHARACTER}x"]
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\r\n\xffx"
