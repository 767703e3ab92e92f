"""Random changes of images in training, without which a small data set is learnt by heart."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from bc_core.policies.vision.config import EncoderConfig

_SMALLEST_AREA, _LARGEST_ASPECT = 0.02, 3.3
"""Of an erased rectangle: part of the image's area, and ratio of its sides."""


class Augmentation(nn.Module):
    """Images (B, n_obs_steps, channels, height, width), 0 to 255; the history of a frame changes as one. Evaluation
    mode: nothing happens."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.shift, self.erase = config.shift, config.erase
        self.brightness, self.contrast, self.saturation = config.brightness, config.contrast, config.saturation

    @property
    def active(self) -> bool:
        """Does it change anything in training?"""
        return any((self.shift, self.erase, self.brightness, self.contrast, self.saturation))

    def forward(self, images: Tensor) -> Tensor:
        if not self.training:
            return images
        if self.shift:
            images = random_shift(images.flatten(1, 2), self.shift).unflatten(1, images.shape[1:3])
        if self.brightness or self.contrast or self.saturation:
            images = self._jittered(images)
        return random_erase(images, self.erase) if self.erase else images

    def _jittered(self, images: Tensor) -> Tensor:
        images = images * _factors(images, self.brightness)
        mean = images.mean(dim=(1, 2, 3, 4), keepdim=True)
        images = mean + (images - mean) * _factors(images, self.contrast)
        grey = images.mean(dim=2, keepdim=True)
        return (grey + (images - grey) * _factors(images, self.saturation)).clamp(0.0, 255.0)


def random_shift(images: Tensor, most: int) -> Tensor:
    """Move every image of a batch (B, C, height, width) by up to `most` pixels; what moves in repeats the border.

    Yarats et al., "Image Augmentation Is All You Need" (DrQ), arXiv 2004.13649.
    """
    batch, _, height, width = images.shape
    padded = pad(images, (most,) * 4, mode="replicate")
    top, left = torch.randint(0, 2 * most + 1, (2, batch))
    rows = top[:, None] + torch.arange(height)
    columns = left[:, None] + torch.arange(width)
    index = torch.arange(batch)[:, None, None]
    return padded[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def random_erase(images: Tensor, largest: float) -> Tensor:
    """Make a rectangle of every frame's images (B, n, C, height, width) grey, of up to a part `largest` of their area.

    Zhong et al., "Random Erasing Data Augmentation", arXiv 1708.04896.
    """
    height, width = images.shape[-2:]
    area, aspect, top, left = torch.rand(4, len(images), 1, device=images.device)
    part = _SMALLEST_AREA + (largest - _SMALLEST_AREA) * area if largest > _SMALLEST_AREA else largest * area
    tall = (part * _LARGEST_ASPECT ** (2.0 * aspect - 1.0)).sqrt().clamp(max=1.0)
    wide = (part / tall).clamp(max=1.0)
    rows, columns = (torch.arange(side, device=images.device) / side for side in (height, width))
    inside_rows = (rows >= top * (1.0 - tall)) & (rows < top * (1.0 - tall) + tall)
    inside_columns = (columns >= left * (1.0 - wide)) & (columns < left * (1.0 - wide) + wide)
    erased = inside_rows[:, :, None] & inside_columns[:, None, :]
    return torch.where(erased[:, None, None], 127.5, images)


def _factors(images: Tensor, most: float) -> Tensor:
    """1 - most to 1 + most, one for every frame."""
    return 1.0 + most * (2.0 * torch.rand(len(images), 1, 1, 1, 1, device=images.device) - 1.0)
