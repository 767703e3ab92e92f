"""What a round needs of an expert, whoever it is: someone who corrects, or one that is asked."""

from collections.abc import Sequence
from typing import Any, Protocol

from bc_bringup.dagger.plan import Round
from bc_bringup.episodes.records import Record

FIRST_SEED = 2_000_000  # of a round's episodes: far from demonstrations and from trials
SEEDS_PER_ROUND = 10_000


class Expert(Protocol):
    """Fills the folders of rounds; what is on disk is not repeated."""

    def drive(self, this: Round) -> list[Record]:
        """The episodes of a round, driven by the policy of the round before, with what the expert adds to them."""
        ...

    def evaluate(self, this: Round) -> list[Record]:
        """Trials of the round's policy alone, on the same scenes in every round."""
        ...

    def account(self, driven: Sequence[Record]) -> dict[str, Any]:
        """What the expert gave: `expert_rows`, `share` of the driving (None: nobody drove), and more for people."""
        ...


def seeds(this: Round, episodes: int) -> range:
    """Of a round's episodes: no scene twice."""
    first = FIRST_SEED + SEEDS_PER_ROUND * this.number
    return range(first, first + episodes)
