"""motion_planner: homing, episode reset, approach and retreat as PLANNER, for whoever asks. A thin shell over Job."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.task import Future

from bc_controllers import load_robot
from bc_core.chunks import ActionChunk
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_msgs.action import MoveTo
from bc_msgs.msg import ActionChunk as ActionChunkMsg
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode, EpisodeOutcome, TaskState, TickDone
from bc_msgs.srv import ChangeMode
from bc_nodes import qos
from bc_nodes.convert import chunk_to_msg
from bc_nodes.diagnostics import Diagnostics, Level
from bc_nodes.lifecycle import BcLifecycleNode
from bc_nodes.main import run_node
from bc_planner.goal import Grip, MotionError, MotionGoal, Reason, ToNamed
from bc_planner.job import Job, Outcome, Phase, Ports, Rules
from bc_planner.messages import read_goal, result_of, seen
from bc_planner.planner import MotionPlanner, Settings
from bc_planner.workspace import Workspace, load_workspace

if TYPE_CHECKING:  # needs MoveIt
    from bc_planner.moveit_job import MoveItJob

_PERIOD = 0.01  # [s] between two looks at the job, by the steady clock
_FEEDBACK = 0.1  # [s] between two messages of feedback


class MotionPlannerNode(BcLifecycleNode):
    """Serves the action `move_to`; one motion at a time.

    In lock step it is a participant by its own name: its chunks of a tick are out before the simulation goes on.
    """

    def __init__(self) -> None:
        super().__init__("motion_planner")
        self.parameter("robot", "", "file in config/robots")
        self.parameter("contract", "", "file in config/contracts: rows are those of its actions, at its period")
        self.parameter("workspace", "", "file in config/workspaces: obstacles and named configurations")
        self.parameter("backend", "builtin", "who plans and executes: builtin, or moveit (move_group)")
        self.parameter("planning_time", 5.0, "for the search of a way [s]")
        self.parameter("speed_scale", 0.4, "share of the limits, where a goal does not say")
        self.parameter("deviation", 0.15, "of a joint from where it should be that stops the motion [rad]")
        self.parameter("patience", 2.0, "for HOLD, before a goal is given up [s]")
        self.parameter("after_episode", "", "configuration to go to after every episode; empty: none")
        self.parameter("after_patience", 30.0, "for HOLD after an episode [s]")
        self.parameter("lockstep", False, "the simulation waits for this node, by its name, at every tick")
        self._job: Job | MoveItJob | None = None
        self._ended: Any = None  # future of the job's end, for the action's coroutine
        self._handle: Any = None
        self._busy = False  # a goal was accepted and has not been answered
        self._then: MotionGoal | None = None  # what is left to the built-in planner
        self._sequence = 0

    # --- life -----------------------------------------------------------------------------------------------------

    def configure(self) -> None:
        robot, contract = load_robot(self.value("robot")), Contract.load(self.value("contract"))
        self._contract, self._robot = contract, robot
        settings = Settings(self.value("planning_time"), self.value("speed_scale"))
        workspace = load_workspace(self.value("workspace"))
        self._planner = MotionPlanner(robot, workspace, contract.groups, contract.grid, settings)
        if after := self.value("after_episode"):
            self._planner.targets.configuration(after)  # refused now, not after the first episode
        self._move_group = self._make_client(workspace)
        self._threads = ThreadPoolExecutor(1, "planning")  # one: a planner is not for two threads
        self._commands = self.create_publisher(ActionChunkMsg, "command/planner", qos.COMMAND_OUT)
        self._modes = self.create_client(ChangeMode, "controller/change_mode")
        self._diagnostics = Diagnostics(self)
        self.create_subscription(ControllerState, "controller/state", self._on_state, qos.STATE)
        self.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self.create_subscription(ChunkAck, "controller/ack", self._on_ack, qos.EVENT)
        self.create_subscription(EpisodeOutcome, "episode/outcome", self._on_outcome, qos.EVENT)
        if self.value("lockstep"):
            self._tick_done = self.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
            self.create_subscription(TaskState, "task/state", self._on_tick, qos.SENSOR_IN_ALL)
        self._timer = self.create_timer(_PERIOD, self._step, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._timer.cancel()
        self._server = ActionServer(
            self,
            MoveTo,
            "move_to",
            execute_callback=self._execute,
            goal_callback=self._on_goal,
            cancel_callback=self._on_cancel,
        )

    def _make_client(self, workspace: Workspace) -> Any:
        """move_group's client where the parameter says so, else None. BcError: MoveIt is not installed."""
        backend = self.value("backend")
        if backend not in ("builtin", "moveit"):
            raise BcError(f"backend is '{backend}': give builtin or moveit")
        if backend == "builtin":
            return None
        try:
            from bc_planner.moveit_client import MoveGroupClient
        except ImportError as error:
            raise BcError(f"backend moveit needs MoveIt ({error}): install moveit, or use backend:=builtin") from error
        return MoveGroupClient(self, workspace, self._step)

    def deactivate(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._step()

    def close(self) -> None:
        """A motion under way is stopped: nobody could say any more that it should be."""
        self.deactivate()

    # --- goals ----------------------------------------------------------------------------------------------------

    def _on_goal(self, goal: MoveTo.Goal) -> GoalResponse:
        if not self.active or self._busy or self._job is not None:
            why = "another motion is under way" if self.active else "the node is not active"
            self.get_logger().warning(f"a goal was rejected: {why}", throttle_duration_sec=5.0)
            return GoalResponse.REJECT
        self._busy = True
        return GoalResponse.ACCEPT

    def _on_cancel(self, handle: Any) -> CancelResponse:
        if self._job is not None and handle is self._handle:
            self._job.cancel()
        return CancelResponse.ACCEPT

    async def _execute(self, handle: Any) -> MoveTo.Result:
        """The action's coroutine: the job is stepped by timer and ticks; this waits for its end."""
        self._handle, request = handle, handle.request
        ended = self._ended = Future()
        try:
            goal = read_goal(request, self._robot.base_frame)
            job = self._begin(goal, request.reason or "move_to", self.value("patience"), request.plan_only)
        except MotionError as error:
            self._ended, outcome = None, Outcome(error.reason, str(error))
        else:
            if handle.is_cancel_requested:  # before this began
                job.cancel()
            outcome = await ended
        self._handle, self._busy = None, False
        if outcome.reason is Reason.SUCCESS:
            handle.succeed()
        elif outcome.reason is Reason.CANCELED and handle.is_cancel_requested:
            handle.canceled()
        else:
            handle.abort()
        return result_of(outcome, self._contract.grid.dt)

    def _on_outcome(self, message: EpisodeOutcome) -> None:
        name = self.value("after_episode")
        if not name or not self.active:
            return
        if self._busy or self._job is not None:
            self.get_logger().info(f"episode over: a motion is under way, and '{name}' is left to whoever asked for it")
            return
        self._begin(ToNamed(name=name), f"reset to '{name}'", self.value("after_patience"))

    def _begin(self, goal: MotionGoal, why: str, patience: float, plan_only: bool = False) -> "Job | MoveItJob":
        self._then = None
        begun, make = self._now_ns(), self._builtin_job if self._move_group is None else self._moveit_job
        job = self._job = make(goal, why, begun, patience, plan_only)
        self._told, self._why = 0.0, why
        self.get_logger().info(f"{why}: {type(goal).__name__}")
        self._timer.reset()
        return job

    def _builtin_job(self, goal: MotionGoal, why: str, begun: int, patience: float, plan_only: bool) -> Job:
        contract, name = self._contract, self.get_name()
        rules = Rules(contract.groups, contract.grid, self._robot.arm, patience, self.value("deviation"))
        ports = Ports(
            lambda reference, joints, stale: self._threads.submit(self._planner.plan, reference, goal, stale, joints),
            self._publish,
            self._change_mode,
        )
        return Job(ports, rules, name, self.process_id, self._sequence + 1, begun, why, plan_only)

    def _moveit_job(self, goal: MotionGoal, why: str, begun: int, patience: float, plan_only: bool) -> "MoveItJob":
        from bc_planner.moveit_job import MoveItJob, MoveItPorts, legs_of

        planner, client = self._planner, self._move_group
        job = MoveItJob(
            MoveItPorts(client.send, client.stop, client.there, partial(self._change_mode, ChangeMode.Request.HOLD)),
            lambda joints: legs_of(goal, joints, planner.arm, planner.targets),
            planner.speed(goal),
            self.value("planning_time"),
            begun,
            patience,
            plan_only,
        )
        opening = planner.targets.opening(goal)
        if opening is not None and not plan_only:  # MoveIt moves the arm alone
            self._then = Grip(gripper=planner.end_opening(goal, opening), speed=goal.speed)
        client.begin(job)
        return job

    # --- the job --------------------------------------------------------------------------------------------------

    def _step(self) -> None:
        job = self._job
        if job is None:
            return
        job.step(self._now_ns())
        if job.outcome is not None:
            self._finish(job.outcome)
        elif self._handle is not None and time.monotonic() - self._told > _FEEDBACK:
            self._told = time.monotonic()
            self._handle.publish_feedback(self._feedback(job))

    def _finish(self, outcome: Outcome) -> None:
        then, self._then = self._then, None
        if then is not None and outcome.reason is Reason.SUCCESS:
            self._job = self._builtin_job(then, self._why, self._now_ns(), self.value("patience"), False)
            return
        self._job = None
        self._timer.cancel()
        fine = outcome.reason in (Reason.SUCCESS, Reason.CANCELED)
        if fine:
            self.get_logger().info(f"{outcome.reason.name}: {outcome.message}")
        else:
            self.get_logger().warning(f"{outcome.reason.name}: {outcome.message}")
        self._diagnostics.report(Level.OK if fine else Level.WARN, "" if fine else outcome.message)
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended.set_result(outcome)

    def _feedback(self, job: "Job | MoveItJob") -> MoveTo.Feedback:
        moving = job.phase in (Phase.MOVING, Phase.STOPPING)
        feedback = MoveTo.Feedback(state=MoveTo.Feedback.MOVING if moving else MoveTo.Feedback.PLANNING)
        if moving and isinstance(job, Job) and job.playback is not None:
            feedback.progress = job.playback.progress(self._now_ns())
            feedback.remaining = (1.0 - feedback.progress) * job.playback.seconds
        return feedback

    def _publish(self, chunk: ActionChunk) -> None:
        self._sequence = chunk.sequence
        self._commands.publish(chunk_to_msg(chunk))

    def _change_mode(self, request: int, why: str) -> None:
        if not self._modes.service_is_ready():
            if isinstance(self._job, Job):
                silence = f"nobody serves '{self._modes.srv_name}': start the controller first"
                self._job.on_answer(request, False, 0, silence, self._now_ns())
            return
        future = self._modes.call_async(ChangeMode.Request(request=request, reason=why))
        future.add_done_callback(partial(self._on_answer, self._job, request))

    def _on_answer(self, job: "Job | MoveItJob | None", request: int, future: Any) -> None:
        if isinstance(job, Job) and job is self._job:
            answer = future.result()
            job.on_answer(request, answer.success, int(answer.epoch), answer.message, self._now_ns())

    # --- what the controller tells --------------------------------------------------------------------------------

    def _on_state(self, message: ControllerState) -> None:
        if self._job is not None:
            self._job.on_state(seen(message, self._contract.groups, self._robot.arm))

    def _on_mode(self, message: ControlMode) -> None:
        if self._job is not None:
            self._job.on_mode(int(message.mode), int(message.epoch), message.reason, self._now_ns())
            self._step()

    def _on_ack(self, message: ChunkAck) -> None:
        if self._job is not None:
            self._job.on_ack(message.producer_id, message.reason, message.detail or f"reason {message.reason}")

    def _on_tick(self, message: TaskState) -> None:
        """Lock step: what is due at this tick goes out before time goes on."""
        self._step()
        done = TickDone(participant=self.get_name(), sequence=self._sequence)
        done.header.stamp = message.header.stamp
        self._tick_done.publish(done)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def main() -> None:
    sys.exit(run_node(MotionPlannerNode))
