"""Training-time real-time chunking: the prefix is an input, not a target of guidance.

Black et al., "Training-Time Action Conditioning for Efficient Real-Time Chunking", arXiv 2512.05964: each row has a
flow time of its own; rows of the prefix enter clean, with flow time 1, in training and at inference, and the loss is
taken over the others.
"""

from collections.abc import Callable

import torch
from torch import Tensor

RowDenoiser = Callable[[Tensor, Tensor], Tensor]
"""denoise(A (B, H, D), tau (B, H)) -> A1hat (B, H, D)."""


def frozen_rows(horizon: int, frozen: Tensor) -> Tensor:
    """(B, H) bool: the first `frozen` (B,) rows."""
    return torch.arange(horizon) < frozen[:, None]


def clean_prefix(noisy: Tensor, tau: Tensor, prefix: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
    """Network inputs: A and row-wise flow time (B, H), with the `given` (B, H) rows clean and at flow time 1.

    tau: (B, 1) or (B, H), flow time of the other rows.
    """
    rows = torch.where(given, torch.ones_like(noisy[..., 0]), tau)
    return torch.where(given[..., None], prefix, noisy), rows


def sample_conditioned(denoise: RowDenoiser, noise: Tensor, steps: int, prefix: Tensor, frozen: Tensor) -> Tensor:
    """Euler's method over the rows that are not given. prefix: (B, H, D), of which `frozen` (B,) rows are used.

    A policy without a flow (regression) is the case steps = 1 with noise 0. The given rows are returned exactly.
    """
    given = frozen_rows(noise.shape[1], frozen)
    actions = noise
    for step in range(steps):
        tau = torch.full((len(noise), 1), step / steps)
        inputs, rows = clean_prefix(actions, tau, prefix, given)
        velocity = (denoise(inputs, rows) - inputs) / (1.0 - step / steps)
        actions = inputs + velocity / steps
    return torch.where(given[..., None], prefix, actions)
