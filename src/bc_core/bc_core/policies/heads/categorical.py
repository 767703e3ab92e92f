"""Discretised actions: 256 uniform bins per coordinate between the 1st and the 99th percentile (RT-1, arXiv 2212.06817;
OpenVLA, arXiv 2406.09246), each coordinate by itself or given those before it."""

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bc_core.policies.heads.base import Continuation, DensityHead, committed, draw_index, masked_mean
from bc_core.policies.heads.bins import Bins
from bc_core.policies.heads.config import CategoricalConfig
from bc_core.policies.transformer import CausalTransformer
from bc_core.policies.trunks import DirectTrunk, Size


class _BinnedHead(DensityHead):
    """What both have in common: bins, cross entropy, density."""

    def __init__(self, size: Size, config: CategoricalConfig) -> None:
        super().__init__(size)
        self.config = config
        self.bins = Bins(size.columns, config.bins)

    def prepare(self, actions: Tensor, valid: Tensor, generator: torch.Generator) -> None:
        self.bins.fit(actions, valid, self.config.low_quantile, self.config.high_quantile)

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        return masked_mean(self._surprise(condition, self.bins.index(actions)), valid)

    def log_density(self, condition: Tensor, actions: Tensor) -> Tensor:
        return (-self._surprise(condition, self.bins.index(actions)) - self.bins.log_width).sum((1, 2))

    def _surprise(self, condition: Tensor, index: Tensor) -> Tensor:
        """-log chance of every coordinate's bin, (B, H, E)."""
        logits = self.logits(condition, index)
        return cross_entropy(logits.permute(0, 3, 1, 2), index, reduction="none")

    @abstractmethod
    def logits(self, condition: Tensor, index: Tensor) -> Tensor:
        """(B, H, E, bins); index (B, H, E): bins of the chunk, of which a coordinate may see those before it."""


class IndependentHead(_BinnedHead):
    """pi(a | s) = product of pi(a_j | s)."""

    def __init__(self, size: Size, config: CategoricalConfig) -> None:
        super().__init__(size, config)
        self.trunk = DirectTrunk(size, size.horizon * size.columns * config.bins)

    def logits(self, condition: Tensor, index: Tensor) -> Tensor:
        return self.trunk(condition).unflatten(1, (self.size.horizon, self.size.columns, self.config.bins))

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        logits = self.logits(condition, torch.empty(0))
        return self.bins.centre(draw_index(logits, generator, self.config.temperature))


class AutoregressiveHead(_BinnedHead):
    """pi(a | s) = product of pi(a_j | s, a_0, ..., a_{j-1}), row after row. Committed rows are simply not drawn."""

    def __init__(self, size: Size, config: CategoricalConfig) -> None:
        super().__init__(size, config)
        cells = size.horizon * size.columns
        self.trunk = CausalTransformer(config.bins, cells, size.width, size.blocks, size.dropout)

    def logits(self, condition: Tensor, index: Tensor) -> Tensor:
        return self.trunk(condition, index.flatten(1)).unflatten(1, (self.size.horizon, self.size.columns))

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        given = committed(continuation, condition)
        known = None if given is None else self.bins.index(given).flatten(1)
        token, caches, drawn = condition, None, []
        for position in range(self.trunk.length):
            logits, caches = self.trunk.step(token, position, caches)
            if known is not None and position < known.shape[1]:
                index = known[:, position]
            else:
                index = draw_index(logits, generator, self.config.temperature)
            drawn.append(index)
            token = self.trunk.embedding(index)
        chunk = self.bins.centre(torch.stack(drawn, 1).unflatten(1, (self.size.horizon, self.size.columns)))
        return chunk if given is None else torch.cat([given, chunk[:, given.shape[1] :]], dim=1)
