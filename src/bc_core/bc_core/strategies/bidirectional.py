"""Bidirectional decoding: of several sampled chunks, the one that is both coherent and likely.

Liu et al., "Bidirectional Decoding: Improving Action Chunking via Guided Test-Time Sampling", arXiv 2408.17355,
section 4: backward coherence to the chunk before, forward contrast between samples of a strong and of a weak policy.
"""

import torch
from torch import Tensor


def select(strong: Tensor, weak: Tensor | None, prefix: Tensor, rows: Tensor, decay: float, mode: int) -> Tensor:
    """The chosen chunk of every element, (B, H, D).

    strong, weak: samples (B, N, H, D) of the policy and of an undertrained one (None: no forward contrast). prefix:
    (B, H, D), right-padded, of which the first `rows` (B,) exist. decay: weight rho of a row relative to the row
    before it. mode: how many of the most coherent samples are compared with (the paper's mode size K).
    """
    backward = coherence_loss(strong, prefix, rows, decay)
    if weak is None:
        best = backward.argmin(1)
    else:
        positive = _most_coherent(strong, backward, mode)
        negative = _most_coherent(weak, coherence_loss(weak, prefix, rows, decay), mode)
        forward = _distances(strong, positive).sum(2) / (mode - 1 if mode > 1 else 1) - _distances(
            strong, negative
        ).mean(2)
        best = (backward + forward).argmin(1)
    return strong[torch.arange(len(strong)), best]


def coherence_loss(samples: Tensor, prefix: Tensor, rows: Tensor, decay: float) -> Tensor:
    """Sum over the overlap of rho^i ||a_i - prefix_i||, (B, N)."""
    index = torch.arange(prefix.shape[1])
    weight = torch.where(index < rows[:, None], decay**index, 0.0)
    distance = (samples - prefix[:, None]).norm(dim=-1)
    return (weight[:, None] * distance).sum(-1)


def _most_coherent(samples: Tensor, loss: Tensor, count: int) -> Tensor:
    index = loss.topk(min(count, samples.shape[1]), dim=1, largest=False).indices
    return samples[torch.arange(len(samples))[:, None], index]


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Sum over rows of the distance between all pairs: (B, N, H, D), (B, K, H, D) -> (B, N, K)."""
    return (a[:, :, None] - b[:, None]).norm(dim=-1).sum(-1)
