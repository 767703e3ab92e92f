"""Conditions of skills: a small declarative set over what is observed, judged true, false or unknown.

Unknown (Kleene's third value) is what nobody may judge now: with an observation that is missing or too old a condition
is neither true nor false, and never what it was before.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from bc_core.fields import ObservationError
from bc_core.grid import NANOSECONDS
from bc_core.schema import Section

TASK_STREAM = "task/state"
OUTCOMES = ("success", "failure")


@dataclass(frozen=True)
class Bound:
    """low <= number <= high. column: ending of the name of one of the stream's columns, e.g. `position.x`."""

    stream: str
    column: str
    low: float
    high: float


@dataclass(frozen=True)
class Clause:
    """All bounds hold, the skill has run for `elapsed` s, and one of the alternatives holds (if there are any).

    lasting: without a break for so long [s].
    """

    bounds: tuple[Bound, ...] = ()
    elapsed: float = 0.0
    alternatives: tuple["Clause", ...] = ()
    lasting: float = 0.0

    def all_bounds(self) -> Iterator[Bound]:
        """Those of the alternatives, too."""
        yield from self.bounds
        for alternative in self.alternatives:
            yield from alternative.all_bounds()


def read_clause(section: Section, running: bool, inner: bool = False) -> Clause:
    """A clause from its mapping (docs/skills.md, "Conditions"). BcError names key, value and remedy.

    running: of a skill that runs: `elapsed` makes sense. inner: an alternative: it has neither `for` nor `any`.
    """
    bounds: list[Bound] = []
    if section.has("within"):
        for stream, box in section.sections("within"):
            bounds += [Bound(stream, column, *box.interval(column)) for column in box.document]
            box.finish()
    if section.has("task"):
        bounds.append(Bound(TASK_STREAM, section.text("task", choices=OUTCOMES), 1.0, 1.0))
    elapsed = section.number("elapsed", 0.0, minimum=0.0) if running else 0.0
    alternatives: tuple[Clause, ...] = ()
    lasting = 0.0
    if not inner:
        alternatives = tuple(read_clause(part, running, inner=True) for part in section.section_list("any", default=()))
        lasting = section.number("for", 0.0, minimum=0.0)
    section.finish()
    clause = Clause(tuple(bounds), elapsed, alternatives, lasting)
    if not bounds and not alternatives and elapsed == 0.0:
        raise section.error("within", None, "the condition says nothing: give within, task, any or elapsed")
    return clause


@dataclass(frozen=True)
class Verdict:
    """truth: None: it cannot be judged. why: what is not so, or not known; empty if true."""

    truth: bool | None
    why: str = ""


class Observed(Protocol):
    """What can be seen at a tick."""

    def number(self, bound: Bound, tick: int) -> float:
        """The number that a bound is about. ObservationError: missing, or too old."""


def judge(clause: Clause, seen: Observed, tick: int, elapsed: float) -> Verdict:
    """A clause at a tick, `elapsed` s after the skill began, without regard to `lasting`."""
    verdicts = [_judge_bound(bound, seen, tick) for bound in clause.bounds]
    if elapsed < clause.elapsed:
        verdicts.append(Verdict(False, f"{elapsed:.1f} s of {clause.elapsed:g} s have passed"))
    if clause.alternatives:
        either = [judge(alternative, seen, tick, elapsed) for alternative in clause.alternatives]
        found = next((verdict for truth in (True, None) for verdict in either if verdict.truth is truth), None)
        verdicts.append(found or Verdict(False, "; ".join(verdict.why for verdict in either)))
    for truth in (False, None):
        why = "; ".join(verdict.why for verdict in verdicts if verdict.truth is truth)
        if why:
            return Verdict(truth, why)
    return Verdict(True)


def _judge_bound(bound: Bound, seen: Observed, tick: int) -> Verdict:
    try:
        value = seen.number(bound, tick)
    except ObservationError as error:
        return Verdict(None, str(error))
    if bound.low <= value <= bound.high:
        return Verdict(True)
    if bound.stream == TASK_STREAM:
        return Verdict(False, f"the task tells no {bound.column}")
    low, high = ("..." if math.isinf(end) else f"{end:g}" for end in (bound.low, bound.high))
    return Verdict(False, f"{bound.stream} {bound.column} is {value:.3f}, not within [{low}, {high}]")


class Watch:
    """A clause followed over time: true once it has held for `lasting`. No clause: a verdict that never changes."""

    def __init__(self, clause: Clause | None, without: bool) -> None:
        """without: the verdict where there is no clause."""
        self._clause = clause
        self._without = Verdict(without)
        self._since_ns: int | None = None

    def look(self, seen: Observed, tick: int, now_ns: int, elapsed: float) -> Verdict:
        if self._clause is None:
            return self._without
        verdict = judge(self._clause, seen, tick, elapsed)
        if not verdict.truth:
            self._since_ns = None
            return verdict
        if self._since_ns is None:
            self._since_ns = now_ns
        held = (now_ns - self._since_ns) / NANOSECONDS
        if held < self._clause.lasting:
            return Verdict(False, f"it has held for {held:.2f} s of {self._clause.lasting:g} s")
        return verdict
