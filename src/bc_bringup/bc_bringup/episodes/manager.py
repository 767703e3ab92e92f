"""The client of a running graph that starts, judges and stops episodes.

In lock step it is a participant of the simulation and withholds its tick while it resets the scene and starts or stops
the recorder: simulated time stands still, so an episode begins at its first tick however busy the machine is.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import rclpy
from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from bc_bringup.episodes.mover import Mover
from bc_core.episode_writer import OUTCOMES
from bc_core.errors import BcError
from bc_msgs.action import MoveTo
from bc_msgs.msg import ControlMode, EpisodeOutcome, EpisodeStatus, TaskState, TickDone
from bc_msgs.srv import ChangeMode, ResetScene, StartEpisode, StopEpisode
from bc_nodes import qos

SERVICE_SECONDS = 20.0  # the recorder's stop closes and indexes a bag
SILENCE_SECONDS = 20.0  # without a task state the simulation counts as stuck
OUTCOME_SECONDS = 1.0  # between the recorder's status and its outcome, on two topics
SETTLE_SECONDS = 1.0  # nodes that are active may still be discovering each other's topics
START_SECONDS = 90.0  # until every node is up: the policy is loaded and warmed up in this time


@dataclass(frozen=True)
class Verdict:
    """How an episode ended. outcome: "success", "failure", or "aborted" where the operator discarded it.

    seconds: of the task's time. by_operator: with a button; the recorder has closed the bag already.
    """

    outcome: str
    reason: str
    seconds: float
    by_operator: bool = False


class EpisodeManager:
    """Talks to sim, recorder and controller of one namespace.

    check: called all the time; raises to end the wait (a signal, a graph that has ended).
    participant: its name in lock step; None: real time. settle_seconds: what the nodes are given to find each other.
    return_to: configuration to which motion_planner brings the arm after every episode, and in real time before the
    first: until then whoever holds a stick may have moved it. Empty: a reset of the scene puts it there.
    """

    def __init__(
        self,
        namespace: str,
        participant: str | None,
        check: Callable[[], None],
        settle_seconds: float = SETTLE_SECONDS,
        return_to: str = "",
    ) -> None:
        self._settle_seconds = settle_seconds
        self._return_to, self._returning = return_to, False
        self._check = check
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context, signal_handler_options=rclpy.SignalHandlerOptions.NO)
        self.node = Node("episode_manager", namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._participant = participant
        self._holding = participant is not None  # from the first tick on: time begins with the first episode
        self._begun = False
        self._withheld: Time | None = None  # tick that is not answered yet
        self._task: TaskState | None = None
        self._task_seen = 0.0
        self._mode: ControlMode | None = None
        self._recorder: EpisodeStatus | None = None
        self._outcome: EpisodeOutcome | None = None
        self._tick_done = self.node.create_publisher(TickDone, "sim/tick_done", qos.EVENT)
        self.node.create_subscription(TaskState, "task/state", self._on_task, qos.SENSOR_IN_ALL)
        self.node.create_subscription(ControlMode, "controller/mode", self._on_mode, qos.LATCHED)
        self.node.create_subscription(EpisodeStatus, "episode/status", self._on_recorder, qos.STATE)
        self.node.create_subscription(EpisodeOutcome, "episode/outcome", self._on_outcome, qos.EVENT)
        self._reset = self.node.create_client(ResetScene, "sim/reset")
        self._start = self.node.create_client(StartEpisode, "episode/start")
        self._stop = self.node.create_client(StopEpisode, "episode/stop")
        self._change_mode = self.node.create_client(ChangeMode, "controller/change_mode")
        self._move_to = ActionClient(self.node, MoveTo, "move_to") if return_to else None

    def close(self) -> None:
        self._executor.shutdown()
        if self._move_to is not None:
            self._move_to.destroy()  # a node destroys its services, and no actions
        self.node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    # --- the graph ------------------------------------------------------------------------------------------------

    def wait_for_nodes(self, names: list[str], seconds: float = START_SECONDS) -> None:
        """Until every node (fully qualified name) is active and ticks come. BcError names who is late."""
        deadline = time.monotonic() + seconds
        for name in names:
            client = self.node.create_client(GetState, f"{name}/get_state")
            while not self._is_active(client):
                if time.monotonic() > deadline:
                    raise BcError(f"node {name} is not active after {seconds:.0f} s: see its log")
                self._spin()
            self.node.destroy_client(client)
        self._until(lambda: self._task is not None, START_SECONDS, "a message on 'task/state' from the simulation")
        settled = time.monotonic() + self._settle_seconds
        while time.monotonic() < settled:
            self._spin()

    def _is_active(self, client: Any) -> bool:
        if not client.service_is_ready():
            return False
        return bool(self._call(client, GetState.Request()).current_state.id == State.PRIMARY_STATE_ACTIVE)

    # --- episodes -------------------------------------------------------------------------------------------------

    def run_episode(self, seed: int, operator: str, metadata: Mapping[str, Any], is_policy: bool) -> Verdict:
        """One episode from reset to the recorder's stop. is_policy: the policy is resumed, else a human acts.

        BcError: a service refused, with its reason; the recorder ended the episode by itself (disk full).
        """
        if self._move_to is not None and not self._participant and not self._begun:
            self._until(lambda: self._mode is not None, SERVICE_SECONDS, "a message on 'controller/mode'")
            self._bring_back(Mover(self._move_to, self._executor, self._check), is_policy)
        self._hold_still()
        request = ResetScene.Request(seed=seed, keep_robot=bool(self._return_to))
        # lock step begins once everybody has been heard of
        patience = 0.0 if self._begun or not self._participant else START_SECONDS
        reset = self._accepted(self._reset, request, f"sim/reset with seed {seed}", patience)
        begin = (reset.stamp.sec, reset.stamp.nanosec)
        start = StartEpisode.Request(task=self._task_name(), operator_name=operator, seed=seed)
        start.metadata = json.dumps(dict(metadata))
        started = self._accepted(self._start, start, "episode/start")
        self._recorder = self._outcome = None
        if is_policy:
            self._request_mode(ChangeMode.Request.RESUME, "episode begins")
        self._release()
        try:
            verdict = self._judge(seed, begin, started.episode, is_policy)
        except BcError:
            self._abandon()
            raise
        if not verdict.by_operator:
            outcome = EpisodeOutcome.SUCCESS if verdict.outcome == "success" else EpisodeOutcome.FAILURE
            self._accepted(self._stop, StopEpisode.Request(outcome=outcome, reason=verdict.reason), "episode/stop")
        if is_policy:
            self._settle()
        if self._move_to is not None:
            self._bring_back(Mover(self._move_to, self._executor, self._check), is_policy)
        return verdict

    def _bring_back(self, mover: Mover, is_policy: bool) -> None:
        """The arm goes back to where episodes begin, and time passes for it. BcError: it cannot.

        A policy that an operator resumes between episodes is held again: nobody records what it does.
        """
        self._returning = True
        self._release()
        try:
            mover.go(self._return_to, "between episodes", self._settle if is_policy else lambda: None)
        finally:
            self._returning = False

    def _judge(self, seed: int, begin: tuple[int, int], episode: str, is_policy: bool) -> Verdict:
        """Wait for the task's verdict; what went wrong with the controller meanwhile is a failure of the episode."""
        self._task_seen = time.monotonic()
        while True:
            self._spin()
            task, recorder, mode = self._task, self._recorder, self._mode
            if ended := self._ended(episode):
                return Verdict(OUTCOMES[ended.outcome], ended.reason, task.elapsed if task else 0.0, by_operator=True)
            if recorder and recorder.state == EpisodeStatus.IDLE and recorder.episode == episode:
                if self._comes(lambda: self._ended(episode) is not None, OUTCOME_SECONDS):
                    continue  # somebody has ended it, and not the recorder
                raise BcError(f"the recorder ended '{recorder.path}' by itself: {recorder.message or 'see its log'}")
            if mode and mode.mode == ControlMode.STOPPED:
                return Verdict("failure", f"controller stopped: {mode.reason}", task.elapsed if task else 0.0)
            if task and task.seed == seed and (task.header.stamp.sec, task.header.stamp.nanosec) >= begin:
                outcome = "success" if task.success else "failure" if task.failure else ""
                if outcome:
                    return Verdict(outcome, task.detail or f"task {outcome}", task.elapsed)
            if is_policy and mode and mode.mode == ControlMode.HOLD and mode.reason == "starved":
                # An operator would let the policy go on; any other HOLD was somebody's wish.
                self._request_mode(ChangeMode.Request.RESUME, "after starvation")
            if time.monotonic() - self._task_seen > SILENCE_SECONDS:
                raise BcError(f"no 'task/state' for {SILENCE_SECONDS:.0f} s: the simulation is stuck, see its log")

    def _ended(self, episode: str) -> EpisodeOutcome | None:
        """What the recorder told of an episode that is over, whoever ended it."""
        return self._outcome if self._outcome is not None and self._outcome.episode == episode else None

    def _settle(self) -> None:
        """After a policy's episode: nobody commands any more."""
        assert self._mode is not None
        if self._mode.mode == ControlMode.POLICY:
            self._request_mode(ChangeMode.Request.HOLD, "episode ended")
        elif self._mode.mode == ControlMode.STOPPED:
            self._request_mode(ChangeMode.Request.RESET, "next episode")

    def _abandon(self) -> None:
        """Close the bag of an episode that cannot go on; the error that is under way says why."""
        request = StopEpisode.Request(outcome=EpisodeOutcome.ABORTED, reason="episode manager gave up")
        future = self._stop.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=3.0)

    def _request_mode(self, request: int, reason: str) -> None:
        message = ChangeMode.Request(request=request, reason=reason)
        epoch = self._accepted(self._change_mode, message, f"control mode request {request} ({reason})").epoch
        self._until(
            lambda: self._mode is not None and self._mode.epoch >= epoch, SERVICE_SECONDS, "the new control mode"
        )

    def _task_name(self) -> str:
        assert self._task is not None
        return str(self._task.task)

    # --- lock step ------------------------------------------------------------------------------------------------

    def _hold_still(self) -> None:
        """From the next tick on, simulated time stands still."""
        if self._participant:
            self._holding = True
            self._until(lambda: self._withheld is not None, SILENCE_SECONDS, "the simulation's next tick")

    def _release(self) -> None:
        self._holding, self._begun = False, True
        if self._withheld is not None:
            stamp, self._withheld = self._withheld, None
            self._answer(stamp)

    def _answer(self, stamp: Time) -> None:
        message = TickDone(participant=self._participant)
        message.header.stamp = stamp
        self._tick_done.publish(message)

    def _on_task(self, message: TaskState) -> None:
        self._task = message
        self._task_seen = time.monotonic()
        if not self._participant:
            return
        if (message.success or message.failure) and not self._returning:
            self._holding = True  # nothing more happens in this episode: its bag ends here
        if self._holding:
            if not self._begun:
                self._answer(Time())  # it is there; unheard of, it would be sent everything again, into the recording
            self._withheld = message.header.stamp
        else:
            self._answer(message.header.stamp)

    def _on_mode(self, message: ControlMode) -> None:
        self._mode = message

    def _on_outcome(self, message: EpisodeOutcome) -> None:
        self._outcome = message

    def _on_recorder(self, message: EpisodeStatus) -> None:
        self._recorder = message

    # --- waiting --------------------------------------------------------------------------------------------------

    def _spin(self) -> None:
        self._check()
        self._executor.spin_once(timeout_sec=0.05)

    def _until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        if not self._comes(condition, seconds):
            raise BcError(f"waited {seconds:.0f} s in vain for {what}: see the logs of the nodes")

    def _comes(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait for a condition; False: it does not hold in time."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            self._spin()
        return True

    def _call(self, client: Any, request: Any) -> Any:
        self._until(client.service_is_ready, SERVICE_SECONDS, f"service '{client.srv_name}'")
        future = client.call_async(request)
        self._until(future.done, SERVICE_SECONDS, f"the answer of service '{client.srv_name}'")
        return future.result()

    def _accepted(self, client: Any, request: Any, what: str, patience: float = 0.0) -> Any:
        """The answer of a service. BcError: it refuses, and has done so for `patience` seconds."""
        deadline = time.monotonic() + patience
        while not (answer := self._call(client, request)).success and time.monotonic() < deadline:
            self._spin()
        if not answer.success:
            raise BcError(f"{what} was refused: {answer.message}")
        return answer
