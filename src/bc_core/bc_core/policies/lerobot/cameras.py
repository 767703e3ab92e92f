"""What LeRobot's policies make of camera images before the head sees them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from bc_core.policies.lerobot.config import LeRobotDiffusionConfig
from bc_core.policies.resnet import ResNet, grid, group_norm

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Pixels(nn.Module):
    """uint8 images (B, height, width, 3) to (B, 3, height, width): (x / 255 - mean) / std by channel."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN))
        self.register_buffer("std", torch.tensor(IMAGENET_STD))

    def forward(self, images: Tensor) -> Tensor:
        scaled = (images.float() / 255.0 - self.mean) / self.std
        return scaled.permute(0, 3, 1, 2).contiguous()


class KeypointEncoder(nn.Module):
    """Normalised images (B, 3, height, width) to 2 * keypoints numbers: a ResNet, then spatial softmax.

    Spatial softmax: Finn et al., "Deep Spatial Autoencoders for Visuomotor Learning", arXiv 1509.06113: the expected
    image coordinates, -1 to 1, of every map. shape: height and width of the images.
    """

    coordinates: Tensor

    def __init__(self, shape: tuple[int, int], config: LeRobotDiffusionConfig) -> None:
        super().__init__()
        self.resize, self.crop, self.random_crop = config.resize, config.crop, config.random_crop
        norm = group_norm if config.group_norm else nn.BatchNorm2d
        self.backbone = ResNet(config.backbone, norm)
        self.keypoints = nn.Conv2d(self.backbone.channels, config.keypoints, 1)
        self.output = nn.Linear(2 * config.keypoints, 2 * config.keypoints)
        seen = config.crop or config.resize or shape
        self.register_buffer("coordinates", cell_coordinates(*grid(seen[0], seen[1])), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if self.resize:
            images = interpolate(images, size=list(self.resize), mode="bilinear", antialias=True)
        if self.crop:
            images = self._cropped(images)
        attention = self.keypoints(self.backbone(images)).flatten(2).softmax(dim=-1)
        return relu(self.output((attention @ self.coordinates).flatten(1)))

    def _cropped(self, images: Tensor) -> Tensor:
        """The middle; while training, a place at random, the same for the whole batch."""
        (height, width), slack = self.crop, (images.shape[2] - self.crop[0], images.shape[3] - self.crop[1])
        top, left = round(slack[0] / 2.0), round(slack[1] / 2.0)
        if self.training and self.random_crop:
            top, left = (int(torch.randint(room + 1, (), device="cpu")) for room in slack)
        return images[:, :, top : top + height, left : left + width]


def cell_coordinates(rows: int, columns: int) -> Tensor:
    """(rows * columns, 2): x and y of every cell of a map, row by row, from -1 to 1."""
    y, x = torch.meshgrid(torch.linspace(-1.0, 1.0, rows), torch.linspace(-1.0, 1.0, columns), indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=1)
