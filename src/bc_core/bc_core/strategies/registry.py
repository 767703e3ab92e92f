"""The strategies by name: what each asks of the policy, and how its chunks follow one another.

The scheduler, the policy node and the benchmark read the same table. A strategy that a policy cannot serve is refused
when they are configured, with the list of those that it can.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from bc_core.errors import BcError
from bc_core.mask import Mask


class Chaining(StrEnum):
    """What happens to the chunk before when a new one takes effect."""

    REPLACE = "replace"  # the new one is executed from there on
    AVERAGE = "average"  # both vote on every tick they cover (bc_core.strategies.ensembling)
    STAND = "stand"  # nothing is executed while inference runs


class Skill(StrEnum):
    """What a policy may be able to do beside drawing chunks."""

    FORESIGHT = "foresight"  # predict the observation at the tick of effect from the actions already committed
    CORRECTION = "correction"  # correct every row of a chunk by the newest observation just before it is executed


@dataclass(frozen=True)
class Strategy:
    """mask: what a request asks to be done with the prefix. skills: what else the policy must be able to do."""

    name: str
    title: str
    mask: Mask
    chaining: Chaining = Chaining.REPLACE
    skills: frozenset[Skill] = frozenset()

    @property
    def freezes(self) -> bool:
        """The first rows of a chunk repeat the one before exactly; as many as the estimated delay asks for."""
        return self.mask not in (Mask.FREE, Mask.COHERENT)

    @property
    def foresees(self) -> bool:
        """Chunks begin at the tick of effect, inferred from a predicted observation."""
        return Skill.FORESIGHT in self.skills

    @property
    def corrects(self) -> bool:
        return Skill.CORRECTION in self.skills


_FORESIGHT = frozenset({Skill.FORESIGHT})
_CORRECTION = frozenset({Skill.CORRECTION})

STRATEGIES = {
    strategy.name: strategy
    for strategy in (
        Strategy("sync", "synchronous", Mask.FREE, Chaining.STAND),
        Strategy("naive", "naive asynchronous", Mask.FREE),
        Strategy("ensemble", "temporal ensembling (ACT)", Mask.FREE, Chaining.AVERAGE),
        Strategy("bid", "bidirectional decoding (BID)", Mask.COHERENT),
        Strategy("rtc", "RTC, exponential mask", Mask.SOFT),
        Strategy("rtc_linear", "RTC, linear mask", Mask.LINEAR),
        Strategy("rtc_hard", "RTC, hard mask", Mask.HARD),
        Strategy("conditioned", "training-time RTC (prefix as an input)", Mask.CONDITION),
        Strategy("foresight", "naive, state rolled forward (VLASH)", Mask.FREE, skills=_FORESIGHT),
        Strategy("rtc_foresight", "RTC, state rolled forward", Mask.SOFT, skills=_FORESIGHT),
        Strategy("corrected", "training-time RTC, corrected at every tick (A2C2)", Mask.CONDITION, skills=_CORRECTION),
    )
}


def supports(strategy: Strategy, masks: Collection[Mask], skills: Collection[Skill]) -> bool:
    return strategy.mask in masks and strategy.skills <= set(skills)


def choose(name: str, policy: str, masks: Collection[Mask], skills: Collection[Skill] = ()) -> Strategy:
    """The strategy of that name. BcError: there is none, or the policy (named for the message) cannot serve it."""
    if name not in STRATEGIES:
        raise BcError(f"strategy is '{name}': choose one of {', '.join(STRATEGIES)}")
    strategy = STRATEGIES[name]
    if not supports(strategy, masks, skills):
        possible = ", ".join(other.name for other in STRATEGIES.values() if supports(other, masks, skills))
        raise BcError(f"strategy '{name}' ({strategy.title}) is nothing that policy '{policy}' can do: use {possible}")
    return strategy
