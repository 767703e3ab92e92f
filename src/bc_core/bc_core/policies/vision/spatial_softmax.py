"""A small convolutional encoder for camera images, cheap enough for a CPU."""

import torch
from torch import Tensor, nn

from bc_core.policies.vision.augmentation import random_shift
from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.config import SpatialSoftmaxConfig


class SpatialSoftmaxEncoder(ImageEncoder):
    """Where things are: the expected image coordinates of every feature map; the history is stacked as channels.

    Levine et al., "End-to-End Training of Deep Visuomotor Policies", arXiv 1504.00702.
    """

    def __init__(self, view: View, config: SpatialSoftmaxConfig) -> None:
        super().__init__()
        self.shift = config.shift
        self.features = 2 * config.maps
        self.layers = nn.Sequential(
            nn.Conv2d(view.n_obs_steps * view.channels, 32, 5, stride=2, padding=2),
            nn.GroupNorm(8, 32),
            nn.SiLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.Conv2d(64, config.maps, 1),
        )

    def forward(self, prepared: Tensor) -> Tensor:
        stacked = prepared.permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 127.5 - 1.0
        if self.training and self.shift:
            stacked = random_shift(stacked, self.shift)
        return expected_coordinates(self.layers(stacked))


def expected_coordinates(maps: Tensor) -> Tensor:
    """Spatial softmax of maps (B, M, height, width): (B, 2 M), the x of every map, then the y; -1 to 1."""
    height, width = maps.shape[-2:]
    attention = maps.flatten(2).softmax(dim=-1).unflatten(2, (height, width))
    x = attention.sum(dim=2) @ torch.linspace(-1.0, 1.0, width, device=maps.device)
    y = attention.sum(dim=3) @ torch.linspace(-1.0, 1.0, height, device=maps.device)
    return torch.cat([x, y], dim=-1)
