"""Conditional U-Net over the rows of a chunk, after Chi et al., "Diffusion Policy", arXiv 2303.04137, section IV-A.

Convolutions along time, two resolutions; condition and time modulate every block's channels (FiLM).
"""

import torch
from torch import Tensor, nn

from bc_core.policies.trunks import Size, TimeEmbedding, zero_linear

_KERNEL = 5


class UnetTrunk(nn.Module):
    """trunk(chunk (B, H, E), time (B,), condition (B, C)) -> (B, H, E); rows are padded to an even number."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        narrow, wide = _channels(size.width), 2 * _channels(size.width)
        context = 2 * size.width
        self.time = TimeEmbedding(size.width)
        self.first = _ResidualConvolution(size.columns, narrow, context, size.dropout)
        self.down = nn.Conv1d(narrow, narrow, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(
            _ResidualConvolution(narrow if index == 0 else wide, wide, context, size.dropout)
            for index in range(size.blocks)
        )
        self.up = nn.ConvTranspose1d(wide, narrow, 4, stride=2, padding=1)
        self.last = _ResidualConvolution(2 * narrow, narrow, context, size.dropout)
        self.output = zero_linear(narrow, size.columns)

    def forward(self, noisy: Tensor, tau: Tensor, condition: Tensor) -> Tensor:
        rows = noisy.shape[1]
        hidden = noisy.transpose(1, 2)
        if rows % 2:
            hidden = nn.functional.pad(hidden, (0, 1), mode="replicate")
        context = torch.cat([condition, self.time(tau)], dim=1)
        kept = self.first(hidden, context)
        hidden = self.down(kept)
        for block in self.middle:
            hidden = block(hidden, context)
        hidden = self.last(torch.cat([kept, self.up(hidden)], dim=1), context)
        return self.output(hidden.transpose(1, 2)[:, :rows])


class _ResidualConvolution(nn.Module):
    def __init__(self, inputs: int, outputs: int, context: int, dropout: float) -> None:
        super().__init__()
        self.before = _convolution(inputs, outputs)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(context, 2 * outputs))
        self.after = nn.Sequential(nn.Dropout(dropout), _convolution(outputs, outputs))
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, hidden: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.modulation(context)[..., None].chunk(2, dim=1)
        changed = self.before(hidden) * (1.0 + scale) + shift
        return self.skip(hidden) + self.after(changed)


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    convolution = nn.Conv1d(inputs, outputs, _KERNEL, padding=_KERNEL // 2)
    return nn.Sequential(convolution, nn.GroupNorm(8 if outputs % 8 == 0 else 1, outputs), nn.SiLU())


def _channels(width: int) -> int:
    """Half the width: two resolutions of convolutions then cost about what the MLP trunk costs."""
    return max(8, width // 2)
