"""A graph with skills: a controller of a few lines, that keeps the modes' rules, and the nodes under test."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, JointState
from std_srvs.srv import Trigger
from two_joints import ARM, CONTRACT, JOINTS

from bc_msgs.action import MoveTo
from bc_msgs.msg import ActionChunk, ChunkAck, ControllerState, ControlMode, SkillStatus
from bc_msgs.srv import ActivatePolicy, ChangeMode, SelectSkill
from bc_nodes import qos

SEEING: dict[str, Any] = {
    **CONTRACT,
    "observations": {
        "arm": {**ARM, "rate": 50, "max_age": 0.15},
        "camera": {
            "topic": "camera/image_raw",
            "type": "sensor_msgs/msg/Image",
            "shape": [8, 8, 3],
            "encoding": "rgb8",
            "rate": 15,
            "rule": "asof",
            "latency": 0.0,
            "max_age": 0.5,
        },
    },
}
PATIENCE = 30.0  # s, far beyond what is needed: a bound for a broken build, no expectation of speed
HORIZONS = {"long": 16, "short": 12}  # of the two policies: a chunk tells by its length whose it is


def skill(name: str, checkpoint: str, **changes: Any) -> dict[str, Any]:
    """A policy's skill that may begin while j1 is small, and is over when it is large."""
    return {
        "skill": name,
        "description": f"do {name}",
        "checkpoint": checkpoint,
        "precondition": {"within": {"arm": {"j1": [-1.0, 1.0]}}},
        "termination": {"success": {"within": {"arm": {"j1": [2.0, None]}}}},
        "timeout": 60.0,
        **changes,
    }


class Robot(Node):
    """Controller and sensors. mute: no joint states come."""

    def __init__(self) -> None:
        super().__init__("robot")
        self.mute = False
        self.position = [0.0, 0.0]
        self.modes: list[ControlMode] = []
        self.chunks: list[ActionChunk] = []
        self.asked: list[tuple[int, str]] = []
        self.status: list[SkillStatus] = []
        self._joints = self.create_publisher(JointState, "joint_states", qos.stream_out(50))
        self._image = self.create_publisher(Image, "camera/image_raw", qos.stream_out(50))
        self._state = self.create_publisher(ControllerState, "controller/state", qos.STATE)
        self._mode = self.create_publisher(ControlMode, "controller/mode", qos.LATCHED)
        self._ack = self.create_publisher(ChunkAck, "controller/ack", qos.EVENT)
        self.create_service(ChangeMode, "controller/change_mode", self._on_change)
        self.create_subscription(ActionChunk, "command/policy", self._on_chunk, qos.COMMAND)
        self.create_subscription(SkillStatus, "skill/status", self.status.append, qos.LATCHED)
        self.select = self.create_client(SelectSkill, "skill/select")
        self.start = self.create_client(Trigger, "skill/start")
        self.stop = self.create_client(Trigger, "skill/stop")
        self.activate = self.create_client(ActivatePolicy, "policy/activate")
        self.create_timer(0.02, self._send)
        self.change(ControlMode.HOLD, "start")

    @property
    def mode(self) -> int:
        return int(self.modes[-1].mode)

    @property
    def now(self) -> SkillStatus:
        return self.status[-1]

    def change(self, mode: int, reason: str) -> None:
        msg = ControlMode(mode=mode, epoch=len(self.modes) + 1, reason=reason)
        msg.header.stamp = self.get_clock().now().to_msg()
        self.modes.append(msg)
        self._mode.publish(msg)

    def _on_change(self, request: Any, response: Any) -> Any:
        self.asked.append((request.request, request.reason))
        table = {
            (ControlMode.HOLD, ChangeMode.Request.RESUME): ControlMode.POLICY,
            (ControlMode.HOLD, ChangeMode.Request.GRANT): ControlMode.PLANNER,
            (ControlMode.POLICY, ChangeMode.Request.HOLD): ControlMode.HOLD,
            (ControlMode.PLANNER, ChangeMode.Request.HOLD): ControlMode.HOLD,
        }
        target = table.get((self.mode, request.request))
        response.success = target is not None
        if target is None:
            response.message = f"not from mode {self.mode}"
        else:
            self.change(target, request.reason)
        return response

    def _send(self) -> None:
        stamp = self.get_clock().now().to_msg()
        state = ControllerState(joint_names=JOINTS, position_reference=self.position, mode_epoch=self.modes[-1].epoch)
        state.header.stamp = stamp
        self._state.publish(state)
        image = Image(height=8, width=8, step=24, encoding="rgb8", data=bytes(192))
        image.header.stamp = stamp
        self._image.publish(image)
        if not self.mute:
            joints = JointState(name=JOINTS, position=self.position)
            joints.header.stamp = stamp
            self._joints.publish(joints)

    def _on_chunk(self, msg: ActionChunk) -> None:
        self.chunks.append(msg)
        fits = self.mode == ControlMode.POLICY and msg.mode_epoch == self.modes[-1].epoch
        ack = ChunkAck(source="policy", producer_id=msg.producer_id, sequence=msg.sequence)
        ack.verdict = ChunkAck.IN_FORCE if fits else ChunkAck.REFUSED
        ack.header.stamp = ack.effective = self.get_clock().now().to_msg()
        self._ack.publish(ack)


class Planner(Node):
    """motion_planner's side of MoveTo: asks for PLANNER, moves until it may end, releases."""

    def __init__(self, robot: Robot) -> None:
        super().__init__("motion_planner")
        self.goals: list[MoveTo.Goal] = []
        self.may_end = True
        self.cancelled = 0
        self._robot = robot
        self._group = ReentrantCallbackGroup()
        self._server = ActionServer(
            self, MoveTo, "move_to", self._execute,
            cancel_callback=lambda goal: CancelResponse.ACCEPT, callback_group=self._group,
        )  # fmt: skip

    async def _execute(self, goal: Any) -> MoveTo.Result:
        self.goals.append(goal.request)
        self._robot.change(ControlMode.PLANNER, goal.request.reason)
        while not self.may_end and not goal.is_cancel_requested:
            await self._pause()
        result = MoveTo.Result(reason=MoveTo.Result.SUCCESS, message="there")
        if goal.is_cancel_requested:
            self.cancelled += 1
            result = MoveTo.Result(reason=MoveTo.Result.CANCELED, message="cancelled")
            goal.canceled()
        else:
            goal.succeed()
        if self._robot.mode == ControlMode.PLANNER:
            self._robot.change(ControlMode.HOLD, "released")
        return result

    async def _pause(self) -> None:
        from rclpy.task import Future

        future: Any = Future()
        timer = self.create_timer(0.02, lambda: future.set_result(None), callback_group=self._group)
        await future
        self.destroy_timer(timer)


class Graph:
    """Nodes and robot in one executor."""

    def __init__(self, *nodes: Node) -> None:
        self.executor = EventsExecutor()  # as in their processes
        self.robot = Robot()
        self.nodes = list(nodes)
        for node in (self.robot, *nodes):
            self.executor.add_node(node)

    def bring_up(self) -> None:
        for node in self.nodes:
            node.bring_up()
        self.until(lambda: bool(self.robot.status))
        selector = self.nodes[-1]
        self.until(lambda: selector._executive.mode is not None)

    def add(self, node: Node) -> Any:
        self.nodes.insert(0, node)
        self.executor.add_node(node)
        return node

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"it never happened: {self.robot.status[-1:]}"
            self.executor.spin_once(timeout_sec=0.05)

    def spin(self, seconds: float) -> None:
        end = self.robot.get_clock().now().nanoseconds + round(seconds * 1e9)
        self.until(lambda: self.robot.get_clock().now().nanoseconds > end)

    def call(self, client: Any, request: Any) -> Any:
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        return future.result()

    def select(self, name: str) -> Any:
        return self.call(self.robot.select, SelectSkill.Request(skill=name))

    def ended(self, count: int) -> SkillStatus:
        """The status once so many skills have ended and the robot holds."""
        self.until(lambda: self.robot.now.ended >= count and self.robot.now.phase == SkillStatus.IDLE)
        return self.robot.now

    def close(self) -> None:
        self.executor.shutdown()
        for node in (*self.nodes, self.robot):
            if hasattr(node, "close"):
                node.close()
            node.destroy_node()
