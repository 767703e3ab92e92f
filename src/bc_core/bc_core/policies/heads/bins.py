"""Quantiles of every coordinate of normalised chunks, and uniform bins between them."""

import torch
from torch import Tensor, nn

SMALLEST_RANGE = 1e-3  # [normalised units]: a constant coordinate has a range too


class Range(nn.Module):
    """Low and high quantile of every coordinate (E,), from the data; -1 ... 1 before `fit`."""

    low: Tensor
    high: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("low", -torch.ones(columns))
        self.register_buffer("high", torch.ones(columns))

    def fit(self, actions: Tensor, valid: Tensor, low: float, high: float) -> None:
        """actions (N, H, E) of which rows (N, H) are valid."""
        rows = actions[valid]
        if len(rows) > 1_000_000:  # quantiles of a million are as good, and torch.quantile takes no more
            rows = rows[:: len(rows) // 1_000_000 + 1]
        columns = [torch.quantile(column, torch.tensor([low, high])) for column in rows.T.contiguous()]
        bounds = torch.stack(columns)
        middle, half = bounds.mean(1), (0.5 * (bounds[:, 1] - bounds[:, 0])).clamp(min=0.5 * SMALLEST_RANGE)
        self.low.copy_(middle - half)
        self.high.copy_(middle + half)


class Bins(Range):
    """`count` uniform bins between the quantiles; values outside fall into the outermost."""

    def __init__(self, columns: int, count: int) -> None:
        super().__init__(columns)
        self.count = count

    def index(self, actions: Tensor) -> Tensor:
        """Bin of every coordinate, (..., E) -> (..., E) long."""
        share = (actions - self.low) / (self.high - self.low)
        return (share * self.count).long().clamp(0, self.count - 1)

    def centre(self, index: Tensor) -> Tensor:
        """Middle of bins (..., E)."""
        return self.low + (index.to(self.low.dtype) + 0.5) / self.count * (self.high - self.low)

    @property
    def log_width(self) -> Tensor:
        """log of a bin's width by coordinate, (E,): densities are chances over widths."""
        return ((self.high - self.low) / self.count).log()
