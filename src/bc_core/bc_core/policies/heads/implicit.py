"""Implicit behavioural cloning: Florence et al., arXiv 2109.00137. An energy E(s, A), low at what was demonstrated.

Trained by InfoNCE against counter-examples that Langevin dynamics has made hard, with the paper's gradient penalty;
a chunk is searched by Langevin dynamics from uniform samples (its variant for many dimensions, appendix B.3).
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from bc_core.policies.heads.base import Continuation, Head, held_rows
from bc_core.policies.heads.bins import Range
from bc_core.policies.heads.config import ImplicitConfig
from bc_core.policies.trunks import Block, Size

FIRST_STEP, LAST_STEP, NOISE = 0.2, 1e-3, 0.5  # of a chain, in parts of half a coordinate's range
GRADIENT_MARGIN = 1.0
LARGEST_MOVE = 0.1


class ImplicitHead(Head):
    def __init__(self, size: Size, config: ImplicitConfig) -> None:
        super().__init__(size)
        self.config = config
        self.range = Range(size.columns)
        self.input = torch.nn.Linear(size.horizon * size.columns, size.width)
        self.blocks = torch.nn.ModuleList(Block(size.width, 0.0) for _ in range(size.blocks))
        self.output = torch.nn.Linear(size.width, 1)

    def prepare(self, actions: Tensor, valid: Tensor, generator: torch.Generator) -> None:
        self.range.fit(actions, valid, 0.0, 1.0)

    def energy(self, condition: Tensor, points: Tensor) -> Tensor:
        """(B, N) of points (B, N, H, E), chunks in parts of the data's range, [-1, 1]."""
        hidden = self.input(points.flatten(2)) + condition[:, None]
        for block in self.blocks:
            hidden = block(hidden)
        return self.output(hidden)[..., 0]

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """InfoNCE. Rows past an episode's end are the same in the chunk and in its counter-examples."""
        positive = self._scaled(held_rows(actions, valid))[:, None]
        negatives = self._uniform(len(actions), self.config.negatives, generator)
        negatives = self._chain(condition.detach(), negatives, self.config.langevin_steps, generator)
        negatives = torch.where(valid[:, None, :, None], negatives, positive)
        energies = self.energy(condition, torch.cat([positive, negatives], dim=1))
        target = torch.zeros(len(actions), dtype=torch.long)
        return cross_entropy(-energies, target) + self._gradient_penalty(condition, negatives)

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        """The lowest of several chains' ends; a last stretch of small steps without noise settles it."""
        points = self._uniform(len(condition), self.config.samples, generator)
        points = self._chain(condition, points, self.config.sampling_steps, generator)
        with torch.no_grad():
            best = self.energy(condition, points).argmin(1)
        chunk = points[torch.arange(len(points)), best]
        return self.range.low + 0.5 * (chunk + 1.0) * (self.range.high - self.range.low)

    def _chain(self, condition: Tensor, points: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """Langevin dynamics within the range, with steps that shrink quadratically."""
        for step in range(steps):
            share = 1.0 - step / max(1, steps - 1)
            rate = LAST_STEP + (FIRST_STEP - LAST_STEP) * share**2
            noise = NOISE * share * torch.randn(points.shape, generator=generator)
            move = rate * (0.5 * self._gradient(condition, points) - noise)
            points = (points - move.clamp(-LARGEST_MOVE, LARGEST_MOVE)).clamp(-1.0, 1.0)
        return points

    def _gradient(self, condition: Tensor, points: Tensor, create_graph: bool = False) -> Tensor:
        with torch.inference_mode(False), torch.enable_grad():
            at = points.clone().detach().requires_grad_(True)
            total = self.energy(condition, at).sum()
            (gradient,) = torch.autograd.grad(total, at, create_graph=create_graph)
        return gradient

    def _gradient_penalty(self, condition: Tensor, points: Tensor) -> Tensor:
        steepest = self._gradient(condition, points, create_graph=True).abs().amax((2, 3))
        return (steepest - GRADIENT_MARGIN).clamp(min=0.0).square().mean()

    def _uniform(self, batch: int, count: int, generator: torch.Generator) -> Tensor:
        return 2.0 * torch.rand(batch, count, self.size.horizon, self.size.columns, generator=generator) - 1.0

    def _scaled(self, actions: Tensor) -> Tensor:
        return 2.0 * (actions - self.range.low) / (self.range.high - self.range.low) - 1.0
