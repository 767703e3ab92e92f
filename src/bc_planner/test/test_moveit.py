"""motion_planner as a client of move_group, against a stand-in that speaks MoveIt's messages: skipped without them."""

import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import yaml
from rclpy.action import ActionClient, ActionServer, CancelResponse
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from bc_controllers import Robot
from bc_core.errors import BcError
from bc_msgs.action import MoveTo
from bc_msgs.msg import ControllerState, ControlMode
from bc_nodes import qos
from bc_nodes.testing import collect_destroyed_nodes, domain_of_its_own
from bc_planner.arm import Arm
from bc_planner.motion_planner import MotionPlannerNode
from bc_planner.workspace import Workspace

CONFIG = Path(__file__).resolve().parents[3] / "config"


def test_the_parameters_of_move_group_say_what_the_robot_file_says(robot: Robot) -> None:
    told = yaml.safe_load((CONFIG / "moveit" / "panda.yaml").read_text())["/**"]["ros__parameters"]
    limits = told["robot_description_planning"]
    for name, velocity, acceleration in zip(
        robot.arm, robot.controller.velocity, robot.controller.acceleration, strict=True
    ):
        joint = limits["joint_limits"][name]
        assert joint["has_velocity_limits"] and joint["has_acceleration_limits"]
        assert (joint["max_velocity"], joint["max_acceleration"]) == (velocity, acceleration)
    of_arm, joints = Arm(robot), [limits["joint_limits"][name] for name in robot.arm]
    assert all(joint["has_position_limits"] for joint in joints)
    np.testing.assert_allclose([joint["min_position"] for joint in joints], of_arm.lower - 0.01, atol=1e-9)
    np.testing.assert_allclose([joint["max_position"] for joint in joints], of_arm.upper + 0.01, atol=1e-9)
    workspace = robot.controller.workspace
    assert limits["cartesian_limits"]["max_trans_vel"] == workspace.linear_velocity
    assert limits["cartesian_limits"]["max_rot_vel"] == workspace.angular_velocity
    assert told["moveit_simple_controller_manager"]["controller"]["joints"] == list(robot.arm)


def test_the_semantic_description_names_what_the_urdf_has(robot: Robot) -> None:
    srdf = ElementTree.parse(CONFIG / "moveit" / "panda.srdf").getroot()
    urdf = ElementTree.parse(robot.urdf).getroot()
    links = {link.get("name") for link in urdf.findall("link")}
    for pair in srdf.findall("disable_collisions"):
        assert {pair.get("link1"), pair.get("link2")} <= links
    chain = srdf.find("group[@name='arm']/chain")
    assert chain is not None and chain.attrib == {"base_link": robot.base_frame, "tip_link": robot.tcp}
    home = {joint.get("name"): float(joint.get("value", "nan")) for joint in srdf.findall("group_state/joint")}
    assert home == dict(zip(robot.arm, robot.home, strict=True))


def test_without_moveit_its_backend_is_refused(robot: Robot) -> None:
    try:
        import moveit_msgs  # noqa: F401
    except ImportError:
        with pytest.raises(BcError, match="backend moveit needs MoveIt"), graph(robot):
            pass
    else:
        pytest.skip("MoveIt's messages are installed")


@pytest.fixture(scope="module", autouse=True)
def ros_domain() -> Iterator[None]:
    with domain_of_its_own():
        yield


class StandIn(Node):
    """move_group and a controller in HOLD. answer: code of the next results, and nothing moves where it is no success;
    hang: they come when canceled only.
    """

    def __init__(self, robot: Robot) -> None:
        super().__init__("stand_in")
        self.answer, self.hang, self.epoch = 1, False, 1
        self.goals: list[Any] = []
        self.mode = ControlMode.HOLD
        self.modes = self.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self.states = self.create_publisher(ControllerState, "controller/state", qos.STATE)
        self.robot = robot
        self.create_timer(0.01, self.tell)
        self.server: ActionServer | None = None
        self.canceled = Future()

    def serve(self) -> None:
        from moveit_msgs.action import MoveGroup

        self.server = ActionServer(
            self, MoveGroup, "move_action", self.execute, cancel_callback=lambda handle: self.on_cancel()
        )

    def on_cancel(self) -> CancelResponse:
        self.canceled.set_result(None)
        return CancelResponse.ACCEPT

    def tell(self) -> None:
        state = ControllerState(
            mode=self.mode, mode_epoch=self.epoch, joint_names=list(self.robot.arm),
            position=list(self.robot.home), position_reference=list(self.robot.home),
            gripper_reference=0.08, ladder=ControllerState.HOLDING,
        )  # fmt: skip
        state.header.stamp = self.get_clock().now().to_msg()
        self.states.publish(state)

    def change(self, mode: int, reason: str) -> None:
        self.mode, self.epoch = mode, self.epoch + 1
        self.modes.publish(ControlMode(mode=mode, epoch=self.epoch, reason=reason))

    async def execute(self, handle: Any) -> Any:
        from moveit_msgs.action import MoveGroup
        from moveit_msgs.msg import MoveItErrorCodes

        self.goals.append(handle.request)
        result = MoveGroup.Result(error_code=MoveItErrorCodes(val=self.answer))
        moves = self.answer == 1 and not handle.request.planning_options.plan_only
        if moves:
            self.change(ControlMode.PLANNER, "follow_joint_trajectory")
        if self.hang:
            await self.canceled
            result.error_code.val = MoveItErrorCodes.PREEMPTED
            handle.canceled()
            return result
        if moves:
            self.change(ControlMode.HOLD, "released")
        handle.succeed() if self.answer == 1 else handle.abort()
        return result


class Graph:
    def __init__(self, robot: Robot) -> None:
        self.planner, self.stand_in = MotionPlannerNode(), StandIn(robot)
        self.client = Node("client")
        self.move_to = ActionClient(self.client, MoveTo, "move_to")
        self.executor = SingleThreadedExecutor()
        for node in (self.planner, self.stand_in, self.client):
            self.executor.add_node(node)

    def until(self, condition: Callable[[], Any], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            self.executor.spin_once(timeout_sec=0.05)

    def send(self, **goal: Any) -> Any:
        self.until(self.move_to.server_is_ready)
        future = self.move_to.send_goal_async(MoveTo.Goal(**goal))
        self.until(future.done)
        return future.result()

    def result(self, handle: Any) -> MoveTo.Result:
        future = handle.get_result_async()
        self.until(future.done)
        return future.result().result

    def done(self, **goal: Any) -> MoveTo.Result:
        return self.result(self.send(**goal))


@contextmanager
def graph(robot: Robot) -> Iterator[Graph]:
    args = ["--ros-args", "-p", "motion_planner:backend:=moveit"]
    args += ["-p", f"motion_planner:robot:={CONFIG / 'robots' / 'panda.yaml'}"]
    args += ["-p", f"motion_planner:contract:={CONFIG / 'contracts' / 'panda_conveyor.yaml'}"]
    args += ["-p", f"motion_planner:workspace:={CONFIG / 'workspaces' / 'panda_conveyor.yaml'}"]
    collect_destroyed_nodes()
    rclpy.init(args=args)
    try:
        found = Graph(robot)
        try:
            found.planner.bring_up()
            yield found
        finally:
            found.planner.close()
            for each in (found.planner, found.stand_in, found.client):
                each.destroy_node()
    finally:
        rclpy.try_shutdown()


@pytest.fixture(scope="module")
def rig(robot: Robot) -> Iterator[Graph]:
    pytest.importorskip("moveit_msgs", reason="MoveIt's messages are not installed")
    with graph(robot) as found:
        yield found


def pose(height: float) -> Any:
    goal = MoveTo.Goal().pose
    goal.pose.position.x, goal.pose.position.z = 0.5, height
    goal.pose.orientation.x, goal.pose.orientation.w = 1.0, 0.0
    return goal


def test_move_group_that_is_not_there_is_told(rig: Graph) -> None:
    result = rig.done(kind=MoveTo.Goal.NAMED, name="home")
    assert result.reason == MoveTo.Result.FAILED and "nobody serves 'move_action'" in result.message
    rig.stand_in.serve()
    rig.until(rig.planner._move_group._client.server_is_ready)


def test_a_configuration_goes_to_move_group_with_the_obstacles(rig: Graph, workspace: Workspace, robot: Robot) -> None:
    result = rig.done(kind=MoveTo.Goal.NAMED, name="start", speed_scale=0.3)
    assert (result.reason, result.message) == (MoveTo.Result.SUCCESS, "already there")  # the gripper, afterwards
    goal = rig.stand_in.goals[-1]
    asked = goal.request.goal_constraints[0].joint_constraints
    assert [joint.joint_name for joint in asked] == list(robot.arm)
    np.testing.assert_allclose([joint.position for joint in asked], workspace.configurations["start"].arm)
    assert goal.request.group_name == "arm" and goal.request.pipeline_id == "ompl"
    assert goal.request.max_velocity_scaling_factor == goal.request.max_acceleration_scaling_factor == 0.3
    bodies = goal.planning_options.planning_scene_diff.world.collision_objects
    assert {body.id for body in bodies} == {obstacle.name for obstacle in workspace.obstacles}
    belt = next(body for body in bodies if body.id == "belt")
    np.testing.assert_allclose(belt.primitives[0].dimensions, np.array([0.35, 2.5, 0.1]) + 2 * workspace.clearance)
    assert belt.header.frame_id == robot.base_frame and belt.primitive_poses[0].position.x == 0.5


def test_an_approach_ends_with_a_straight_line_and_a_retreat_is_one(rig: Graph, robot: Robot) -> None:
    before = len(rig.stand_in.goals)
    result = rig.done(kind=MoveTo.Goal.APPROACH, pose=pose(0.2), distance=0.1)
    assert (result.reason, result.message) == (MoveTo.Result.SUCCESS, "done")
    way, line = rig.stand_in.goals[before:]
    heights = []
    for goal in (way, line):
        constraint = goal.request.goal_constraints[0].position_constraints[0]
        assert constraint.link_name == robot.tcp and constraint.header.frame_id == robot.base_frame
        heights.append(constraint.constraint_region.primitive_poses[0].position.z)
    np.testing.assert_allclose(heights, [0.3, 0.2])
    assert (line.request.pipeline_id, line.request.planner_id) == ("pilz_industrial_motion_planner", "LIN")
    rig.done(kind=MoveTo.Goal.RETREAT, distance=0.1)
    assert rig.stand_in.goals[-1].request.planner_id == "LIN"
    assert rig.done(kind=MoveTo.Goal.POSE, pose=pose(0.2), plan_only=True).message == "there is a way"
    assert rig.stand_in.goals[-1].planning_options.plan_only


@pytest.mark.parametrize(
    ("code", "reason", "name"),
    [
        (-1, MoveTo.Result.NO_PATH, "PLANNING_FAILED"),
        (-10, MoveTo.Result.START_IN_COLLISION, "START_STATE_IN_COLLISION"),
        (-12, MoveTo.Result.GOAL_IN_COLLISION, "GOAL_IN_COLLISION"),
        (-31, MoveTo.Result.UNREACHABLE, "NO_IK_SOLUTION"),
        (-21, MoveTo.Result.FAILED, "FRAME_TRANSFORM_FAILURE"),
    ],
)
def test_what_move_group_refuses_is_told_in_our_words(rig: Graph, code: int, reason: int, name: str) -> None:
    rig.stand_in.answer = code
    try:
        result = rig.done(kind=MoveTo.Goal.POSE, pose=pose(0.2))
    finally:
        rig.stand_in.answer = 1
    assert result.reason == reason and name in result.message


def test_canceled_and_taken_over(rig: Graph) -> None:
    stand_in = rig.stand_in
    for taken in (False, True):
        stand_in.hang, stand_in.canceled = True, Future()
        handle = rig.send(kind=MoveTo.Goal.NAMED, name="home")
        rig.until(lambda: stand_in.mode == ControlMode.PLANNER)
        for _ in range(20):
            rig.executor.spin_once(timeout_sec=0.01)
        if taken:
            stand_in.change(ControlMode.HUMAN, "human chunk")
        else:
            handle.cancel_goal_async()
        rig.until(stand_in.canceled.done)  # move_group was told to stop
        result = rig.result(handle)
        assert result.reason == (MoveTo.Result.PREEMPTED if taken else MoveTo.Result.CANCELED)
        assert not taken or "human chunk" in result.message
        stand_in.hang = False
        stand_in.change(ControlMode.HOLD, "released")
