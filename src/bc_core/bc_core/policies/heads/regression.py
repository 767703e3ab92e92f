"""Explicit regression: the chunk itself, or the mean of a Gaussian of fixed variance."""

import math

import torch
from torch import Tensor

from bc_core.policies.heads.base import Continuation, DensityHead, masked_mean
from bc_core.policies.heads.config import RegressionConfig
from bc_core.policies.trunks import DirectTrunk, Size


class RegressionHead(DensityHead):
    """l2 finds the mean of what was demonstrated, l1 the median; the Gaussian's likelihood is l2 / (2 std^2)."""

    def __init__(self, size: Size, config: RegressionConfig) -> None:
        super().__init__(size)
        self.config = config
        self.trunk = DirectTrunk(size, size.horizon * size.columns)

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        error = self._mean(condition) - actions
        if self.config.loss == "l1":
            return masked_mean(error.abs(), valid)
        if self.config.loss == "gaussian":
            return masked_mean(-self._log_likelihood(error), valid)
        return masked_mean(error.square(), valid)

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        """The likeliest chunk."""
        return self._mean(condition)

    def log_density(self, condition: Tensor, actions: Tensor) -> Tensor:
        return self._log_likelihood(self._mean(condition) - actions).sum((1, 2))

    def _mean(self, condition: Tensor) -> Tensor:
        return self.trunk(condition).unflatten(1, (self.size.horizon, self.size.columns))

    def _log_likelihood(self, error: Tensor) -> Tensor:
        std = self.config.std
        return -0.5 * (error / std).square() - math.log(std) - 0.5 * math.log(2.0 * math.pi)
