"""The main function of all nodes: how they end, in either executor."""

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.experimental import EventsExecutor

from bc_core.errors import BcError
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node

EXECUTORS = pytest.mark.parametrize("executor", [SingleThreadedExecutor, EventsExecutor])


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """run_node owns its process: what it sets is put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    gc.unfreeze()


def node(act: Callable[[], Any], closed: list[bool]) -> Callable[[], BcLifecycleNode]:
    """A node that does this in a callback, and notes that it was closed while it was still active."""

    class Acting(BcLifecycleNode):
        def __init__(self) -> None:
            super().__init__("acting")
            self.create_timer(0.001, act)

        def close(self) -> None:
            closed.append(self.active)

    return lambda: Acting()


@EXECUTORS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_node_cleanly(executor: Any, number: int) -> None:
    closed: list[bool] = []
    assert run_node(node(lambda: os.kill(os.getpid(), number), closed), executor_class=executor) == 0
    assert closed == [True]


def test_ctrl_c_that_comes_again_and_again_is_one_end() -> None:
    """As under ros2 launch, which passes on what the terminal has sent to every process already."""
    program = """
import sys
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
class Quiet(BcLifecycleNode):
    def __init__(self):
        super().__init__("quiet")
        self.create_timer(0.01, lambda: print("up", flush=True))
sys.exit(run_node(Quiet))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "up\n"
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.001)
    assert process.returncode == 0


@EXECUTORS
def test_an_error_with_a_remedy_is_one_line(executor: Any, capfd: pytest.CaptureFixture[str]) -> None:
    closed: list[bool] = []

    def fail() -> None:
        raise BcError("thing 'x' is 3: make it 2")

    assert run_node(node(fail, closed), executor_class=executor) == 2
    assert capfd.readouterr().err.splitlines()[-1] == "error: thing 'x' is 3: make it 2"
    assert closed == [True]


@EXECUTORS
def test_a_defect_is_not_swallowed(executor: Any) -> None:
    closed: list[bool] = []

    def fail() -> None:
        raise KeyError("defect")

    with pytest.raises(KeyError, match="defect"):
        run_node(node(fail, closed), executor_class=executor)
    assert closed == [True]
