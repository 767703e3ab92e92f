"""move_group as the planner: its action's client, and the obstacles for its scene."""

from collections.abc import Callable
from typing import Any

from moveit_msgs.action import MoveGroup
from moveit_msgs.msg import PlanningScene
from rclpy.action import ActionClient
from rclpy.node import Node

from bc_nodes import qos
from bc_planner.moveit_goals import planning_scene
from bc_planner.moveit_job import MoveItJob
from bc_planner.workspace import Workspace


class MoveGroupClient:
    """Sends a job's goals, one at a time, with the workspace's obstacles: no plan is made without them, whenever
    move_group was started. They go to `planning_scene` as well, where others see them.

    on_change: called after every answer.
    """

    def __init__(self, node: Node, workspace: Workspace, on_change: Callable[[], None]) -> None:
        self._workspace, self._on_change = workspace, on_change
        self._client = ActionClient(node, MoveGroup, "move_action")
        self._scene = node.create_publisher(PlanningScene, "planning_scene", qos.EVENT)
        self._job: MoveItJob | None = None
        self._handle: Any = None
        self._stopped = False

    def begin(self, job: MoveItJob) -> None:
        """The job that is served from now on; what another still hears of is not its."""
        self._job, self._handle, self._stopped = job, None, False
        self._scene.publish(planning_scene(self._workspace))

    def there(self) -> bool:
        """Is a move_group on the graph?"""
        return bool(self._client.server_is_ready())

    def send(self, goal: MoveGroup.Goal) -> None:
        job = self._job
        assert job is not None
        if not self.there():
            job.on_rejected(
                "nobody serves 'move_action': start MoveIt (launch/moveit.launch.yaml), or backend:=builtin"
            )
            return
        goal.planning_options.planning_scene_diff = planning_scene(self._workspace)
        self._handle = None
        sent = self._client.send_goal_async(goal, lambda message: job.on_feedback(message.feedback.state))
        sent.add_done_callback(lambda future: self._on_answer(job, future.result()))

    def stop(self) -> None:
        """Cancel what was sent, also if move_group has not answered yet."""
        self._stopped = True
        if self._handle is not None:
            self._handle.cancel_goal_async()

    def _on_answer(self, job: MoveItJob, handle: Any) -> None:
        if job is not self._job:
            return
        if not handle.accepted:
            job.on_rejected("move_group does not take the goal: see its log")
            self._on_change()
            return
        self._handle = handle
        if self._stopped:
            handle.cancel_goal_async()
        handle.get_result_async().add_done_callback(lambda future: self._on_result(job, future.result().result))

    def _on_result(self, job: MoveItJob, result: MoveGroup.Result) -> None:
        if job is self._job:
            self._handle = None
            job.on_result(result.error_code, result.planning_time)
            self._on_change()
