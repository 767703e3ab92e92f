"""Depth images as an input: how far things are, and where nothing was measured."""

import torch
from torch import Tensor

from bc_core.errors import BcError
from bc_core.policies.vision.augmentation import Augmentation
from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.config import DepthConfig
from bc_core.policies.vision.pooling import expected_coordinates
from bc_core.policies.vision.spatial_softmax import small_layers

_CHANNELS = 2


class DepthEncoder(ImageEncoder):
    """Distance and validity of every pixel through a small convolutional network; the history is stacked as channels.

    `near` becomes -1 and `far` 1, in proportion between; what lies beyond is cut off. A pixel without a distance is 0
    in both channels, one with a distance is 1 in the second: the network never has to take a missing distance for one.
    """

    def __init__(self, view: View, config: DepthConfig) -> None:
        """BcError: no range."""
        super().__init__()
        if not 0.0 < config.near < config.far:
            raise BcError(
                f"policy.vision: the range of depth encoder '{view.stream}' is near = {config.near:g} m to far = "
                f"{config.far:g} m: give the distances that matter, 0 < near < far"
            )
        self.near, self.far = config.near, config.far
        self.augmentation = Augmentation(config)
        self.features = 2 * config.maps
        self.layers = small_layers(_CHANNELS * view.n_obs_steps, config.maps)

    def prepare(self, images: Tensor) -> Tensor:
        """float32 (B, n_obs_steps, height, width, 1) [m] to float16 (B, n_obs_steps, 2, height, width): distance, -1 to
        1, and validity, 0 or 1. Half precision resolves the range to a 2000th."""
        metres = images[..., 0]
        valid = metres > 0.0
        scaled = (2.0 * (metres - self.near) / (self.far - self.near) - 1.0).clamp(-1.0, 1.0)
        return torch.stack([scaled.where(valid, torch.zeros_like(scaled)), valid.to(scaled.dtype)], dim=2).half()

    def forward(self, prepared: Tensor) -> Tensor:
        """Augmentation moves distance and validity together; what it blanks (to the middle, 0) was not measured."""
        images = self.augmentation(prepared.float() * 127.5 + 127.5)
        return expected_coordinates(self.layers(images.flatten(1, 2) / 127.5 - 1.0))
