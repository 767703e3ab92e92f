"""A small convolutional encoder for camera images, cheap enough for a CPU."""

from torch import Tensor, nn

from bc_core.policies.vision.augmentation import Augmentation
from bc_core.policies.vision.base import ImageEncoder, View, channels_first
from bc_core.policies.vision.config import SpatialSoftmaxConfig
from bc_core.policies.vision.pooling import expected_coordinates


class SpatialSoftmaxEncoder(ImageEncoder):
    """Where things are: the expected image coordinates of every feature map; the history is stacked as channels."""

    def __init__(self, view: View, config: SpatialSoftmaxConfig) -> None:
        super().__init__()
        self.augmentation = Augmentation(config)
        self.features = 2 * config.maps
        self.layers = small_layers(view.n_obs_steps * view.channels, config.maps)

    def forward(self, prepared: Tensor) -> Tensor:
        stacked = self.augmentation(channels_first(prepared)).flatten(1, 2) / 127.5 - 1.0
        return expected_coordinates(self.layers(stacked))


def small_layers(channels: int, maps: int) -> nn.Sequential:
    """Images (B, channels, height, width) to maps (B, maps, height / 8, width / 8)."""
    return nn.Sequential(
        nn.Conv2d(channels, 32, 5, stride=2, padding=2),
        nn.GroupNorm(8, 32),
        nn.SiLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.GroupNorm(8, 64),
        nn.SiLU(),
        nn.Conv2d(64, 64, 3, stride=2, padding=1),
        nn.GroupNorm(8, 64),
        nn.SiLU(),
        nn.Conv2d(64, maps, 1),
    )
