"""`bcros replay` against a controller that the test plays."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from bc_bringup.episodes.replayer import Replayer
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.playback import OVERLAP
from bc_msgs.msg import ActionChunk, ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from bc_nodes.convert import chunk_from_msg
from bc_nodes.testing import collect_destroyed_nodes

NAMESPACE = "/replay_test"
CONTRACT = Contract.load(Path(__file__).parents[3] / "config" / "contracts" / "panda_conveyor.yaml")
JOINTS = list(CONTRACT.groups[0].names)


class Controller(Node):
    """Stands at 0.1 rad with the gripper 0.08 m open; holds again when the chunk that releases has come.

    refuse: what it says to a grant. take_over: after so many chunks a human takes over. fault: why it refuses chunks.
    """

    def __init__(self, context: rclpy.Context) -> None:
        super().__init__("controller", namespace=NAMESPACE, context=context)
        self.refuse = self.fault = ""
        self.take_over = -1
        self.chunks: list[ActionChunk] = []
        self.epoch = 1
        self.states = self.create_publisher(ControllerState, "controller/state", qos.STATE)
        self.modes = self.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self.acks = self.create_publisher(ChunkAck, "controller/ack", qos.EVENT)
        self.create_subscription(ActionChunk, "command/planner", self.on_chunk, qos.COMMAND)
        self.create_service(ChangeMode, "controller/change_mode", self.on_change_mode)
        self.create_timer(0.01, self.on_timer)
        self.change(ControlMode.HOLD, "start", 0)

    def on_timer(self) -> None:
        self.states.publish(
            ControllerState(joint_names=JOINTS, position_reference=[0.1] * len(JOINTS), gripper_reference=0.08)
        )
        if self.chunks and self.chunks[-1].release:
            chunk = chunk_from_msg(self.chunks[-1])
            if self.get_clock().now().nanoseconds > chunk.end_ns and self.epoch == 2:
                self.change(ControlMode.HOLD, "released")

    def change(self, mode: int, reason: str, step: int = 1) -> None:
        self.epoch += step
        self.modes.publish(ControlMode(mode=mode, epoch=self.epoch, reason=reason))

    def on_change_mode(self, request: ChangeMode.Request, response: ChangeMode.Response) -> ChangeMode.Response:
        assert request.request == ChangeMode.Request.GRANT
        if not self.refuse:
            self.change(ControlMode.PLANNER, request.reason)
        response.success, response.message, response.epoch = not self.refuse, self.refuse, self.epoch
        return response

    def on_chunk(self, chunk: ActionChunk) -> None:
        self.chunks.append(chunk)
        verdict = ChunkAck.REFUSED if self.fault else ChunkAck.IN_FORCE
        reason = ChunkAck.SIZE if self.fault else ChunkAck.NONE
        self.acks.publish(ChunkAck(producer_id=chunk.producer_id, verdict=verdict, reason=reason, detail=self.fault))
        if len(self.chunks) == self.take_over:
            self.change(ControlMode.HUMAN, "human took over")


@pytest.fixture
def controller() -> Iterator[Controller]:
    collect_destroyed_nodes()
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = Controller(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield node
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.try_shutdown(context=context)


@pytest.fixture
def replayer() -> Iterator[Replayer]:
    replayer = Replayer(NAMESPACE, lambda: None)
    yield replayer
    replayer.close()


def run(start: float, ticks: int) -> np.ndarray:
    rows = np.full((ticks, CONTRACT.width), 0.08)
    rows[:, :7] = start + 0.001 * np.arange(ticks)[:, None]
    return rows


def test_all_rows_reach_the_controller_in_its_epoch(controller: Controller, replayer: Replayer) -> None:
    rows = run(0.2, 70)
    seconds = replayer.play([rows], CONTRACT, speed=1.0)
    chunks = [chunk_from_msg(chunk) for chunk in controller.chunks]
    assert seconds == pytest.approx((1 + 20 + 69) * 0.05)
    assert {chunk.mode_epoch for chunk in chunks} == {2}
    assert [chunk.release for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    np.testing.assert_allclose(chunks[0].actions[0], [0.1] * 7 + [0.08])  # from where it stands
    sent = [chunks[0].actions, *(chunk.actions[OVERLAP:] for chunk in chunks[1:])]
    np.testing.assert_allclose(np.concatenate(sent)[-70:], rows)


def test_a_human_ends_the_replay(controller: Controller, replayer: Replayer) -> None:
    controller.take_over = 1
    with pytest.raises(BcError, match="the replay was ended: human took over"):
        replayer.play([run(0.2, 500)], CONTRACT, speed=1.0)
    assert len(controller.chunks) == 1


def test_a_refused_grant_and_a_refused_chunk_are_told(controller: Controller, replayer: Replayer) -> None:
    controller.refuse = "in HUMAN: release first"
    with pytest.raises(BcError, match="refuses to be driven by a replay: in HUMAN: release first"):
        replayer.play([run(0.2, 5)], CONTRACT, speed=1.0)
    assert controller.chunks == []
    controller.refuse, controller.fault = "", "joint 3 beyond its limit"
    with pytest.raises(BcError, match="the replay was refused: joint 3 beyond its limit"):
        replayer.play([run(0.2, 5)], CONTRACT, speed=1.0)
