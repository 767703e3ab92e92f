"""`bcros skill`: of files, and of a running skill_selector."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from bc_bringup import cli
from bc_bringup.launching.signals import StopRequested
from bc_bringup.skill_client import SkillClient
from bc_core.errors import BcError
from bc_msgs.msg import ControlMode, SkillStatus
from bc_nodes import qos
from bc_nodes.testing import domain_of_its_own
from bc_policy_node.skill_selector import SkillSelector

CONFIG = Path(__file__).parents[3] / "config"
PATIENCE = 30.0  # [s] before something counts as not happening


def test_the_library_and_the_machine_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["skill", "list"]) == 0
    shown = capsys.readouterr().out
    assert "pick_cube  (out/policy; at most 8 s)" in shown
    assert "move_to_start  (motion: named start; at most 30 s)" in shown
    assert cli.main(["skill", "diagram"]) == 0
    drawn = capsys.readouterr().out
    assert drawn.startswith("stateDiagram-v2\n")
    assert drawn.rstrip() in (Path(__file__).parents[3] / "docs" / "skills.md").read_text()


def test_what_is_no_library_or_machine_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["skill", "list", "--skills", str(tmp_path)]) == 2
    assert "no skills in" in capsys.readouterr().err
    assert cli.main(["skill", "diagram", "nix"]) == 2
    assert "unknown machine 'nix' (known: conveyor_pick" in capsys.readouterr().err


class Running:
    """skill_selector with the installed skills, and a controller that holds; in a thread."""

    def __init__(self) -> None:
        self.selector = SkillSelector()
        self.robot = Node("robot")
        self.status: list[SkillStatus] = []
        self.robot.create_subscription(SkillStatus, "skill/status", self.status.append, qos.LATCHED)
        self._mode = self.robot.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self._mode.publish(ControlMode(mode=ControlMode.HOLD, epoch=1))
        self.selector.bring_up()
        self._executor = SingleThreadedExecutor()
        for node in (self.selector, self.robot):
            self._executor.add_node(node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.selector.close()
        for node in (self.selector, self.robot):
            node.destroy_node()


@pytest.fixture
def running() -> Iterator[Running]:
    with domain_of_its_own():
        contract = CONFIG / "contracts" / "panda_conveyor.yaml"
        rclpy.init(args=["--ros-args", "-p", f"skills:={CONFIG / 'skills'}", "-p", f"contract:={contract}"])
        running = Running()
        yield running
        running.close()
        rclpy.try_shutdown()


@pytest.fixture
def client(running: Running) -> Iterator[Callable[..., Any]]:
    """Makes a client; says what it said."""
    clients = []

    def make(check: Callable[[], None] = lambda: None) -> tuple[SkillClient, list[str]]:
        lines: list[str] = []
        clients.append(SkillClient("", lines.append, check))
        return clients[-1], lines

    yield make
    for made in clients:
        made.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def ready(running: Running) -> None:
    """The selector knows the mode."""
    until(lambda: running.selector._executive.mode is not None)


def test_a_skill_is_followed_to_its_end(running: Running, client: Callable[..., Any]) -> None:
    ready(running)
    made, lines = client()
    assert not made.run("move_to_start")
    assert any("move_to_start: refused: " in line and "start motion_planner" in line for line in lines)


def test_what_the_latched_topic_still_tells_of_an_earlier_run_is_not_this_ones(
    running: Running, client: Callable[..., Any]
) -> None:
    ready(running)
    made, first = client()
    made.run("move_to_start")
    made, second = client()
    assert not made.run("move_to_start")
    ended = [line for line in second if "refused" in line]
    assert len(ended) == len([line for line in first if "refused" in line]) == 1
    assert running.selector._executive.ended == 2


def test_what_is_not_accepted_is_an_error(running: Running, client: Callable[..., Any]) -> None:
    ready(running)
    made, _ = client()
    with pytest.raises(BcError, match=r"did you mean pick_cube\?"):
        made.run("pick_cub")
    with pytest.raises(BcError, match="no selector is configured"):
        made.start()


def test_who_leaves_stops_what_runs(running: Running, client: Callable[..., Any]) -> None:
    ready(running)

    def leave() -> None:
        if running.status and running.status[-1].phase == SkillStatus.CHECKING:
            raise StopRequested(2)

    made, _ = client(leave)
    with pytest.raises(StopRequested):
        made.run("pick_cube")  # waits for a cube that does not come
    until(lambda: running.status[-1].phase == SkillStatus.IDLE)
    assert running.status[-1].last_outcome == SkillStatus.PREEMPTED
    assert running.status[-1].last_reason == "skill/stop was called"
