"""Mixture density network (Bishop 1994) over whole chunks: which way to go is decided once for all rows."""

import math

import torch
from torch import Tensor

from bc_core.policies.heads.base import Continuation, DensityHead, draw_index
from bc_core.policies.heads.config import MixtureConfig
from bc_core.policies.trunks import DirectTrunk, Size

LARGEST_LOG_STD = 2.0


class MixtureHead(DensityHead):
    """Gaussians with diagonal covariance. Samples are means of a component drawn by its weight: what a component
    spreads is noise of the demonstrations (robomimic's low-noise evaluation, arXiv 2108.03298)."""

    def __init__(self, size: Size, config: MixtureConfig) -> None:
        super().__init__(size)
        self.config = config
        self.trunk = DirectTrunk(size, config.components * (1 + 2 * size.horizon * size.columns))

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """Negative log-likelihood by coordinate."""
        count = (valid.sum() * self.size.columns).clamp(min=1)
        return -self._log_likelihood(condition, actions, valid).sum() / count

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        logits, means, _ = self.parameters_of(condition)
        chosen = draw_index(logits, generator)
        return means[torch.arange(len(means)), chosen]

    def log_density(self, condition: Tensor, actions: Tensor) -> Tensor:
        return self._log_likelihood(condition, actions, torch.ones(actions.shape[:2], dtype=torch.bool))

    def parameters_of(self, condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, K), means (B, K, H, E), log standard deviations (B, K, H, E)."""
        shape = (self.config.components, self.size.horizon, self.size.columns)
        cells = math.prod(shape)
        logits, means, log_std = self.trunk(condition).split([self.config.components, cells, cells], dim=1)
        return logits, means.unflatten(1, shape), bounded(log_std.unflatten(1, shape), self.config.smallest_std)

    def _log_likelihood(self, condition: Tensor, actions: Tensor, valid: Tensor) -> Tensor:
        logits, means, log_std = self.parameters_of(condition)
        by_row = gaussian_log_density(actions[:, None], means, log_std).sum(-1)
        joint = (by_row * valid[:, None].to(by_row.dtype)).sum(-1)
        return torch.logsumexp(logits.log_softmax(-1) + joint, dim=1)


def gaussian_log_density(value: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Element by element."""
    return -0.5 * ((value - mean) / log_std.exp()).square() - log_std - 0.5 * math.log(2.0 * math.pi)


def bounded(raw: Tensor, smallest_std: float) -> Tensor:
    """log std between the floor and LARGEST_LOG_STD; 0 at raw = 0 would be the middle, so std starts near 1."""
    low = math.log(smallest_std)
    share = torch.sigmoid(raw + math.log(-low / LARGEST_LOG_STD))
    return low + (LARGEST_LOG_STD - low) * share
