"""ACT: Zhao et al., "Learning Fine-Grained Bimanual Manipulation with Low-Cost Hardware", arXiv 2304.13705.

A conditional variational auto-encoder: in training an encoder sees the demonstrated chunk and names its style z, a
transformer decodes the chunk from observation and z; at test z is the mean of its prior, 0, and the encoder is unused.
Loss: L1 of the chunk plus kl_weight times KL(q(z | chunk, s) || N(0, I)).
"""

import torch
from torch import Tensor, nn

from bc_core.policies.heads.base import Continuation, Head, masked_mean
from bc_core.policies.heads.config import ActConfig
from bc_core.policies.transformer import RowTransformer
from bc_core.policies.trunks import Size


class ActHead(Head):
    def __init__(self, size: Size, config: ActConfig) -> None:
        super().__init__(size)
        self.config = config
        self.decoder = RowTransformer(size.horizon, size.width, size.blocks, size.dropout)
        self.output = nn.Linear(size.width, size.columns)
        if config.cvae:
            self.rows = nn.Linear(size.columns, size.width)
            self.style_token = nn.Parameter(torch.zeros(1, 1, size.width))
            self.encoder = RowTransformer(size.horizon + 1, size.width, size.blocks, size.dropout)
            self.style = nn.Linear(size.width, 2 * config.latent)
            self.latent = nn.Linear(config.latent, size.width)

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        if not self.config.cvae:
            return masked_mean((self.decode(condition, None) - actions).abs(), valid)
        mean, log_variance = self.encode(condition, actions, valid)
        noise = torch.randn(mean.shape, generator=generator)
        latent = mean + (0.5 * log_variance).exp() * noise
        error = masked_mean((self.decode(condition, latent) - actions).abs(), valid)
        return error + self.config.kl_weight * divergence(mean, log_variance).mean()

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        latent = torch.zeros(len(condition), self.config.latent) if self.config.cvae else None
        return self.decode(condition, latent)

    def encode(self, condition: Tensor, actions: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | chunk, s), (B, latent) each; rows that are not valid are hidden from it."""
        rows = self.rows(actions) * valid[..., None].to(actions.dtype)
        tokens = torch.cat([self.style_token.expand(len(actions), -1, -1), rows], dim=1)
        mean, log_variance = self.style(self.encoder(tokens, condition[:, None])[:, 0]).chunk(2, dim=1)
        return mean, log_variance.clamp(-10.0, 10.0)

    def decode(self, condition: Tensor, latent: Tensor | None) -> Tensor:
        """The chunk of an observation and a style (B, latent); None: of a policy without styles."""
        context = condition[:, None]
        if latent is not None:
            context = torch.cat([context, self.latent(latent)[:, None]], dim=1)
        queries = torch.zeros(len(condition), self.size.horizon, self.size.width)
        return self.output(self.decoder(queries, context))


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) in nats, (B,)."""
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(1)
