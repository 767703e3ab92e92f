"""Temporal ensembling: every chunk that covers a tick votes on its action.

Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware" (ACT), arXiv 2304.13705, section
IV-B: w_i = exp(-m i), i = 0 for the oldest prediction of the tick.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ensemble:
    """Running averages of a batch. mean (B, H, D): action of tick + i. votes (B, H): predictions that entered it."""

    mean: Tensor
    votes: Tensor

    @classmethod
    def empty(cls, batch: int, horizon: int, width: int) -> "Ensemble":
        return cls(torch.zeros(batch, horizon, width), torch.zeros(batch, horizon, dtype=torch.long))

    def advanced(self, ticks: Tensor) -> "Ensemble":
        """The same averages seen `ticks` (B,) later: row i is what row i + ticks was; new rows have no votes."""
        batch, horizon, width = self.mean.shape
        row = torch.arange(horizon) + ticks[:, None]
        inside, row = row < horizon, row.clamp(max=horizon - 1)
        mean = self.mean.gather(1, row[..., None].expand(batch, horizon, width))
        votes = torch.where(inside, self.votes.gather(1, row), 0)
        return Ensemble(torch.where(inside[..., None], mean, 0.0), votes)

    def voted(self, chunk: Tensor, m: float) -> "Ensemble":
        """With one more prediction (B, H, D) of every row. m > 0: old predictions weigh more; 0: all the same."""
        weight = torch.exp(-m * self.votes.to(chunk.dtype))
        before = _sum_of_weights(self.votes, m)
        share = (weight / (before + weight))[..., None]
        return Ensemble(self.mean + share * (chunk - self.mean), self.votes + 1)


def _sum_of_weights(votes: Tensor, m: float) -> Tensor:
    """Sum over i < votes of exp(-m i)."""
    count = votes.to(torch.get_default_dtype())
    return count if m == 0.0 else torch.expm1(-m * count) / torch.expm1(torch.tensor(-m))
