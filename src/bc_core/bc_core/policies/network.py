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
        self, features: int, cameras: Mapping[str, int], horizon: int, columns: int, width: int, blocks: int
    ) -> None:
        super().__init__()
        self.cameras = nn.ModuleDict({stream: ImageEncoder(channels) for stream, channels in cameras.items()})
        inputs = features + ImageEncoder.FEATURES * len(cameras)
        self.observation = nn.Sequential(
            nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.head = ChunkHead(horizon, columns, width, blocks)

    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        """Condition (B, C) from normalised features (B, F) and uint8 images stream -> (B, n_obs_steps, H, W, C)."""
        parts = [features, *(encoder(images[stream]) for stream, encoder in self.cameras.items())]
        condition: Tensor = self.observation(torch.cat(parts, dim=-1))
        return condition


class ChunkHead(nn.Module):
    """Residual MLP over the flattened chunk, modulated by condition and flow time (adaptive layer norm, as in DiT)."""

    def __init__(self, horizon: int, columns: int, width: int, blocks: int) -> None:
        super().__init__()
        self.shape = (horizon, columns)
        self.time = nn.Sequential(nn.Linear(2 * _TIME_FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))
        self.input = nn.Linear(horizon * columns, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.output = nn.Linear(width, horizon * columns)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, noisy: Tensor, tau: Tensor, condition: Tensor) -> Tensor:
        """noisy (B, H, E), tau (B,) in [0, 1], condition (B, C) -> A1hat (B, H, E)."""
        modulation = nn.functional.silu(condition + self.time(_time_embedding(tau)))
        hidden = self.input(noisy.flatten(1))
        for block in self.blocks:
            hidden = block(hidden, modulation)
        clean: Tensor = self.output(self.norm(hidden))
        return clean.reshape(-1, *self.shape)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.modulation = nn.Linear(width, 3 * width)
        self.layers = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        nn.init.zeros_(self.modulation.weight)  # every block starts as the identity
        nn.init.zeros_(self.modulation.bias)

    def forward(self, hidden: Tensor, modulation: Tensor) -> Tensor:
        shift, scale, gate = self.modulation(modulation).chunk(3, dim=-1)
        change: Tensor = self.layers(self.norm(hidden) * (1.0 + scale) + shift)
        return hidden + gate * change


def _time_embedding(tau: Tensor) -> Tensor:
    """Sinusoids of flow time, (B,) -> (B, 2 * frequencies), wave lengths from 4 down to 0.04."""
    exponents = torch.linspace(0.0, 1.0, _TIME_FREQUENCIES, dtype=tau.dtype, device=tau.device)
    angles = tau[:, None] * (0.5 * math.pi * 100.0**exponents)
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
