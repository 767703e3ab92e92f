"""Temporal ensembling: every chunk that covers a tick votes on its action.

Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware" (ACT), arXiv 2304.13705, section
IV-B: w_i = exp(-m i), i = 0 for the oldest prediction of the tick.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]

DECAY = 0.01
"""m, as published with ACT."""


@dataclass(frozen=True)
class Ensemble:
    """Running averages of a batch. mean (B, H, D): action of tick + i. votes (B, H): predictions that entered it."""

    mean: Floats
    votes: Integers

    @classmethod
    def empty(cls, batch: int, horizon: int, width: int, dtype: type[np.floating[Any]] = np.float64) -> "Ensemble":
        return cls(np.zeros((batch, horizon, width), dtype), np.zeros((batch, horizon), np.int64))

    def advanced(self, ticks: Integers) -> "Ensemble":
        """The same averages seen `ticks` (B,) later: row i is what row i + ticks was; new rows have no votes."""
        horizon = self.mean.shape[1]
        row = np.arange(horizon) + ticks[:, None]
        inside, row = row < horizon, row.clip(max=horizon - 1)
        mean = np.take_along_axis(self.mean, row[..., None], axis=1)
        votes = np.where(inside, np.take_along_axis(self.votes, row, axis=1), 0)
        return Ensemble(np.where(inside[..., None], mean, mean.dtype.type(0)), votes)

    def voted(self, chunk: Floats, m: float) -> "Ensemble":
        """With one more prediction (B, H, D) of every row. m > 0: old predictions weigh more; 0: all the same."""
        weight = np.exp(-m * self.votes)
        share = (weight / (_sum_of_weights(self.votes, m) + weight))[..., None].astype(chunk.dtype)
        return Ensemble(self.mean + share * (chunk - self.mean), self.votes + 1)


def _sum_of_weights(votes: Integers, m: float) -> Floats:
    """Sum over i < votes of exp(-m i)."""
    sums: Floats = votes.astype(np.float64) if m == 0.0 else np.expm1(-m * votes) / np.expm1(-m)
    return sums
