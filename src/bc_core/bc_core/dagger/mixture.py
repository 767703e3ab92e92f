"""How much the expert drives in each round, and what may be asked of it: DAgger where an expert can be queried.

Ross, Gordon and Bagnell (AISTATS 2011), algorithm 3.1: in round i states are visited by pi_i = beta_i pi* +
(1 - beta_i) pi_hat_i and labelled by pi*. The guarantee wants the mean of beta_i over the rounds to vanish.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from bc_core.schema import Section


class Decay(StrEnum):
    """How beta falls; both are the paper's."""

    INDICATOR = "indicator"  # beta_0 = 1, then 0: the expert alone, then the student alone
    EXPONENTIAL = "exponential"  # beta_i = p ** i


@dataclass(frozen=True)
class Beta:
    """Probability that the expert drives until the next request, by round."""

    decay: Decay = Decay.INDICATOR
    p: float = 0.5

    @classmethod
    def from_section(cls, section: Section) -> "Beta":
        decay = Decay(section.text("decay", choices=tuple(Decay)))
        beta = cls(decay, section.number("p", cls.p, minimum=0.0, maximum=1.0))
        section.finish()
        return beta

    def of(self, number: int) -> float:
        """beta_i for round i = 0, 1, ..."""
        if number == 0:
            return 1.0
        return 0.0 if self.decay is Decay.INDICATOR else self.p**number

    def expert_drives(self, number: int, rng: np.random.Generator) -> bool:
        """One toss of the coin."""
        return bool(rng.random() < self.of(number))


@dataclass
class RowBudget:
    """What the expert may still be asked for, in rows: a label of H rows costs H, as H ticks of its driving do."""

    rows: int
    spent: int = 0

    @property
    def left(self) -> int:
        return self.rows - self.spent

    def affords(self, rows: int) -> bool:
        return rows <= self.left

    def spend(self, rows: int) -> None:
        """ValueError where more is spent than there is: ask `affords` first."""
        if not self.affords(rows):
            raise ValueError(f"{rows} expert rows are asked for and {self.left} of {self.rows} are left")
        self.spent += rows
