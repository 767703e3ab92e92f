"""One motion from the wish to its end: wait until the arm is held, plan, ask for PLANNER, play the rows, hold.

Whatever happens to the controller meanwhile comes in by `on_...`; what is to be done goes out by `Ports`. The clock is
an argument: the same job runs in the node and in virtual time.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from bc_core.chunks import ActionChunk, ActionGroup, Array
from bc_core.grid import NANOSECONDS, Grid
from bc_core.modes import Mode
from bc_core.playback import Playback, Result
from bc_msgs.msg import ControlMode
from bc_msgs.srv import ChangeMode
from bc_planner.goal import Motion, MotionError, Reason

_MOVED = 1e-3  # [rad, m]: since the plan was made; more makes it void
STALE_NS = NANOSECONDS  # a state that is older says nothing
_ANSWER_NS = 5 * NANOSECONDS  # for the controller's answer to a request, and for standing still
_REASONS = {
    Result.DONE: Reason.SUCCESS,
    Result.CANCELED: Reason.CANCELED,
    Result.ENDED: Reason.PREEMPTED,
    Result.REFUSED: Reason.FAILED,
    Result.SILENT: Reason.FAILED,
}


@dataclass(frozen=True)
class Seen:
    """The controller's state at stamp_ns. reference: a row (D,). joints, wanted: measured and commanded (n,) [rad].

    still: the reference stands.
    """

    stamp_ns: int
    mode: int
    epoch: int
    reference: Array
    joints: Array
    wanted: Array
    still: bool


@dataclass(frozen=True)
class Ports:
    """plan: from a reference and the measured joints, in its own time; the callable says whether it still matters.
    change_mode: answered by `Job.on_answer`."""

    plan: Callable[[Array, Array, Callable[[], bool]], "Future[Motion]"]
    publish: Callable[[ActionChunk], None]
    change_mode: Callable[[int, str], None]


@dataclass(frozen=True)
class Rules:
    """patience: for HOLD, before it is given up [s]. deviation: of a joint from where it should be, at most [rad]."""

    groups: tuple[ActionGroup, ...]
    grid: Grid
    joints: tuple[str, ...]
    patience: float = 2.0
    deviation: float = 0.15


@dataclass(frozen=True)
class Outcome:
    """How it ended; motion: what was planned, None where nothing was."""

    reason: Reason
    message: str
    motion: Motion | None = field(default=None, repr=False)


class Phase(Enum):
    WAITING = "waiting for HOLD"
    PLANNING = "planning"
    ASKED = "asked for PLANNER"
    MOVING = "moving"
    STOPPING = "stopping"


class Job:
    """`step` regularly; `outcome` is set once. producer, producer_id, sequence: of the chunks. why: who wants it."""

    def __init__(
        self,
        ports: Ports,
        rules: Rules,
        producer: str,
        producer_id: int,
        sequence: int,
        begun_ns: int,
        why: str = "motion",
        plan_only: bool = False,
    ) -> None:
        self.phase = Phase.WAITING
        self.outcome: Outcome | None = None
        self.motion: Motion | None = None
        self.playback: Playback | None = None
        self.next_sequence = sequence
        self._ports, self._rules, self._why, self._plan_only = ports, rules, why, plan_only
        self._producer, self._producer_id = producer, producer_id
        self._begun_ns = begun_ns
        self._seen: Seen | None = None
        self._plan: Future[Motion] | None = None
        self._newest: tuple[int, int, str] | None = None  # mode, epoch, reason
        self._canceled = False
        self._failure = ""
        self._asked_ns = self._now_ns = begun_ns

    def step(self, now_ns: int) -> None:
        """Do what is due."""
        self._now_ns = now_ns
        if self.outcome is not None:
            return
        if self.phase is Phase.WAITING:
            self._wait(now_ns)
        if self.phase is Phase.PLANNING:
            self._take_plan(now_ns)
        if self.phase is Phase.MOVING and self.playback is not None:
            for chunk in self.playback.due(now_ns):
                self._ports.publish(chunk)
            self._judge()
        if self.phase is Phase.STOPPING:
            self._judge()
        if self.phase in (Phase.ASKED, Phase.STOPPING) and now_ns - self._asked_ns > _ANSWER_NS:
            reason = Reason.NOT_GRANTED if self.phase is Phase.ASKED else Reason.FAILED
            self._end(reason, "the controller does not answer: see whether it runs")

    def cancel(self) -> None:
        """The client wants no more of it: before it moves at once, then by way of HOLD."""
        self._canceled = True
        if self.outcome is not None or self.phase is Phase.STOPPING:
            return
        if self.phase is Phase.MOVING:
            self._stop("motion canceled")
        elif self.phase is not Phase.ASKED:  # that is heard first
            self._end(Reason.CANCELED, "canceled before anything has moved")

    def on_state(self, seen: Seen) -> None:
        """A state of the controller."""
        self._seen = seen
        if self.phase is Phase.MOVING and self.outcome is None and seen.mode == ControlMode.PLANNER:
            error = np.abs(seen.joints - seen.wanted)
            worst = int(np.argmax(error))
            if error[worst] > self._rules.deviation:
                self._failure = (
                    f"joint '{self._rules.joints[worst]}' is {error[worst]:.2f} rad from where it should be: something"
                    " holds the arm"
                )
                self._stop(self._failure)

    def on_mode(self, mode: int, epoch: int, reason: str, now_ns: int) -> None:
        """A change of mode."""
        self._newest = (mode, epoch, reason)
        if self.playback is not None:
            self.playback.on_mode(mode == ControlMode.HOLD, epoch, reason, now_ns)
            self.step(now_ns)

    def on_ack(self, producer_id: int, reason: int, detail: str) -> None:
        """A verdict on a chunk."""
        if self.playback is not None:
            self.playback.on_ack(producer_id, reason, detail)

    def on_answer(self, request: int, success: bool, epoch: int, message: str, now_ns: int) -> None:
        """The controller's answer to a request for a mode."""
        if request != ChangeMode.Request.GRANT or self.phase is not Phase.ASKED or self.playback is None:
            return  # a HOLD that is refused has been forestalled: the change of mode tells by whom
        if not success:
            self._end(Reason.NOT_GRANTED, f"the controller does not grant PLANNER: {message}")
            return
        self.playback.granted(epoch, now_ns)
        self.phase = Phase.MOVING
        if self._newest is not None and self._newest[1] > epoch:  # taken over before this answer was heard
            self.on_mode(*self._newest, now_ns)
        elif self._canceled:
            self._stop("motion canceled")
        self.step(now_ns)

    # --- phases ---------------------------------------------------------------------------------------------------

    def _wait(self, now_ns: int) -> None:
        seen = self._seen
        fresh = seen is not None and now_ns - seen.stamp_ns <= STALE_NS
        if seen is not None and fresh and seen.mode == ControlMode.HOLD and seen.still:
            self.phase = Phase.PLANNING
            self._plan = self._ports.plan(seen.reference, seen.joints, lambda: self.outcome is not None)
            return
        stopped = seen is not None and fresh and seen.mode == ControlMode.STOPPED
        if not stopped and now_ns - self._begun_ns <= self._rules.patience * NANOSECONDS:
            return
        if seen is None or not fresh:
            self._end(Reason.NOT_GRANTED, "nothing is heard from 'controller/state': start the controller")
            return
        self._end(
            Reason.NOT_GRANTED,
            f"the controller is in {Mode(seen.mode).name}, and motions begin in HOLD only: "
            + ("reset it first" if stopped else "let go, or ask for HOLD"),
        )

    def _take_plan(self, now_ns: int) -> None:
        if self._plan is None or not self._plan.done():
            return
        try:
            motion = self.motion = self._plan.result()
        except MotionError as error:
            self._end(error.reason, str(error))
            return
        if self._plan_only or not len(motion.rows):
            self._end(Reason.SUCCESS, "there is a way" if len(motion.rows) else "already there")
            return
        seen = self._seen
        if seen is None or seen.mode != ControlMode.HOLD or np.abs(seen.reference - motion.rows[0]).max() > _MOVED:
            self.phase = Phase.WAITING  # somebody has moved the arm meanwhile
            return
        rules = self._rules
        self.playback = Playback(
            motion.rows, rules.groups, rules.grid, self._producer, self._producer_id, self.next_sequence
        )
        self.phase = Phase.ASKED
        self._asked_ns = now_ns
        self._ports.change_mode(ChangeMode.Request.GRANT, self._why)

    def _stop(self, why: str) -> None:
        assert self.playback is not None
        self.playback.cancel()
        self.phase = Phase.STOPPING
        self._asked_ns = self._now_ns
        self._ports.change_mode(ChangeMode.Request.HOLD, why)

    def _judge(self) -> None:
        """Has the playback ended? A motion that was stopped is over when the reference stands."""
        playback = self.playback
        assert playback is not None
        self.next_sequence = playback.next_sequence
        if playback.end is None:
            return
        result, why = playback.end.result, playback.end.reason
        if result is Result.CANCELED:
            if self._seen is not None and self._seen.mode == ControlMode.HOLD and self._seen.still:
                self._end(*((Reason.FAILED, self._failure) if self._failure else (Reason.CANCELED, f"stopped: {why}")))
        elif result is Result.ENDED and why == "starved":
            self._end(Reason.FAILED, "the motion was starved: chunks came too late, the arm stopped and holds")
        elif result is Result.REFUSED:
            self._ports.change_mode(ChangeMode.Request.HOLD, "motion refused")
            self._end(Reason.FAILED, f"the controller refused a chunk: {why}")
        else:
            self._end(
                _REASONS[result], {Result.DONE: "done", Result.ENDED: f"ended by another: {why}"}.get(result, why)
            )

    def _end(self, reason: Reason, message: str) -> None:
        self.outcome = Outcome(reason, message, self.motion)
