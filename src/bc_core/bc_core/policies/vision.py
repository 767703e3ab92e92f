"""A small convolutional encoder for camera images, cheap enough for a CPU."""

import torch
from torch import Tensor, nn

_SHIFT = 4


class ImageEncoder(nn.Module):
    """uint8 images (B, n_obs_steps, height, width, channels) to FEATURES numbers: where things are, by spatial softmax.

    Spatial softmax (Levine et al., "End-to-End Training of Deep Visuomotor Policies", 2016): the expected image
    coordinates of every feature map. While training, images are shifted at random by up to 4 pixels (DrQ), without
    which a small data set is learnt by heart.
    """

    MAPS = 32
    FEATURES = 2 * MAPS

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 5, stride=2, padding=2),
            nn.GroupNorm(8, 32),
            nn.SiLU(),
            nn.Conv2d(32, 64, 3, stride=2, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.Conv2d(64, 64, 3, stride=2, padding=1),
            nn.GroupNorm(8, 64),
            nn.SiLU(),
            nn.Conv2d(64, self.MAPS, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        stacked = images.permute(0, 1, 4, 2, 3).flatten(1, 2).float() / 127.5 - 1.0
        if self.training:
            stacked = _random_shift(stacked)
        maps = self.layers(stacked)
        height, width = maps.shape[-2:]
        attention = maps.flatten(2).softmax(dim=-1).unflatten(2, (height, width))
        x = attention.sum(dim=2) @ torch.linspace(-1.0, 1.0, width, device=maps.device)
        y = attention.sum(dim=3) @ torch.linspace(-1.0, 1.0, height, device=maps.device)
        return torch.cat([x, y], dim=-1)


def _random_shift(images: Tensor) -> Tensor:
    """Shift every image of a batch by up to _SHIFT pixels; what moves in repeats the border."""
    batch, _, height, width = images.shape
    padded = nn.functional.pad(images, (_SHIFT,) * 4, mode="replicate")
    top, left = torch.randint(0, 2 * _SHIFT + 1, (2, batch))
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    index = torch.arange(batch)[:, None, None]
    return padded[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
