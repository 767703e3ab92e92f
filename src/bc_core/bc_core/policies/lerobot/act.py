"""ACT in LeRobot's architecture: Zhao et al., arXiv 2304.13705, after DETR (arXiv 2005.12872).

A token each for the latent, the state and the environment, and one for every cell of every camera's feature map; an
encoder over all of them, and a decoder whose H queries are the rows of the chunk. At test the latent is 0.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bc_core.policies.heads.act import divergence
from bc_core.policies.heads.base import Continuation, Head, masked_mean
from bc_core.policies.lerobot.attention import Decoder, Encoder, image_positions, sinusoids
from bc_core.policies.lerobot.config import LeRobotActConfig
from bc_core.policies.trunks import Size


class LeRobotActHead(Head):
    """Conditions (B, C): state, environment, then the cells of all cameras, `size.width` numbers each.

    state, environment: their widths, 0: there is none. grids: rows and columns of every camera's map.
    """

    cells: Tensor
    style_positions: Tensor

    def __init__(
        self, size: Size, config: LeRobotActConfig, state: int, environment: int, grids: Sequence[tuple[int, int]]
    ) -> None:
        super().__init__(size)
        self.config, self.split = config, (state, environment)
        width = size.width
        self.encoder = Encoder(size.blocks, width, size.dropout, config)
        self.decoder = Decoder(width, size.dropout, config)
        self.latent = nn.Linear(config.latent, width)
        if state:
            self.state = nn.Linear(state, width)
        if environment:
            self.environment = nn.Linear(environment, width)
        self.positions = nn.Parameter(torch.randn(1 + bool(state) + bool(environment), width))
        self.queries = nn.Parameter(torch.randn(size.horizon, width))
        self.output = nn.Linear(width, size.columns)
        cells = [image_positions(*grid, width) for grid in grids]
        self.register_buffer("cells", torch.cat([torch.empty(0, width), *cells]), persistent=False)
        if config.vae:
            self.style_encoder = Encoder(config.vae_layers, width, size.dropout, config)
            self.style_token = nn.Parameter(torch.randn(1, width))
            if state:
                self.style_state = nn.Linear(state, width)
            self.style_rows = nn.Linear(size.columns, width)
            self.style = nn.Linear(width, 2 * config.latent)
            count = 1 + bool(state) + size.horizon
            self.register_buffer("style_positions", sinusoids(torch.arange(count), width), persistent=False)
        for parameter in (*self.encoder.parameters(), *self.decoder.parameters()):
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        if not self.config.vae:
            return masked_mean((self.decode(condition, None) - actions).abs(), valid)
        mean, log_variance = self.encode(condition, actions, valid)
        noise = torch.randn(mean.shape, generator=generator)
        error = masked_mean((self.decode(condition, mean + (0.5 * log_variance).exp() * noise) - actions).abs(), valid)
        return error + self.config.kl_weight * divergence(mean, log_variance).mean()

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        return self.decode(condition, None)

    def encode(self, condition: Tensor, actions: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z | chunk, state), (B, latent) each; rows that are not valid are hidden."""
        tokens = [self.style_token.expand(len(actions), 1, -1)]
        if self.split[0]:
            tokens.append(self.style_state(condition[:, : self.split[0]])[:, None])
        seen = torch.ones(len(actions), len(tokens), dtype=torch.bool)
        hidden = ~torch.cat([seen, valid], dim=1)
        joined = torch.cat([*tokens, self.style_rows(actions)], dim=1)
        mean, log_variance = self.style(self.style_encoder(joined, self.style_positions, hidden)[:, 0]).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, condition: Tensor, latent: Tensor | None) -> Tensor:
        """The chunk of an observation and a latent (B, latent); None: 0, the mean of its prior."""
        state, environment, cells = condition.split((*self.split, condition.shape[1] - sum(self.split)), dim=1)
        style = self.latent.bias.expand(len(condition), -1) if latent is None else self.latent(latent)
        tokens = [style]
        if self.split[0]:
            tokens.append(self.state(state))
        if self.split[1]:
            tokens.append(self.environment(environment))
        joined = torch.cat([torch.stack(tokens, dim=1), cells.unflatten(1, (-1, self.size.width))], dim=1)
        positions = torch.cat([self.positions, self.cells])
        return self.output(self.decoder(self.queries, self.encoder(joined, positions), positions))
