"""Carries out one skill after another, and never from one straight into the next: HOLD lies between them.

    IDLE -> HOLDING -> CHECKING -> ACTIVATING -> STARTING -> RUNNING -> HOLDING -> IDLE

State in, calls out; the clock is an argument. Whatever does not answer, or cannot be seen, ends the skill in HOLD.
"""

from enum import Enum
from typing import NamedTuple, Protocol

from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS, Grid
from bc_core.modes import Mode
from bc_core.skills.clause import Watch
from bc_core.skills.library import Library, Skill
from bc_core.skills.motion import Motion
from bc_core.skills.world import World

ANSWER = 2.0
"""A call that is not answered within this time has failed [s]."""
BLIND = 1.0
"""A skill whose end cannot be judged for so long is ended [s]."""
REPEAT = 0.5
"""A robot that does not hold is asked again after this time [s]."""
MARGIN = 1.0
"""The policy's own time limit lies so far behind the skill's [s]: it matters where nobody is left to end the skill."""


DRIVEN = (Mode.POLICY, Mode.PLANNER)


class Phase(Enum):
    """What the executive waits for."""

    IDLE = "idle"  # a skill
    HOLDING = "holding"  # the robot's HOLD, and the end of every call
    CHECKING = "checking"  # the precondition
    ACTIVATING = "activating"  # the policy to be another
    STARTING = "starting"  # POLICY
    RUNNING = "running"  # the skill's end


class Outcome(Enum):
    """How a skill ended."""

    SUCCESS = "success"
    FAILURE = "failure"
    TIMEOUT = "timeout"
    REFUSED = "refused"  # it never began: its precondition did not hold, or could not be judged
    PREEMPTED = "preempted"  # a human, or whoever else asked for HOLD, or for another skill


class Ended(NamedTuple):
    """The last skill, and why it ended."""

    skill: str
    outcome: Outcome
    reason: str


class Robot(Protocol):
    """What the executive asks of others. `run` comes back with the answer: Executive.on_answer, on_moved."""

    def hold(self, reason: str) -> None:
        """Ask the controller for HOLD; the mode tells whether it came."""

    def activate(self, run: int, checkpoint: str, time_limit: float) -> None:
        """Let this policy answer from the next POLICY mode on, for at most time_limit [s] of it."""

    def resume(self, run: int, reason: str) -> None:
        """Ask the controller for POLICY."""

    def move(self, run: int, motion: Motion, reason: str) -> None:
        """Hand a motion to the planner."""

    def cancel(self, reason: str) -> None:
        """End the motion."""


class Executive:
    """One robot's skills. Times are in nanoseconds of one clock, the robot's."""

    def __init__(self, library: Library, world: World, robot: Robot, grid: Grid) -> None:
        self.library = library
        self.phase = Phase.IDLE
        self.skill: Skill | None = None  # that is being begun, or runs
        self.last: Ended | None = None
        self.ended = 0  # skills, since the start
        self.mode: Mode | None = None  # None: the controller has not told
        self._world, self._robot, self._grid = world, robot, grid
        self._next: Skill | None = None  # to be begun in HOLD
        self._run = 0  # of the skill: what belongs to another is too late
        self._open = False  # a call whose answer, however late, may still move the robot
        self._since_ns = 0  # of this phase
        self._asked_ns: int | None = None  # when the robot was last asked to hold
        self._seen_ns = 0  # when the end of the skill could last be judged
        self._now_ns = 0
        self._precondition = self._success = self._failure = Watch(None, without=True)

    def select(self, name: str, now_ns: int) -> None:
        """Begin a skill as soon as the robot holds. BcError: no such skill, or the mode does not allow it."""
        skill = self.library[name]
        self.refuse_unless_free(f"skill '{name}'")
        self._rest(skill, now_ns, f"skill '{name}' was chosen")

    def refuse_unless_free(self, who: str) -> None:
        """BcError where nobody but a human may move the robot now."""
        if self.mode is None:
            raise BcError(f"{who}: the controller has not told its mode: see whether it runs")
        if self.mode is Mode.HUMAN:
            raise BcError(f"{who}: a human drives: ask again when they have let go")
        if self.mode is Mode.STOPPED:
            raise BcError(f"{who}: the robot is stopped: reset it, then ask again")

    def hold(self, now_ns: int, reason: str) -> None:
        """End what runs; whatever drives, the robot holds."""
        self._rest(None, now_ns, reason)

    def on_mode(self, mode: Mode, reason: str, stamp_ns: int, now_ns: int) -> None:
        """The controller changed mode."""
        self._now_ns = now_ns
        self.mode = mode
        self._world.begin(stamp_ns)
        moves = self.skill is not None and self.skill.motion is not None
        match mode:
            case Mode.HUMAN | Mode.STOPPED:
                self._next = None
                why = "a human took over" if mode is Mode.HUMAN else f"the robot was stopped: {reason}"
                self._conclude(Outcome.PREEMPTED, why)
            case Mode.HOLD if reason == "starved":
                self._conclude(Outcome.FAILURE, "the robot ran out of rows: see why no chunk came in time")
            case Mode.HOLD if not moves and self.phase is not Phase.CHECKING:  # a motion's end is the planner's to tell
                self._conclude(Outcome.PREEMPTED, f"the controller holds: {reason}")
            case Mode.POLICY if self.phase is Phase.STARTING:
                self._seen_ns = now_ns
                self._enter(Phase.RUNNING)
            case Mode.PLANNER if moves and self.phase is Phase.RUNNING:
                pass
            case Mode.POLICY | Mode.PLANNER:
                self._conclude(Outcome.PREEMPTED, f"someone else lets the robot be driven ({mode.name}): {reason}")
        if self.phase is Phase.HOLDING:
            self._settle()

    def on_answer(self, run: int, success: bool, message: str, now_ns: int) -> None:
        """Of `activate` or `resume`."""
        self._now_ns = now_ns
        if run != self._run:
            return
        self._open = False
        if self.phase is Phase.HOLDING:
            self._settle()
        elif self.phase in (Phase.ACTIVATING, Phase.STARTING) and not success:
            self._conclude(Outcome.FAILURE, message)
        elif self.phase is Phase.ACTIVATING:
            assert self.skill is not None
            self._enter(Phase.STARTING)
            self._open = True
            self._robot.resume(run, f"skill '{self.skill.name}'")

    def on_moved(self, run: int, outcome: Outcome, message: str, now_ns: int) -> None:
        """The planner's motion has ended, or never began."""
        self._now_ns = now_ns
        if run != self._run:
            return
        self._open = False
        if self.phase is Phase.RUNNING:
            self._conclude(outcome, message)
        elif self.phase is Phase.HOLDING:
            self._settle()

    def on_tick(self, tick: int, now_ns: int) -> None:
        """To be called at every tick of the grid."""
        backwards, self._now_ns = now_ns < self._now_ns, now_ns
        if backwards:
            self._since_ns, self._asked_ns = min(self._since_ns, now_ns), None
            self._conclude(Outcome.FAILURE, "the clock went back: its time cannot be told")
        waited = (now_ns - self._since_ns) / NANOSECONDS
        match self.phase:
            case Phase.HOLDING:
                self._settle()
            case Phase.CHECKING:
                self._check(tick, waited)
            case Phase.ACTIVATING if waited >= ANSWER:
                self._conclude(Outcome.FAILURE, f"chunk_scheduler did not answer within {ANSWER:g} s: see if it runs")
            case Phase.STARTING if waited >= ANSWER:
                self._conclude(Outcome.FAILURE, f"the controller did not enter POLICY within {ANSWER:g} s")
            case Phase.RUNNING:
                self._follow(tick, waited)

    def _check(self, tick: int, waited: float) -> None:
        """The precondition; it has `patience` to become true."""
        skill = self.skill
        assert skill is not None
        verdict = self._precondition.look(self._world, tick, self._now_ns, 0.0)
        if verdict.truth:
            self._open = True
            if skill.motion is not None:
                self._enter(Phase.RUNNING)
                self._robot.move(self._run, skill.motion, f"skill '{skill.name}'")
            else:
                self._enter(Phase.ACTIVATING)
                self._robot.activate(self._run, skill.checkpoint, skill.timeout + MARGIN)
        elif waited >= skill.patience:
            known = "its precondition does not hold" if verdict.truth is False else "its precondition is not known"
            self._conclude(Outcome.REFUSED, f"{known}: {verdict.why}")

    def _follow(self, tick: int, elapsed: float) -> None:
        """A skill runs: is it over?"""
        skill = self.skill
        assert skill is not None
        failure = self._failure.look(self._world, tick, self._now_ns, elapsed)
        success = self._success.look(self._world, tick, self._now_ns, elapsed)
        unknown = next((verdict.why for verdict in (failure, success) if verdict.truth is None), "")
        if not unknown:
            self._seen_ns = self._now_ns
        if failure.truth:
            self._conclude(Outcome.FAILURE, "its condition of failure holds")
        elif success.truth:
            self._conclude(Outcome.SUCCESS, "")
        elif elapsed >= skill.timeout:
            self._conclude(Outcome.TIMEOUT, f"not over within {skill.timeout:g} s")
        elif self._now_ns - self._seen_ns >= BLIND * NANOSECONDS:
            self._conclude(Outcome.FAILURE, f"its end cannot be judged: {unknown}")

    def _begin(self, skill: Skill) -> None:
        self._run += 1
        self.skill = skill
        self._precondition = Watch(skill.precondition, without=True)
        self._success = Watch(skill.success, without=False)
        self._failure = Watch(skill.failure, without=False)
        self._enter(Phase.CHECKING)

    def _rest(self, follower: Skill | None, now_ns: int, reason: str) -> None:
        """Hold; and then?"""
        self._now_ns = now_ns
        self._next = follower
        if self.skill is not None:
            self._conclude(Outcome.PREEMPTED, reason)
        elif self.phase is Phase.IDLE:
            self._enter(Phase.HOLDING)
            self._settle()

    def _conclude(self, outcome: Outcome, reason: str) -> None:
        """The skill is over (if there is one); the robot is to hold."""
        if self.skill is None:
            return
        skill, self.skill = self.skill, None
        self.last = Ended(skill.name, outcome, reason)
        self.ended += 1
        if self._open and skill.motion is not None:
            self._robot.cancel(f"skill '{skill.name}': {outcome.value}")
        self._enter(Phase.HOLDING)
        if skill.motion is not None and outcome is Outcome.SUCCESS:
            self._asked_ns = self._now_ns  # HOLD is on its way already
        self._settle()

    def _settle(self) -> None:
        """Until the robot holds and nothing is under way that could move it; then the next skill begins, if any."""
        silent = self._now_ns - self._since_ns >= ANSWER * NANOSECONDS
        if self.mode in DRIVEN:
            if self._asked_ns is None or self._now_ns - self._asked_ns >= REPEAT * NANOSECONDS:
                self._asked_ns = self._now_ns
                self._robot.hold(f"skill '{self.last.skill}': {self.last.outcome.value}" if self.last else "skills")
        elif not self._open or silent:
            self._open = False
            self._enter(Phase.IDLE)
            skill, self._next = self._next, None
            if skill is not None and self.mode is Mode.HOLD:
                self._begin(skill)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._since_ns = self._now_ns
        self._asked_ns = None
