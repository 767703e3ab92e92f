"""Networks that heads share: residual MLP, transformer over rows, mixer. A trunk of a generative head is
trunk(chunk (B, H, E), time (B,) or (B, H) in [0, 1], condition (B, C)) -> (B, H, E).

With a few hundred demonstrations, conditioning that multiplies (adaptive layer norm) learns by heart which way each of
them went; adding, with dropout, does not.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bc_core.policies.transformer import RowTransformer

_TIME_FREQUENCIES = 32


@dataclass(frozen=True)
class Size:
    """What every head is built with: rows H and columns E of a chunk; width C, blocks and dropout of its trunk."""

    horizon: int
    columns: int
    width: int
    blocks: int
    dropout: float


class MlpTrunk(nn.Module):
    """Residual MLP over the flattened chunk; condition and time are added to its input.

    by_row: every row has a time of its own, and those at time 1 are marked in the input.
    """

    def __init__(self, size: Size, by_row: bool = False) -> None:
        super().__init__()
        self.shape = (size.horizon, size.columns)
        self.by_row = by_row
        cells = size.horizon * size.columns
        self.time = TimeEmbedding(size.width)
        self.input = nn.Linear(cells + size.horizon * by_row, size.width)
        self.blocks = nn.ModuleList(Block(size.width, size.dropout) for _ in range(size.blocks))
        self.norm = nn.LayerNorm(size.width)
        self.output = zero_linear(size.width, cells)

    def forward(self, noisy: Tensor, tau: Tensor, condition: Tensor) -> Tensor:
        inputs = noisy.flatten(1)
        if self.by_row:
            rows = tau if tau.dim() == 2 else tau[:, None].expand(-1, self.shape[0])
            inputs, tau = torch.cat([inputs, (rows == 1.0).to(inputs.dtype)], dim=1), rows.amin(1)
        hidden = self.input(inputs) + condition + self.time(tau)
        for block in self.blocks:
            hidden = block(hidden)
        return self.output(self.norm(hidden)).reshape(-1, *self.shape)


class DirectTrunk(nn.Module):
    """condition (B, C) -> (B, outputs): the blocks of MlpTrunk, for heads whose chunk is no input."""

    def __init__(self, size: Size, outputs: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(size.width, size.dropout) for _ in range(size.blocks))
        self.norm = nn.LayerNorm(size.width)
        self.output = nn.Linear(size.width, outputs)

    def forward(self, condition: Tensor) -> Tensor:
        for block in self.blocks:
            condition = block(condition)
        return self.output(self.norm(condition))


class TransformerTrunk(nn.Module):
    """A token per row, with its time; the condition is a token before them."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.input = nn.Linear(size.columns, size.width)
        self.time = TimeEmbedding(size.width)
        self.rows = RowTransformer(size.horizon, size.width, size.blocks, size.dropout)
        self.output = zero_linear(size.width, size.columns)

    def forward(self, noisy: Tensor, tau: Tensor, condition: Tensor) -> Tensor:
        time = self.time(tau)
        tokens = self.input(noisy) + (time if tau.dim() == 2 else time[:, None])
        return self.output(self.rows(tokens, condition[:, None]))


class MixerTrunk(nn.Module):
    """MLP-mixer (Tolstikhin et al., arXiv 2105.01601): layers that mix rows alternate with layers that mix columns.

    The architecture of the policies in arXiv 2506.07339, appendix A, with added conditioning.
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.input = nn.Linear(size.columns, size.width)
        self.time = TimeEmbedding(size.width)
        self.across = nn.ModuleList(Block(size.horizon, size.dropout, size.width) for _ in range(size.blocks))
        self.along = nn.ModuleList(Block(size.width, size.dropout) for _ in range(size.blocks))
        self.norm = nn.LayerNorm(size.width)
        self.output = zero_linear(size.width, size.columns)

    def forward(self, noisy: Tensor, tau: Tensor, condition: Tensor) -> Tensor:
        time = self.time(tau)
        hidden = self.input(noisy) + condition[:, None] + (time if tau.dim() == 2 else time[:, None])
        for across, along in zip(self.across, self.along, strict=True):
            hidden = along(across(hidden.transpose(1, 2)).transpose(1, 2))
        return self.output(self.norm(hidden))


class Block(nn.Module):
    """x + MLP(norm(x)) over the last dimension; `inner` units inside (default: twice the width)."""

    def __init__(self, width: int, dropout: float, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or 2 * width
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, inner),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(inner, width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.layers(hidden)


class TimeEmbedding(nn.Sequential):
    """Flow or diffusion time (...,) to (..., width): sinusoids with wave lengths from 4 down to 0.04, then an MLP."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(2 * _TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, tau: Tensor) -> Tensor:
        exponents = torch.linspace(0.0, 1.0, _TIME_FREQUENCIES, dtype=tau.dtype, device=tau.device)
        angles = tau[..., None] * (0.5 * math.pi * 100.0**exponents)
        hidden = torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
        for layer in self:
            hidden = layer(hidden)
        return hidden


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A last layer that starts at 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
