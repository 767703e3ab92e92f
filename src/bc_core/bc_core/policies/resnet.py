"""ResNet feature maps: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1.

Modules bear the names that published weights use (conv1, bn1, layer1 ... layer4, downsample). The stride of a
bottleneck is in its 3x3 convolution.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

Norm = Callable[[int], nn.Module]
"""Normalisation of a number of channels."""
_BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}
_WIDTHS = (64, 128, 256, 512)


class FrozenNorm(nn.Module):
    """Batch normalisation whose statistics and scale are constants."""

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, maps: Tensor) -> Tensor:
        return batch_norm(maps, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, 1e-5)


class ResNet(nn.Module):
    """Images (B, 3, height, width), both sides at will, to maps (B, channels, ceil(height / 32), ceil(width / 32)).

    inputs: channels of the images, where they are not 3. small: for small images, a stem that keeps their size, so that
    the maps have an 8th of it.
    """

    layer1: nn.Sequential
    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential

    def __init__(self, name: str, norm: Norm, inputs: int = 3, small: bool = False) -> None:
        super().__init__()
        block = _Bottleneck if name == "resnet50" else _Basic
        kernel = 3 if small else 7
        self.conv1 = nn.Conv2d(inputs, _WIDTHS[0], kernel, 1 if small else 2, kernel // 2, bias=False)
        self.bn1 = norm(_WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.Identity() if small else nn.MaxPool2d(3, stride=2, padding=1)
        inputs = _WIDTHS[0]
        for index, (width, count) in enumerate(zip(_WIDTHS, _BLOCKS[name], strict=True)):
            layer = nn.Sequential()
            for number in range(count):
                layer.append(block(inputs, width, 2 if index and not number else 1, norm))
                inputs = width * block.EXPANSION
            setattr(self, f"layer{index + 1}", layer)
        self.channels = inputs

    def forward(self, images: Tensor) -> Tensor:
        maps = self.pool(self.relu(self.bn1(self.conv1(images))))
        return self.layer4(self.layer3(self.layer2(self.layer1(maps))))


def group_norm(channels: int) -> nn.GroupNorm:
    """In the place of batch statistics, which suit neither small batches nor averaged weights (arXiv 2303.04137)."""
    return nn.GroupNorm(channels // 16, channels)


def grid(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the maps of an image."""
    return -(-height // 32), -(-width // 32)


class _Basic(nn.Module):
    EXPANSION = 1

    def __init__(self, inputs: int, width: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False), norm(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride, norm)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))
        return self.relu(hidden.add_(self.downsample(maps)))


class _Bottleneck(nn.Module):
    EXPANSION = 4

    def __init__(self, inputs: int, width: int, stride: int, norm: Norm) -> None:
        super().__init__()
        outputs = width * self.EXPANSION
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), norm(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False), norm(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), norm(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride, norm)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps))))))
        return self.relu(self.bn3(self.conv3(hidden)).add_(self.downsample(maps)))


def _shortcut(inputs: int, outputs: int, stride: int, norm: Norm) -> nn.Sequential:
    """Empty where the sizes agree: it then passes on what it gets."""
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), norm(outputs))
