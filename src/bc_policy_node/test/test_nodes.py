"""policy_node and chunk_scheduler over a real ROS graph."""

import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from little_graph import RAW_JUMP, Graph, running
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from two_joints import CONTRACT, write_checkpoint, write_yaml

from bc_core.chunks import ActionGroup, Space
from bc_core.contract import Contract
from bc_core.encoding import Encoding
from bc_core.errors import BcError
from bc_core.fields import extract, stamp_ns
from bc_core.frames import FrameAssembler, manifest_stamps
from bc_core.mask import Mask
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_msgs.msg import ActionChunk, ChunkRequest, ControllerState, ControlMode, PolicyChunk, SchedulerStatus
from bc_nodes.convert import chunk_from_msg, pose_to_msg, to_ns
from bc_nodes.reference import reference_row


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    contract = write_yaml(tmp_path / "contract.yaml", CONTRACT)
    with running(write_checkpoint(tmp_path / "checkpoint", contract, horizon=16), contract) as graph:
        yield graph


@pytest.fixture
def posed(tmp_path: Path) -> Iterator[Graph]:
    """Its policy commands the pose of the tool."""
    hand = {"space": "cartesian_pose", "tip": "hand", "frame_id": "base"}
    contract = write_yaml(tmp_path / "contract.yaml", {**CONTRACT, "actions": {"hand": hand}})
    checkpoint = write_checkpoint(tmp_path / "checkpoint", contract, horizon=16, encoding=Encoding.ABSOLUTE)
    with running(checkpoint, contract) as graph:
        yield graph


def test_a_policy_of_poses_leads_on_from_where_the_tool_stands(posed: Graph) -> None:
    posed.bring_up()
    robot = posed.robot
    posed.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    posed.until(lambda: len(robot.chunks) >= 4)
    chunks = [chunk_from_msg(msg) for msg in robot.chunks]
    first = chunks[0]
    assert first.frozen > 0
    np.testing.assert_allclose(first.actions[: first.frozen], [robot.tool] * first.frozen, atol=1e-9)
    for old, new in pairwise(chunks):
        executed = (new.stamp_ns - old.stamp_ns) // 50_000_000
        np.testing.assert_array_equal(new.actions[: new.frozen], old.actions[executed : executed + new.frozen])
        np.testing.assert_allclose(np.linalg.norm(new.actions[:, 3:], axis=1), 1.0)


@pytest.mark.parametrize(
    ("frame", "quaternion", "words"),
    [("world", [0.0, 0.0, 0.0, 1.0], "in 'base', but the controller tells of its tool in 'world'"),
     ("base", [0.0] * 4, "fill tcp_reference")],
)  # fmt: skip
def test_a_pose_that_the_controller_does_not_tell_is_refused(frame: str, quaternion: list[float], words: str) -> None:
    state = ControllerState(tcp_reference=pose_to_msg(np.array([0.4, 0.0, 0.3, *quaternion])))
    state.header.frame_id = frame
    with pytest.raises(BcError, match=words):
        reference_row(state, (ActionGroup("hand", Space.CARTESIAN_POSE, (), 0, 7, "hand", "base"),))


def test_chunks_are_chained_exactly(graph: Graph) -> None:
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: len(robot.chunks) >= 6 and len(robot.status) >= 6 and len(robot.manifests) >= 6)
    chunks = [chunk_from_msg(msg) for msg in robot.chunks]
    assert all(chunk.stamp_ns % 50_000_000 == 0 and chunk.horizon == 16 and chunk.mode_epoch == 2 for chunk in chunks)
    assert chunks[0].frozen > 0
    np.testing.assert_array_equal(chunks[0].actions[: chunks[0].frozen], [robot.position] * chunks[0].frozen)
    for old, new in pairwise(chunks):
        executed = (new.stamp_ns - old.stamp_ns) // 50_000_000
        assert executed >= 3
        assert new.sequence > old.sequence
        assert new.frozen > 0
        np.testing.assert_array_equal(new.actions[: new.frozen], old.actions[executed : executed + new.frozen])
    for manifest in robot.manifests:
        assert manifest.streams == ["arm"]
        tick_ns = manifest.tick * 50_000_000
        assert tick_ns - 100_000_000 <= to_ns(manifest.stamps[0]) <= tick_ns
    assert robot.status[-1].delay_measured >= 1


def test_the_policy_is_warm_before_the_first_request(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every mask that it supports, in the thread that will infer: no chunk pays for caches and kernels."""
    ran: list[tuple[Mask, str]] = []
    infer = ChunkPolicy.infer

    def spy(policy: ChunkPolicy, *args: Any, **options: Any) -> Any:
        ran.append((args[4], threading.current_thread().name))
        return infer(policy, *args, **options)

    monkeypatch.setattr(ChunkPolicy, "infer", spy)
    node = graph.nodes[0]
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    assert {mask for mask, _ in ran} == {Mask.FREE, Mask.HARD, Mask.SOFT, Mask.LINEAR, Mask.COHERENT}
    assert all(thread.startswith("inference") for _, thread in ran)
    assert len(ran) >= 3 * len({mask for mask, _ in ran})


def test_the_frame_that_the_policy_saw_is_rebuilt_from_its_manifest_to_the_bit(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = {}
    assemble = FrameAssembler.frame

    def spy(assembler: FrameAssembler, tick: int) -> Any:
        seen[tick] = assemble(assembler, tick)
        return seen[tick]

    monkeypatch.setattr(FrameAssembler, "frame", spy)
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: len(robot.manifests) >= 4)
    contract = Contract.load(tmp_path / "contract.yaml")
    recorded = FrameAssembler(contract, keep=None)
    for msg in robot.sent:
        recorded.add("arm", stamp_ns(msg), extract(contract.observations["arm"], msg))
    for manifest in robot.manifests:
        stamps = manifest_stamps(manifest.streams, map(to_ns, manifest.stamps))
        rebuilt = recorded.rebuild(manifest.tick, stamps)
        assert rebuilt.stamps == seen[manifest.tick].stamps
        np.testing.assert_array_equal(rebuilt.values["arm"], seen[manifest.tick].values["arm"])


def test_out_of_policy_mode_nothing_is_commanded(graph: Graph) -> None:
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: len(robot.chunks) >= 2)
    robot.mode(ControlMode.HUMAN, 3)
    asked_after = robot.get_clock().now().nanoseconds + 200_000_000
    graph.until(lambda: robot.get_clock().now().nanoseconds > asked_after + 500_000_000)
    assert all(to_ns(msg.header.stamp) < asked_after for msg in robot.chunks)


def test_a_reference_of_another_epoch_is_no_prefix(graph: Graph) -> None:
    """A reset changes epoch and place at once; the mode message may come before the first state that tells of it."""
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2, told_by_state=False)
    asked_after = robot.get_clock().now().nanoseconds + 500_000_000
    graph.until(lambda: robot.get_clock().now().nanoseconds > asked_after)
    assert not robot.chunks
    robot.position = [0.5, -0.1]
    robot.state_epoch = 2
    graph.until(lambda: bool(robot.chunks))
    first = chunk_from_msg(robot.chunks[0])
    np.testing.assert_array_equal(first.actions[: first.frozen], [robot.position] * first.frozen)


def test_a_dead_stream_is_refused_named_and_survived(graph: Graph) -> None:
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: len(robot.chunks) >= 1)
    robot.mute = True
    graph.until(lambda: any(answer.status == PolicyChunk.OBSERVATION for answer in robot.answers))
    refusal = next(answer for answer in robot.answers if answer.status == PolicyChunk.OBSERVATION)
    assert "arm" in refusal.detail
    assert "joint_states" in refusal.detail
    assert "0.1 s" in refusal.detail
    graph.until(lambda: robot.heard(DiagnosticStatus.ERROR, "joint_states"))
    robot.mute = False
    before = len(robot.chunks)
    graph.until(lambda: len(robot.chunks) > before)


def test_the_status_tells_every_cycle(graph: Graph) -> None:
    graph.bring_up()
    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)

    def cycles() -> list[tuple[SchedulerStatus, ChunkRequest, ActionChunk]]:
        """A status for a chunk in force, with the request and the chunk that it is about."""
        requests = {msg.sequence: msg for msg in robot.requests}
        chunks = {to_ns(msg.header.stamp) // 50_000_000: msg for msg in robot.chunks}
        heard = [(msg, requests[msg.sequence]) for msg in robot.status if msg.sequence in requests and not msg.message]
        return [(status, request, chunks[request.tick]) for status, request in heard if request.tick in chunks]

    graph.until(lambda: len(cycles()) >= 5)
    for status, request, chunk in cycles():
        effective = to_ns(robot.acks[chunk.sequence].effective)
        assert status.strategy == "rtc"
        assert status.delay_measured == -(-effective // 50_000_000) - request.tick
        assert status.observation_age == pytest.approx((effective - to_ns(chunk.header.stamp)) / 1e9)
        assert 0.0 < status.inference_seconds < status.observation_age
        assert status.delay_estimated >= 1
        assert 0 < status.frozen == request.frozen == chunk.frozen <= status.delay_estimated + 1
        assert status.execution_horizon == request.execution_horizon
        assert status.raw_jump_at_effect == RAW_JUMP
        assert status.requests >= status.sequence // 2  # requests and chunks count in one sequence
        first = max(status.frozen, status.delay_measured)  # row that is no repetition and that the robot follows
        compared = request.mask == ChunkRequest.SOFT and request.execution_horizon + first < chunk.horizon
        assert np.isfinite([status.raw_jump_at_row_d, status.residual_at_row_d]).all() == compared


def test_the_scheduler_is_tuned_while_it_runs(graph: Graph) -> None:
    graph.bring_up()
    scheduler = graph.nodes[1]

    def tune(name: str, value: Any) -> Any:
        return scheduler.set_parameters([Parameter(name, value=value)])[0]

    robot = graph.robot
    graph.until(lambda: bool(robot.count_subscribers("controller/mode")))
    robot.mode(ControlMode.POLICY, 2)
    graph.until(lambda: len(robot.chunks) >= 3)
    assert tune("s_min", 7).successful
    assert tune("delay_estimator", "jacobson_karels").successful
    assert tune("beta", 1.5).successful
    refused = tune("s_min", 15)
    assert not refused.successful
    assert "s_min is 15" in refused.reason
    assert "'psychic': choose one of" in tune("delay_estimator", "psychic").reason
    assert "beta is nan" in tune("beta", float("nan")).reason
    assert not tune("strategy", "naive").successful  # structural: fixed at start
    before = len(robot.chunks)
    graph.until(lambda: len(robot.chunks) >= before + 4)
    stamps = [to_ns(msg.header.stamp) // 50_000_000 for msg in robot.chunks[before + 1 :]]
    assert all(new - old >= 7 for old, new in pairwise(stamps))
    assert robot.requests[-1].beta == 1.5


def test_a_contract_that_disagrees_with_the_checkpoint_is_refused(graph: Graph, tmp_path: Path) -> None:
    write_yaml(tmp_path / "contract.yaml", {**CONTRACT, "dt": 0.02})
    with pytest.raises(BcError, match=r"dt: 0\.05 / 0\.02"):
        graph.bring_up()


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("conditioned", "use sync, naive, ensemble, bid, rtc, rtc_linear, rtc_hard"),
        ("foresight", "state rolled forward.*nothing that policy .* use sync, naive, ensemble, bid, rtc, rtc_linear, "),
        ("rtc_foresight", "RTC, state rolled forward.*nothing that policy"),
        ("corrected", "corrected at every tick.*nothing that policy"),
        ("x", "sync, "),
    ],
)
def test_a_strategy_that_the_policy_cannot_serve_is_refused_at_start(graph: Graph, strategy: str, words: str) -> None:
    scheduler = graph.nodes[1]
    scheduler._parameters["strategy"] = Parameter("strategy", value=strategy)  # read-only: as if given at start
    with pytest.raises(BcError, match=words):
        scheduler.bring_up()


def test_a_missing_checkpoint_is_refused(graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "checkpoint" / "config.json").unlink()
    with pytest.raises(BcError, match="no checkpoint at"):
        graph.bring_up()
