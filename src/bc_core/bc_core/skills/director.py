"""Who chooses the next skill: the interface of selectors, and the loop that asks one after every skill's end."""

from typing import NamedTuple, Protocol

from bc_core.errors import BcError
from bc_core.modes import Mode
from bc_core.skills.executive import DRIVEN, Ended, Executive, Outcome, Phase


class Choice(NamedTuple):
    """skill: the next one; empty: there is nothing more to do. why: of the chooser. state: of a state machine."""

    skill: str
    why: str = ""
    state: str = ""


class Selector(Protocol):
    """Chooses skills, one at a time, while the robot holds."""

    name: str

    def begin(self) -> None:
        """Start over."""

    def choose(self, last: Ended | None, tick: int, now_ns: int) -> Choice | None:
        """The next skill after the one that ended last (None: the first); None: not known yet, to be asked again.

        BcError: there is no valid choice, and why: the selector has to be begun anew.
        """


class Director:
    """Lets a selector drive an executive. It begins, and after any interruption goes on, only when told to."""

    def __init__(self, executive: Executive, selector: Selector | None) -> None:
        self.executive = executive
        self.selector = selector
        self.active = False  # the selector chooses
        self.message = ""  # why it chose, or why it does not any more
        self.state = ""  # of the state machine
        self._before: Ended | None = None  # the last skill of another turn: nothing to the selector

    def start(self, now_ns: int) -> None:
        """Let the selector choose from its beginning. BcError: there is none, or nobody may drive now."""
        if self.selector is None:
            raise BcError("no selector is configured: choose a skill by name, or set `selector` to machine or vlm")
        self.executive.refuse_unless_free(f"selector '{self.selector.name}'")
        self.executive.hold(now_ns, f"{self.selector.name} chooses from now on")
        self.selector.begin()
        self.active, self.state, self._before = True, "", self.executive.last
        self.message = f"{self.selector.name} chooses"

    def select(self, name: str, now_ns: int) -> None:
        """A person chooses; the selector does not any more. BcError as Executive.select."""
        self.executive.select(name, now_ns)
        self._end(f"skill '{name}' was chosen by name")

    def stop(self, now_ns: int, reason: str) -> None:
        """Nobody chooses any more, and the robot holds."""
        self.executive.hold(now_ns, reason)
        self._end(reason)

    def on_mode(self, mode: Mode, reason: str, stamp_ns: int, now_ns: int) -> None:
        """The controller changed mode."""
        choosing = self.executive.phase is Phase.IDLE
        self.executive.on_mode(mode, reason, stamp_ns, now_ns)
        if self.active and mode is not Mode.HOLD and (choosing or mode not in DRIVEN):
            self._end(f"the controller is in {mode.name}: {reason}")

    def on_tick(self, tick: int, now_ns: int) -> None:
        """To be called at every tick of the grid."""
        self.executive.on_tick(tick, now_ns)
        last = self.executive.last if self.executive.last is not self._before else None
        if self.active and last is not None and last.outcome is Outcome.PREEMPTED:
            self._end(f"skill '{last.skill}' was pre-empted: {last.reason}")
        if not self.active or self.executive.phase is not Phase.IDLE:
            return
        assert self.selector is not None
        try:
            choice = self.selector.choose(last, tick, now_ns)
            if choice is None:
                return
            self.message, self.state = choice.why, choice.state
            if choice.skill:
                self.executive.select(choice.skill, now_ns)
            else:
                self._end(choice.why or "there is nothing more to do")
        except BcError as error:
            self._end(str(error))

    def _end(self, why: str) -> None:
        self.active = False
        self.message = why
