"""The network of the flow policy: an encoder that runs once per observation, a head that runs once per flow step.

The head predicts the clean chunk A1hat (Eq. 3 of arXiv 2506.07339), not the velocity: chunks are smooth and lie near a
low-dimensional manifold, which a small network can output, while velocities carry all the noise, which it cannot
(Li, He, "Back to Basics: Let Denoising Generative Models Denoise", arXiv 2511.13720).
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bc_core.policies.vision import ImageEncoder

_TIME_FREQUENCIES = 32


class FlowNetwork(nn.Module):
    """features (B, F), images -> condition (B, C); condition, noisy chunk (B, H, E) and flow time -> A1hat (B, H, E).

    cameras: stream -> channels of its stacked history.
    """

    def __init__(
        self,
        features: int,
        cameras: Mapping[str, int],
        horizon: int,
        columns: int,
        width: int,
        blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.cameras = nn.ModuleDict({stream: ImageEncoder(channels) for stream, channels in cameras.items()})
        inputs = features + ImageEncoder.FEATURES * len(cameras)
        self.observation = nn.Linear(inputs, width)
        self.head = ChunkHead(horizon, columns, width, blocks, dropout)

    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        """Condition (B, C) from normalised features (B, F) and uint8 images stream -> (B, n_obs_steps, H, W, C)."""
        parts = [features, *(encoder(images[stream]) for stream, encoder in self.cameras.items())]
        condition: Tensor = self.observation(torch.cat(parts, dim=-1))
        return condition


class ChunkHead(nn.Module):
    """Residual MLP over the flattened chunk; condition and flow time are added to its input.

    With a few hundred demonstrations, conditioning that multiplies (adaptive layer norm) learns by heart which way each
    of them went; adding, with dropout, does not.
    """

    def __init__(self, horizon: int, columns: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.shape = (horizon, columns)
        self.time = nn.Sequential(nn.Linear(2 * _TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.input = nn.Linear(horizon * columns, width)
        self.blocks = nn.ModuleList(_Block(width, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, horizon * columns)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, noisy: Tensor, tau: Tensor, condition: Tensor) -> Tensor:
        """noisy (B, H, E), tau (B,) in [0, 1], condition (B, C) -> A1hat (B, H, E)."""
        hidden = self.input(noisy.flatten(1)) + condition + self.time(_time_embedding(tau))
        for block in self.blocks:
            hidden = block(hidden)
        clean: Tensor = self.output(self.norm(hidden))
        return clean.reshape(-1, *self.shape)


class _Block(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.SiLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        changed: Tensor = hidden + self.layers(hidden)
        return changed


def _time_embedding(tau: Tensor) -> Tensor:
    """Sinusoids of flow time, (B,) -> (B, 2 * frequencies), wave lengths from 4 down to 0.04."""
    exponents = torch.linspace(0.0, 1.0, _TIME_FREQUENCIES, dtype=tau.dtype, device=tau.device)
    angles = tau[:, None] * (0.5 * math.pi * 100.0**exponents)
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
