"""motion_planner over a real rclpy graph: the simulation in lock step waits for it at every tick."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.playback import OVERLAP
from bc_msgs.action import MoveTo
from bc_msgs.msg import ActionChunk, ChunkAck, ControllerState, ControlMode, EpisodeOutcome
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from bc_nodes.convert import chunk_from_msg, chunk_to_msg
from bc_nodes.testing import collect_destroyed_nodes, domain_of_its_own
from bc_planner.motion_planner import MotionPlannerNode
from bc_sim.sim_node import SimNode

CONFIG = Path(__file__).resolve().parents[3] / "config"
CONTRACT = Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")
HOME = [0.0, -0.785398, 0.0, -2.356194, 0.0, 1.570796, 0.785398]


@pytest.fixture(scope="module", autouse=True)
def ros_domain() -> Iterator[None]:
    with domain_of_its_own():
        yield


class Graph:
    """sim and planner in this process, and a client that hears everything."""

    def __init__(self) -> None:
        self.planner, self.sim = MotionPlannerNode(), SimNode()
        self.client = Node("client")
        self.chunks: list[ActionChunk] = []
        self.acks: list[ChunkAck] = []
        self.modes: list[ControlMode] = []
        self.feedback: list[MoveTo.Feedback] = []
        self.state = ControllerState()
        self.client.create_subscription(ActionChunk, "command/planner", self.chunks.append, qos.RECORD)
        self.client.create_subscription(ChunkAck, "controller/ack", self.acks.append, qos.RECORD)
        self.client.create_subscription(ControlMode, "controller/mode", self.modes.append, qos.LATCHED)
        self.client.create_subscription(ControllerState, "controller/state", self._on_state, qos.STATE)
        self.human = self.client.create_publisher(ActionChunk, "command/human", qos.COMMAND)
        self.outcomes = self.client.create_publisher(EpisodeOutcome, "episode/outcome", qos.EVENT)
        self.change_mode = self.client.create_client(ChangeMode, "controller/change_mode")
        self.move_to = ActionClient(self.client, MoveTo, "move_to")
        self.executor = SingleThreadedExecutor()
        for node in (self.planner, self.sim, self.client):
            self.executor.add_node(node)

    def _on_state(self, message: ControllerState) -> None:
        self.state = message

    def until(self, condition: Callable[[], Any]) -> None:
        for _ in range(40_000):
            if condition():
                return
            self.executor.spin_once(timeout_sec=0.05)
        raise AssertionError("the graph never got there")

    def send(self, **goal: Any) -> Any:
        self.until(self.move_to.server_is_ready)
        future = self.move_to.send_goal_async(
            MoveTo.Goal(**goal), lambda message: self.feedback.append(message.feedback)
        )
        self.until(future.done)
        return future.result()

    def result(self, handle: Any) -> tuple[int, MoveTo.Result]:
        future = handle.get_result_async()
        self.until(future.done)
        return future.result().status, future.result().result

    def moving(self, **goal: Any) -> Any:
        handle = self.send(**goal)
        self.until(lambda: self.state.source == "planner" and max(map(abs, self.state.velocity_reference)) > 0.1)
        return handle

    def close(self) -> None:
        self.planner.close()
        self.sim.close()
        for node in (self.planner, self.sim, self.client):
            node.destroy_node()


@contextmanager
def graph(**parameters: Any) -> Iterator[Graph]:
    args = ["--ros-args", "-r", "motion_planner:__node:=planner"]
    for name, value in {
        "robot": CONFIG / "robots" / "panda.yaml",
        "contract": CONFIG / "contracts" / "panda_conveyor.yaml",
        "lockstep": "true",
    }.items():
        args += ["-p", f"sim:{name}:={value}", "-p", f"planner:{name}:={value}"]
    args += ["-p", f"sim:task:={CONFIG / 'tasks' / 'conveyor_pick.yaml'}", "-p", "sim:participants:=[planner]"]
    args += ["-p", "sim:camera:=false", "-p", f"planner:workspace:={CONFIG / 'workspaces' / 'panda_conveyor.yaml'}"]
    args += ["-p", "planner:use_sim_time:=true"]
    for name, value in parameters.items():
        args += ["-p", f"planner:{name}:={value}"]
    collect_destroyed_nodes()
    rclpy.init(args=args)
    try:
        found = Graph()
        try:
            found.planner.bring_up()
            found.sim.bring_up()
            yield found
        finally:
            found.close()
    finally:
        rclpy.try_shutdown()


def test_a_goal_from_client_to_rest() -> None:
    with graph() as g:
        status, result = g.result(g.send(kind=MoveTo.Goal.NAMED, name="home", reason="test"))
        assert (status, result.reason, result.message) == (GoalStatus.STATUS_SUCCEEDED, MoveTo.Result.SUCCESS, "done")
        np.testing.assert_allclose(result.positions, HOME)
        g.until(lambda: g.state.mode == ControlMode.HOLD and g.state.mode_epoch == g.modes[-1].epoch)
        np.testing.assert_allclose(g.state.position_reference, HOME, atol=1e-6)
        assert [mode.mode for mode in g.modes[-2:]] == [ControlMode.PLANNER, ControlMode.HOLD]
        assert g.modes[-2].reason == "test"
        acks = [ack for ack in g.acks if ack.producer == "planner"]
        assert len(acks) == len(g.chunks) > 1 and {ack.verdict for ack in acks} == {ChunkAck.IN_FORCE}
        assert {chunk.mode_epoch for chunk in g.chunks} == {g.modes[-2].epoch}
        rows = [chunk_from_msg(chunk).actions for chunk in g.chunks]
        whole = np.concatenate([rows[0], *(each[OVERLAP:] for each in rows[1:])])
        assert result.motion_time == pytest.approx((len(whole) - 1) * CONTRACT.grid.dt)
        assert g.feedback and g.feedback[-1].state == MoveTo.Feedback.MOVING and 0.0 < g.feedback[-1].progress <= 1.0
        # and a goal that cannot be
        status, result = g.result(g.send(kind=MoveTo.Goal.NAMED, name="nowhere"))
        assert (status, result.reason) == (GoalStatus.STATUS_ABORTED, MoveTo.Result.BAD_GOAL)
        status, result = g.result(g.send(kind=77))
        assert result.reason == MoveTo.Result.BAD_GOAL and "kind is 77" in result.message
        goal = MoveTo.Goal(kind=MoveTo.Goal.POSE)
        goal.pose.header.frame_id = "world"
        goal.pose.pose.orientation.w = 1.0
        status, result = g.result(g.send(kind=goal.kind, pose=goal.pose))
        assert "given in 'world': give it in 'panda_link0'" in result.message


def test_canceled_preempted_and_one_at_a_time() -> None:
    with graph(speed_scale=0.1) as g:
        handle = g.moving(kind=MoveTo.Goal.NAMED, name="home")
        assert not g.send(kind=MoveTo.Goal.NAMED, name="start").accepted  # one at a time
        g.until(handle.cancel_goal_async().done)
        status, result = g.result(handle)
        assert (status, result.reason) == (GoalStatus.STATUS_CANCELED, MoveTo.Result.CANCELED)
        g.until(lambda: g.state.mode == ControlMode.HOLD and g.state.ladder == ControllerState.HOLDING)
        assert abs(g.state.position_reference[1] - HOME[1]) > 0.1  # far from there
        handle = g.moving(kind=MoveTo.Goal.NAMED, name="home")
        # A human's chunk: its stamp is old, so it is in force when it comes, and ends soon after.
        last = chunk_from_msg(g.chunks[-1])
        row = np.append(g.state.position_reference, g.state.gripper_reference)
        g.human.publish(
            chunk_to_msg(
                type(last)(
                    last.stamp_ns, last.dt_ns, last.groups, np.repeat(row[None], 40, axis=0), "teleop", 9, 1,
                    last.mode_epoch,
                )
            )
        )  # fmt: skip
        status, result = g.result(handle)
        assert (status, result.reason) == (GoalStatus.STATUS_ABORTED, MoveTo.Result.PREEMPTED)
        assert any(mode.mode == ControlMode.HUMAN for mode in g.modes)


def test_after_an_episode_the_arm_goes_back_by_itself() -> None:
    with graph(after_episode="home") as g:
        g.until(lambda: g.outcomes.get_subscription_count() and g.state.joint_names)
        g.outcomes.publish(EpisodeOutcome(episode="e", outcome=EpisodeOutcome.SUCCESS))
        g.until(lambda: any(mode.reason == "reset to 'home'" for mode in g.modes))
        g.until(lambda: g.modes[-1].mode == ControlMode.HOLD and g.state.mode_epoch == g.modes[-1].epoch)
        np.testing.assert_allclose(g.state.position_reference, HOME, atol=1e-6)


def test_a_name_that_is_not_there_is_refused_at_configuration() -> None:
    with pytest.raises(BcError, match="configuration 'nowhere' is not in workspace"), graph(after_episode="nowhere"):
        pass
