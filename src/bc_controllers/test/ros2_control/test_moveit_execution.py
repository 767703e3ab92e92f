"""motion_planner as MoveIt's client with the real controller: a stand-in plans, and executes as move_group does."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import rclpy

pytest.importorskip("controller_manager_msgs", reason="ros2_control is not installed: its plugins are not built")
pytest.importorskip("moveit_msgs", reason="MoveIt's messages are not installed")
from action_msgs.msg import GoalStatus
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from control_rig import CONFIG, ControlRig
from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import MoveItErrorCodes
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from test_bringup import START, installed, launched
from test_plugins import ramp, reference
from trajectory_msgs.msg import JointTrajectoryPoint

from bc_msgs.action import MoveTo
from bc_msgs.msg import ControlMode
from bc_planner.motion_planner import MotionPlannerNode
from bc_planner.workspace import load_workspace

pytestmark = pytest.mark.skipif(
    not installed("ros2launch", "robot_state_publisher", "bc_planner"), reason="`ros2 launch` is not installed"
)
WORKSPACE = CONFIG / "workspaces" / "panda_conveyor.yaml"
SECONDS = 2.0  # of every motion
CODES = {GoalStatus.STATUS_SUCCEEDED: MoveItErrorCodes.SUCCESS, GoalStatus.STATUS_CANCELED: MoveItErrorCodes.PREEMPTED}


class StandIn(Node):
    """Plans straight through joint space, and has it executed: points every 0.1 s with velocities and accelerations."""

    def __init__(self) -> None:
        super().__init__("move_group")
        self._follow = ActionClient(self, FollowJointTrajectory, "controller/follow_joint_trajectory")
        self._joints: dict[str, float] = {}
        self._running: Any = None
        self.create_subscription(JointState, "joint_states", self._heard, 10)
        self._server = ActionServer(self, MoveGroup, "move_action", self._execute, cancel_callback=self._cancel)

    def leave(self) -> None:
        self._server.destroy()
        self._follow.destroy()

    def _heard(self, message: JointState) -> None:
        self._joints = dict(zip(message.name, message.position, strict=True))

    def _cancel(self, handle: Any) -> CancelResponse:
        if self._running is not None:
            self._running.cancel_goal_async()
        return CancelResponse.ACCEPT

    async def _execute(self, handle: Any) -> MoveGroup.Result:
        wanted = {one.joint_name: one.position for one in handle.request.request.goal_constraints[0].joint_constraints}
        self._running = await self._follow.send_goal_async(self._trajectory(wanted))
        answer = await self._running.get_result_async()
        self._running = None
        code = CODES.get(answer.status, MoveItErrorCodes.CONTROL_FAILED)
        if code == MoveItErrorCodes.SUCCESS:
            handle.succeed()
        elif handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return MoveGroup.Result(error_code=MoveItErrorCodes(val=code))

    def _trajectory(self, wanted: dict[str, float]) -> FollowJointTrajectory.Goal:
        start = np.array([self._joints[name] for name in wanted])
        way = np.array(list(wanted.values())) - start
        goal = FollowJointTrajectory.Goal()
        goal.trajectory.joint_names = list(wanted)
        for u in np.linspace(0.0, 1.0, round(SECONDS / 0.1) + 1):
            point = JointTrajectoryPoint(
                positions=(start + way * (10 * u**3 - 15 * u**4 + 6 * u**5)).tolist(),
                velocities=(way * (30 * u**2 - 60 * u**3 + 30 * u**4) / SECONDS).tolist(),
                accelerations=(way * (60 * u - 180 * u**2 + 120 * u**3) / SECONDS**2).tolist(),
            )
            ns = round(float(u) * SECONDS * 1e9)
            point.time_from_start = Duration(sec=ns // 10**9, nanosec=ns % 10**9)
            goal.trajectory.points.append(point)
        return goal


@contextmanager
def planning() -> Iterator[Callable[[], None]]:
    """The planner and the stand-in, in a thread of their own; yields what makes the stand-in leave."""
    executor, planner, stand_in = SingleThreadedExecutor(), MotionPlannerNode(), StandIn()
    executor.add_node(planner)
    executor.add_node(stand_in)
    thread = threading.Thread(target=executor.spin)
    planner.bring_up()
    thread.start()
    try:
        yield lambda: executor.create_task(stand_in.leave)
    finally:
        executor.shutdown()
        thread.join()
        planner.close()
        planner.destroy_node()
        stand_in.destroy_node()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ControlRig, Callable[[], None]]]:
    values = {
        "backend": "moveit",
        "robot": CONFIG / "robots" / "panda.yaml",
        "contract": CONFIG / "contracts" / "panda_conveyor.yaml",
        "workspace": WORKSPACE,
    }
    rclpy.init(args=["--ros-args", *(w for k, v in values.items() for w in ("-p", f"motion_planner:{k}:={v}"))])
    try:
        folder = tmp_path_factory.mktemp("moveit")
        with (
            launched("panda", folder, hardware="sim", controller="JointImpedanceController") as rig,
            planning() as leave,
        ):
            rig.until(lambda: rig.lifecycle("controller") == "active", "the controller is active", START)
            yield rig, leave
    finally:
        rclpy.try_shutdown()


@pytest.fixture(scope="module")
def rig(graph: tuple[ControlRig, Callable[[], None]]) -> ControlRig:
    return graph[0]


@pytest.fixture(scope="module")
def move_to(rig: ControlRig) -> Iterator[ActionClient]:
    client = ActionClient(rig.node, MoveTo, "move_to")
    rig.until(client.server_is_ready, "move_to")
    yield client
    client.destroy()


def begin(rig: ControlRig, move_to: ActionClient, name: str) -> Any:
    """A motion to a named configuration that is under way."""
    handle = rig.result(move_to.send_goal_async(MoveTo.Goal(kind=MoveTo.Goal.NAMED, name=name)), "goal response")
    assert handle.accepted
    rig.until(lambda: rig.mode() == ControlMode.PLANNER, "PLANNER")
    rig.spin(0.3 * SECONDS)
    return handle


def end(rig: ControlRig, handle: Any) -> MoveTo.Result:
    return rig.result(handle.get_result_async(), "result").result


def test_the_controller_follows_what_was_planned(rig: ControlRig, move_to: ActionClient) -> None:
    result = end(rig, begin(rig, move_to, "start"))
    assert (result.reason, result.message) == (MoveTo.Result.SUCCESS, "already there")  # the gripper, afterwards
    np.testing.assert_allclose(rig.position()[:7], load_workspace(WORKSPACE).configurations["start"].arm, atol=2e-2)
    assert rig.mode() == ControlMode.HOLD


def test_cancelled_it_holds_on_the_way(rig: ControlRig, move_to: ActionClient) -> None:
    handle = begin(rig, move_to, "home")
    rig.result(handle.cancel_goal_async(), "cancel response")
    assert end(rig, handle).reason == MoveTo.Result.CANCELED
    rig.until(lambda: rig.mode() == ControlMode.HOLD, "HOLD")
    assert np.abs(rig.position()[:7] - np.array(rig.robot.home)).max() > 0.1


def test_a_human_takes_it_over(rig: ControlRig, move_to: ActionClient) -> None:
    handle = begin(rig, move_to, "home")
    rig.send("human", ramp(reference(rig), 0, 0.05))
    rig.until(lambda: rig.mode() == ControlMode.HUMAN, "HUMAN")
    result = end(rig, handle)
    assert result.reason == MoveTo.Result.PREEMPTED and "human" in result.message
    rig.until(lambda: rig.mode() == ControlMode.HOLD, "HOLD")


def test_left_alone_it_holds(graph: tuple[ControlRig, Callable[[], None]], move_to: ActionClient) -> None:
    rig, leave = graph
    handle = begin(rig, move_to, "start")
    leave()
    result = end(rig, handle)
    assert result.reason == MoveTo.Result.FAILED and "move_group has gone" in result.message
    rig.until(lambda: rig.mode() == ControlMode.HOLD, "HOLD")
    assert "move_group has gone" in rig.modes[-1].reason
