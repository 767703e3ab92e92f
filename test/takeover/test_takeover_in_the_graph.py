"""Takeover with real processes, in real time: the rollout graph, and a joystick played by Joy messages.

What depends on exact times is tested in virtual time beside this; here the nodes are the real ones.
"""

import signal
import subprocess
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Joy

from bc_bringup import resources
from bc_bringup.virtual.operator import AXES, BUTTONS, DEAD_MAN, RESET, RESUME, STOP, Operator
from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.dataset import read_episode
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode, EpisodeOutcome
from bc_nodes import qos
from bc_nodes.convert import to_ns
from takeover_rig import CONFIG, launched

HOLD, POLICY, HUMAN, STOPPED = ControlMode.HOLD, ControlMode.POLICY, ControlMode.HUMAN, ControlMode.STOPPED
UP = {"a4": 0.4}
JUMP = 0.02  # [rad]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    with launched(tmp_path_factory.mktemp("takeover"), "rollout", "joy") as rig:
        yield rig


@pytest.fixture
def driven(graph: Operator) -> Operator:
    """The graph at a start of its own, driven by the policy."""
    graph.plugged = True
    graph.press()
    graph.spin_for(0.3)
    graph.hold()
    graph.start_episode(seed=3)
    graph.click(RESUME)
    graph.until(lambda: graph.mode == POLICY and graph.states[-1].source == "policy")
    graph.modes[:] = graph.modes[-1:]
    graph.acks.clear()
    yield graph
    graph.stop_episode(EpisodeOutcome.ABORTED)


def test_take_over_release_and_resume(driven: Operator) -> None:
    graph = driven
    graph.press(DEAD_MAN, **UP)
    graph.until(lambda: sum(ack.source == "human" for ack in graph.acks) >= 10)
    graph.press()
    graph.until_mode(HOLD)
    graph.spin_for(1.0)
    graph.click(RESUME)
    graph.until(lambda: graph.mode == POLICY and graph.states[-1].source == "policy")
    assert [(m.mode, m.reason) for m in graph.modes[1:3]] == [(HUMAN, "human chunk"), (HOLD, "released")]
    assert [m.mode for m in graph.modes[1:]] == [HUMAN, HOLD, POLICY]
    human = of_humans(graph)
    assert all(ack.verdict == ChunkAck.IN_FORCE for ack in human)
    assert max(ack.raw_jump for ack in human) < JUMP
    first = next(ack for ack in graph.acks if ack.source == "policy" and ack.mode_epoch == graph.modes[-1].epoch)
    assert first.raw_jump < 1e-6


def test_a_policy_does_not_ask_for_help_by_itself(driven: Operator) -> None:
    """Without a threshold nobody even could: see test_gate_in_the_graph."""
    assert driven.node.count_publishers("command/policy") == 1
    assert driven.node.count_publishers("policy/help") == 0


def test_stop_latches_and_reset_leaves_it(driven: Operator) -> None:
    graph = driven
    graph.press(DEAD_MAN, **UP)
    graph.until_mode(HUMAN)
    graph.press(DEAD_MAN, STOP, **UP)
    graph.until_mode(STOPPED)
    graph.spin_for(0.5)
    assert graph.mode == STOPPED
    graph.press(DEAD_MAN, RESET, **UP)
    graph.until_mode(HOLD)
    graph.spin_for(0.5)
    assert graph.mode == HOLD  # the dead-man was not let go
    graph.press()
    graph.spin_for(0.2)
    graph.press(DEAD_MAN)
    graph.until_mode(HUMAN)


def test_an_unplugged_joystick_holds(driven: Operator) -> None:
    graph = driven
    graph.press(DEAD_MAN, **UP)
    graph.until_mode(HUMAN)
    graph.plugged = False
    graph.until_mode(HOLD)
    assert graph.modes[-1].reason == "released"


def test_a_press_during_a_reset_does_not_move_the_robot_to_where_it_was(driven: Operator) -> None:
    graph = driven
    graph.press(DEAD_MAN, **UP)
    graph.until_mode(HUMAN)
    graph.stop_episode(EpisodeOutcome.ABORTED)
    graph.start_episode(seed=9)
    graph.until(
        lambda: [m.mode for m in graph.modes[-2:]] == [HOLD, HUMAN]
    )  # still pressed: taken over at the new place
    taken = graph.modes[-1].epoch
    graph.until(lambda: any(a.source == "human" and a.mode_epoch == taken and a.verdict == 1 for a in graph.acks))
    first = next(a for a in graph.acks if a.source == "human" and a.mode_epoch == taken and a.verdict == 1)
    assert first.raw_jump < JUMP


def test_of_two_devices_with_one_stick_one_keeps_the_lease(driven: Operator, tmp_path: Path) -> None:
    """A second teleop_node hears the same stick: whichever comes first has the robot, the other is refused."""
    graph = driven
    with beside(graph, "other", tmp_path, "joy"):
        graph.press(DEAD_MAN, **UP)
        graph.until(lambda: graph.mode == HUMAN and bool(refusals(graph)))
        graph.spin_for(0.5)
        in_force = {ack.producer_id for ack in of_humans(graph) if ack.verdict == ChunkAck.IN_FORCE}
        assert len(in_force) == 1 and in_force.isdisjoint(refusals(graph))
        graph.press()
        graph.until_mode(HOLD)


def test_a_second_device_is_told_of_the_lease_and_killing_its_node_changes_nothing(
    driven: Operator, tmp_path: Path
) -> None:
    graph = driven
    with beside(graph, "second", tmp_path, "joy_second") as (other, hold):
        graph.press(DEAD_MAN, **UP)
        graph.until_mode(HUMAN)
        graph.until(lambda: any("lease" in why for why in refusals(graph).values()), lambda: click(hold))
        other.send_signal(signal.SIGKILL)
        graph.spin_for(0.5)
        assert graph.mode == HUMAN
        in_force = {ack.producer_id for ack in of_humans(graph) if ack.verdict == ChunkAck.IN_FORCE}
        assert len(in_force) == 1 and in_force.isdisjoint(refusals(graph))
        graph.press()
        graph.until_mode(HOLD)


def test_a_killed_teleop_node_leaves_hold_when_its_lease_is_over(driven: Operator, tmp_path: Path) -> None:
    graph = driven
    with beside(graph, "doomed", tmp_path, "joy_doomed") as (other, hold):
        graph.until(lambda: graph.mode == HUMAN, lambda: hold(1))
        other.send_signal(signal.SIGKILL)
        graph.until_mode(HOLD)
        assert graph.modes[-1].reason == "lease over"


def of_humans(graph: Operator) -> list[ChunkAck]:
    return [ack for ack in graph.acks if ack.source == "human"]


def refusals(graph: Operator) -> dict[int, str]:
    """Producer -> why the newest of its human chunks that were refused was."""
    return {ack.producer_id: ack.detail for ack in of_humans(graph) if ack.verdict == ChunkAck.REFUSED}


@contextmanager
def beside(
    graph: Operator, name: str, folder: Path, topic: str
) -> Iterator[tuple[subprocess.Popen[bytes], Callable[[int], None]]]:
    """A second teleop_node that hears `topic`, and what sends one message of a stick there: dead-man held, or not.

    It begins when that node says what its stick drives: it sees the controller, and a dead-man that is let go.
    """
    said: dict[str, str] = {}

    def on_diagnostics(msg: DiagnosticArray) -> None:
        said.update({status.name: status.message for status in msg.status})

    diagnostics = graph.node.create_subscription(DiagnosticArray, "/diagnostics", on_diagnostics, qos.EVENT)
    process = start_teleop(name, folder / f"{name}.log", "-r", f"joy:={topic}")
    stick = graph.node.create_publisher(Joy, topic, qos.stream_out(50))

    def hold(dead_man: int) -> None:
        stick.publish(Joy(axes=[0.0] * AXES, buttons=[0, 0, 0, 0, dead_man, *[0] * (BUTTONS - 5)]))
        graph.spin_for(0.02)

    try:
        graph.until(lambda: graph.is_active(name))
        graph.until(lambda: "mode 'tool'" in said.get(f"/{name}", ""), lambda: hold(0))
        yield process, hold
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        graph.node.destroy_publisher(stick)
        graph.node.destroy_subscription(diagnostics)


def click(hold: Callable[[int], None]) -> None:
    hold(0)
    hold(1)


def start_teleop(name: str, log: Path, *remaps: str) -> subprocess.Popen[bytes]:
    share = resources.share()
    parameters = {
        "device": "joy",
        "settings": share / "config/teleop/joy.yaml",
        "robot": share / "config/robots/panda.yaml",
        "contract": share / "config/contracts/panda_conveyor.yaml",
    }
    executable = resources.InstalledPackages().prefix("bc_teleop") / "lib" / "bc_teleop" / "teleop_node"
    assignments = [word for key, value in parameters.items() for word in ("-p", f"{key}:={value}")]
    command = [str(executable), "--ros-args", "-r", f"__node:={name}", *remaps, *assignments]
    return subprocess.Popen(command, stdout=log.open("w"), stderr=subprocess.STDOUT)


def test_labels_equal_the_true_intervals_to_the_tick(graph: Operator) -> None:
    """The bag, converted, against what the controller said 100 times a second while it happened."""
    graph.press()
    graph.hold()
    path = Path(graph.start_episode(seed=5))
    graph.states.clear()
    graph.click(RESUME)
    for seconds in (0.7, 1.1):
        graph.until(lambda: graph.mode == POLICY and graph.states[-1].source == "policy")
        graph.spin_for(0.4)
        graph.press(DEAD_MAN, **UP)
        graph.until_mode(HUMAN)
        graph.spin_for(seconds)
        graph.press()
        graph.until_mode(HOLD)
        graph.click(RESUME)
    graph.until(lambda: graph.mode == POLICY and graph.states[-1].source == "policy")
    graph.stop_episode(EpisodeOutcome.SUCCESS)
    contract = Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")
    assert {topic: lost for topic, lost in open_episode(path).lost.items() if lost} == {}
    ticks = read_episode(path, contract, ("arm", "gripper", "tcp", "object"), 2)
    stamps = [to_ns(state.header.stamp) for state in graph.states]
    compared = 0
    for index, (mode, source) in enumerate(zip(ticks.mode, ticks.source, strict=True)):
        after = bisect_left(stamps, contract.grid.time(ticks.first_tick + index))
        around = [said(state) for state in graph.states[max(after - 1, 0) : after + 1]]
        if len(around) == 2 and around[0] == around[1]:  # no change around this tick
            assert (int(mode), str(source)) == around[0], index
            compared += 1
    assert compared > 0.8 * len(ticks.mode)
    human = np.flatnonzero(ticks.source == "human")
    assert len(human) > 25 and np.count_nonzero(np.diff(human) > 1) == 1  # two interventions


def said(state: ControllerState) -> tuple[int, str]:
    """Mode and source; a chunk that has ended, because the machine was too busy for the next one, is no command."""
    return state.mode, state.source if state.ladder == ControllerState.FOLLOWING else ""
