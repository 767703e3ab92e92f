"""Flow matching: Lipman et al., arXiv 2210.02747, with the straight path A^tau = tau A + (1 - tau) eps.

The trunk predicts the clean chunk A1hat (Eq. 3 of arXiv 2506.07339), not the velocity: chunks are smooth and lie near a
low-dimensional manifold, which a small network can output, while velocities carry all the noise, which it cannot
(Li, He, "Back to Basics: Let Denoising Generative Models Denoise", arXiv 2511.13720). The loss is that of the velocity
it gives, ||A1hat - A||^2 / (1 - tau)^2, bounded.
"""

import torch
from torch import Tensor, nn

from bc_core import guidance
from bc_core.mask import Mask
from bc_core.policies.heads.base import Continuation, Head, masked_mean
from bc_core.policies.heads.config import FlowConfig
from bc_core.policies.trunks import MixerTrunk, MlpTrunk, Size, TransformerTrunk
from bc_core.strategies.conditioning import clean_prefix, frozen_rows, sample_conditioned

SMALLEST_REMAINDER = 0.5
"""1 - tau is bounded by this in the loss. Towards tau = 1 the chunk is all but given and the weight would grow without
bound, while a sampler of few steps decides for one way or the other at small tau."""


class FlowHead(Head):
    def __init__(self, size: Size, config: FlowConfig) -> None:
        super().__init__(size)
        self.config = config
        self.trunk = _trunk(size, config)

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """Mean squared error of the velocity over valid rows; rows given as a prefix do not count (2512.05964)."""
        tau = torch.rand(len(actions), generator=generator)
        noise = torch.randn(actions.shape, generator=generator)
        noisy = torch.lerp(noise, actions, tau[:, None, None])
        time = tau
        if self.config.prefix_rows:
            count = torch.randint(self.config.prefix_rows + 1, (len(actions),), generator=generator)
            given = frozen_rows(self.size.horizon, count)
            noisy, time = clean_prefix(noisy, tau[:, None], actions, given)
            valid = valid & ~given
        error = (self.trunk(noisy, time, condition) - actions) / (1.0 - tau).clamp(min=SMALLEST_REMAINDER)[
            :, None, None
        ]
        return masked_mean(error.square(), valid)

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        noise = torch.randn(len(condition), self.size.horizon, self.size.columns, generator=generator)
        if continuation is not None and continuation.mask == Mask.CONDITION:
            prefix = continuation.target.expand_as(noise)
            frozen = torch.full((len(noise),), continuation.frozen)
            return sample_conditioned(
                lambda actions, tau: self.trunk(actions, tau, condition), noise, self.config.flow_steps, prefix, frozen
            )
        return guided_sample(
            lambda actions, tau: self.trunk(actions, torch.full((len(actions),), tau), condition),
            noise, self.config.flow_steps, continuation, on_path=True,
        )  # fmt: skip


def guided_sample(
    denoise: guidance.Denoiser,
    noise: Tensor,
    steps: int | list[float],
    continuation: Continuation | None,
    on_path: bool = False,
) -> Tensor:
    """guidance.sample towards a continuation, or freely. on_path: its frozen rows are `known` there."""
    if continuation is None:
        return guidance.sample(denoise, noise, steps, None, torch.zeros(noise.shape[1]), 0.0)
    weights = continuation.weights
    target = continuation.target if bool(weights.any()) else None
    last = None if continuation.guide_last_step else torch.zeros_like(weights)
    known = torch.arange(noise.shape[1], device=noise.device) < continuation.frozen if on_path else None
    return guidance.sample(denoise, noise, steps, target, weights, continuation.beta, last, known=known)


def _trunk(size: Size, config: FlowConfig) -> nn.Module:
    if config.trunk == "transformer":
        return TransformerTrunk(size)
    if config.trunk == "mixer":
        return MixerTrunk(size)
    return MlpTrunk(size, by_row=config.prefix_rows > 0)
