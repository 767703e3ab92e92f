"""What the two nodes say on /diagnostics when something is wrong: the thing, the value, what to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from little_graph import Graph, running
from rclpy.parameter import Parameter
from two_joints import CONTRACT, write_checkpoint, write_yaml

from bc_core.errors import BcError
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_msgs.msg import ControlMode, PolicyChunk


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    contract = write_yaml(tmp_path / "contract.yaml", CONTRACT)
    with running(write_checkpoint(tmp_path / "checkpoint", contract, horizon=16), contract) as graph:
        yield graph


def test_a_controller_that_does_not_tell_where_the_robot_stands_is_said(graph: Graph) -> None:
    scheduler, robot = graph.nodes[1], graph.robot
    scheduler._parameters["answer_timeout"] = Parameter("answer_timeout", value=0.2)  # read-only: as if given at start
    graph.bring_up()
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2, told_by_state=False)
    graph.until(lambda: robot.heard(DiagnosticStatus.WARN, "controller/state has not told of mode epoch 2"))
    assert not robot.requests
    robot.state_epoch = 2
    graph.until(lambda: [status.level for status in robot.told if status.name == "/chunk_scheduler"][-1] == b"\0")
    assert robot.chunks


def test_a_request_that_nobody_answers_is_said_with_what_to_do(graph: Graph) -> None:
    """The policy's process is not there: the scheduler says so instead of waiting in silence."""
    scheduler, robot = graph.nodes[1], graph.robot
    scheduler._parameters["answer_timeout"] = Parameter("answer_timeout", value=0.2)  # read-only: as if given at start
    scheduler.bring_up()
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: robot.heard(DiagnosticStatus.WARN, "is policy_node active?"))
    assert not robot.chunks
    assert robot.status[-1].timeouts >= 1
    graph.nodes[0].bring_up()
    graph.until(lambda: len(robot.chunks) >= 2 and not robot.status[-1].message)


@pytest.mark.parametrize(
    ("error", "remedy"),
    [(FloatingPointError("not finite"), "check the checkpoint with bcros eval"),
     (BcError("prefix of 2 columns, the policy has 3: restart both nodes"), "the policy has 3: restart both nodes")],
)  # fmt: skip
def test_an_inference_that_fails_is_said_with_what_to_do(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, remedy: str
) -> None:
    """By both nodes: which policy, at which tick, why, and what to do; and when it is over it is forgotten."""
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))

    def fails(policy: ChunkPolicy, *args: Any, **options: Any) -> Any:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(ChunkPolicy, "infer", fails)
        robot.mode(ControlMode.POLICY, 2)
        graph.until(lambda: any(answer.status == PolicyChunk.FAILED for answer in robot.answers))
        answer = next(answer for answer in robot.answers if answer.status == PolicyChunk.FAILED)
        text = f"policy '{tmp_path / 'checkpoint'}': inference for tick {answer.tick} failed: "
        assert answer.detail.startswith(text) and str(error) in answer.detail and remedy in answer.detail
        graph.until(lambda: robot.heard(DiagnosticStatus.WARN, answer.detail))  # the scheduler
        assert robot.heard(DiagnosticStatus.ERROR, answer.detail)  # policy_node
    graph.until(lambda: len(robot.chunks) >= 2 and not robot.status[-1].message)


@pytest.mark.parametrize(
    ("detail", "said"),
    [("mode epoch 2, but the current one is 3: follow controller/mode", "current one is 3: follow controller/mode"),
     ("", "the controller does not say why: see its log")],
)  # fmt: skip
def test_a_chunk_that_is_refused_is_said_with_what_to_do(graph: Graph, detail: str, said: str) -> None:
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.refusal = detail
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: bool(robot.acks))
    sequence = next(iter(robot.acks))
    graph.until(lambda: robot.heard(DiagnosticStatus.WARN, f"chunk {sequence} refused: {detail}"))
    assert robot.heard(DiagnosticStatus.WARN, said)


def test_a_robot_without_rows_is_an_error_that_says_what_to_do(graph: Graph) -> None:
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: len(robot.chunks) >= 2)
    graph.nodes[0].trigger_deactivate()
    graph.until(lambda: robot.heard(DiagnosticStatus.ERROR, "see why policy_node does not answer"))
    assert robot.status[-1].starved_ticks > 0
