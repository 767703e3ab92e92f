"""What skill_selector asks of controller, chunk_scheduler and motion planner: calls that nobody waits for."""

from typing import Any

from rclpy.action import ActionClient
from rclpy.node import Node
from rclpy.task import Future

from bc_core.skills.executive import Executive, Outcome
from bc_core.skills.motion import Motion
from bc_msgs.action import MoveTo
from bc_msgs.srv import ActivatePolicy, ChangeMode

PLANNER = "move_to"
_KINDS = {
    "named": MoveTo.Goal.NAMED,
    "joints": MoveTo.Goal.JOINTS,
    "pose": MoveTo.Goal.POSE,
    "approach": MoveTo.Goal.APPROACH,
    "retreat": MoveTo.Goal.RETREAT,
}
_OUTCOMES = {
    MoveTo.Result.SUCCESS: Outcome.SUCCESS,
    MoveTo.Result.PREEMPTED: Outcome.PREEMPTED,
    MoveTo.Result.CANCELED: Outcome.PREEMPTED,
    MoveTo.Result.FAILED: Outcome.FAILURE,
}
"""Every other reason: the robot has not moved."""


class Calls:
    """bc_core.skills.executive.Robot over services and an action. `executive` is set by who makes both."""

    executive: Executive

    def __init__(self, node: Node, base_frame: str) -> None:
        self._node, self._base_frame = node, base_frame
        self._controller = node.create_client(ChangeMode, "controller/change_mode")
        self._scheduler = node.create_client(ActivatePolicy, "policy/activate")
        self._planner = ActionClient(node, MoveTo, PLANNER)
        self._holding: Future | None = None  # the controller's answer
        self._goal: Any = None  # that the planner has accepted
        self._moving = 0  # run of the motion; 0: none, or it is to be cancelled

    def hold(self, reason: str) -> None:
        if not self._controller.service_is_ready():
            text = "the robot cannot be asked to hold: nobody serves controller/change_mode"
            self._node.get_logger().error(text, throttle_duration_sec=1.0)
        elif self._holding is None or self._holding.done():
            request = ChangeMode.Request(request=ChangeMode.Request.HOLD, reason=reason)
            self._holding = self._controller.call_async(request)
            self._holding.add_done_callback(lambda future: self._held(future.result()))

    def activate(self, run: int, checkpoint: str, time_limit: float) -> None:
        request = ActivatePolicy.Request(checkpoint=checkpoint, time_limit=time_limit)
        self._call(self._scheduler, request, run, "start chunk_scheduler with this skill library")

    def resume(self, run: int, reason: str) -> None:
        request = ChangeMode.Request(request=ChangeMode.Request.RESUME, reason=reason)
        self._call(self._controller, request, run, "start the controller")

    def move(self, run: int, motion: Motion, reason: str) -> None:
        if not self._planner.server_is_ready():
            text = f"a motion skill needs the motion planner, and nobody serves '{PLANNER}': start motion_planner"
            self._moved(run, Outcome.REFUSED, text)
            return
        self._moving = run
        goal = self._planner.send_goal_async(self._goal_of(motion, reason))
        goal.add_done_callback(lambda future: self._accepted(run, future.result()))

    def cancel(self, reason: str) -> None:
        self._moving = 0
        if self._goal is not None:
            self._goal.cancel_goal_async()

    def _call(self, client: Any, request: Any, run: int, remedy: str) -> None:
        """Its answer goes to the executive."""
        if not client.service_is_ready():
            self._answered(run, False, f"nobody serves '{client.srv_name}': {remedy}")
            return
        future = client.call_async(request)
        future.add_done_callback(lambda done: self._answered(run, done.result().success, done.result().message))

    def _answered(self, run: int, success: bool, message: str) -> None:
        self.executive.on_answer(run, success, message, self._now_ns())

    def _held(self, response: Any) -> None:
        if not response.success:
            self._node.get_logger().warning(f"the controller does not hold: {response.message}")

    def _accepted(self, run: int, goal: Any) -> None:
        if not goal.accepted:
            self._moved(run, Outcome.REFUSED, "the motion planner rejected the goal: it is busy, or inactive")
            return
        self._goal = goal
        goal.get_result_async().add_done_callback(lambda future: self._ended(run, future.result().result))
        if self._moving != run:  # cancelled before the planner had heard of it
            goal.cancel_goal_async()

    def _ended(self, run: int, result: Any) -> None:
        self._goal = None
        self._moved(run, _OUTCOMES.get(result.reason, Outcome.REFUSED), result.message)

    def _moved(self, run: int, outcome: Outcome, message: str) -> None:
        self._moving = 0
        self.executive.on_moved(run, outcome, message, self._now_ns())

    def _goal_of(self, motion: Motion, reason: str) -> MoveTo.Goal:
        goal = MoveTo.Goal(
            kind=_KINDS[motion.kind],
            name=motion.name,
            joint_names=list(motion.joints),
            positions=list(motion.joints.values()),
            distance=motion.distance,
            gripper=[] if motion.gripper is None else [motion.gripper],
            speed_scale=motion.speed_scale,
            reason=reason,
        )
        if motion.pose:
            goal.pose.header.frame_id = self._base_frame
            pose = goal.pose.pose
            pose.position.x, pose.position.y, pose.position.z = motion.pose[:3]
            turn = pose.orientation
            turn.x, turn.y, turn.z, turn.w = motion.pose[3:]
        return goal

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)
