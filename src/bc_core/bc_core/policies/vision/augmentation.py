"""Random changes of images in training, without which a small data set is learnt by heart."""

import torch
from torch import Tensor
from torch.nn.functional import pad


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
