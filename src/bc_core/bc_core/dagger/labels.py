"""Who acted when: every tick of an episode as demonstration, intervention, or policy, alone or just before a human."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from bc_core.dataset import EpisodeTicks


class Part(StrEnum):
    """What a tick is to training."""

    DEMONSTRATION = "demonstration"  # a human acts in an episode that no policy took part in
    INTERVENTION = "intervention"  # a human acts where a policy acted before or after
    BEFORE = "before"  # the policy acts, and soon a human will see a reason to take over
    POLICY = "policy"
    NOBODY = ""  # no chunk had a row to follow


@dataclass(frozen=True)
class Interval:
    """Grid ticks, both ends included, at which a human's rows were in force without a break."""

    first: int
    last: int

    @property
    def ticks(self) -> int:
        return self.last - self.first + 1


def parts(episode: EpisodeTicks, before: int = 0) -> npt.NDArray[np.str_]:
    """The part of every tick, shape (T,). before: how many ticks of the policy ahead of a human are BEFORE."""
    human, policy = episode.source == "human", episode.source == "policy"
    label = np.full(len(episode.source), str(Part.NOBODY), dtype=f"<U{max(map(len, Part))}")
    label[policy] = str(Part.POLICY)
    label[human] = str(Part.INTERVENTION if policy.any() else Part.DEMONSTRATION)
    if policy.any():
        for start, _ in _runs(human):
            ahead = np.arange(max(start - before, 0), start)
            label[ahead[policy[ahead]]] = str(Part.BEFORE)
    return label


def interventions(episode: EpisodeTicks) -> list[Interval]:
    """Where humans acted in an episode that a policy took part in; none in a demonstration."""
    if not (episode.source == "policy").any():
        return []
    first = episode.first_tick
    return [Interval(first + start, first + end - 1) for start, end in _runs(episode.source == "human")]


def _runs(chosen: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Half-open index intervals in which `chosen` (T,) is true without a break."""
    edges = np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))
