"""A policy of a fixed reference size: two 224x224 cameras, ResNet-18, transformer flow head d = 256, 4 layers, H = 50.

Weights are random: time does not depend on them.
"""

import torch
from torch import Tensor, nn

CAMERAS, SIZE = 2, 224
WIDTH, LAYERS, HEADS, HORIZON, COLUMNS = 256, 4, 8, 50, 8
STEPS, BETA = 5, 5.0


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a short cut (He et al., arXiv 1512.03385)."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.short: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            convolution = nn.Conv2d(channels_in, channels, 1, stride, bias=False)
            self.short = nn.Sequential(convolution, nn.BatchNorm2d(channels))

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(self.layers(images) + self.short(images))


def resnet18() -> nn.Sequential:
    """images (B, 3, 224, 224) -> (B, 512, 7, 7)."""
    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    blocks = []
    for channels_in, channels, stride in ((64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)):
        blocks += [ResidualBlock(channels_in, channels, stride), ResidualBlock(channels, channels, 1)]
    return nn.Sequential(*stem, *blocks)


class Layer(nn.Module):
    """Self-attention over the rows, cross-attention to the observation, feed-forward; pre-normalised.

    Keys and values of the observation do not depend on the flow step: `remember` makes them once per chunk.
    """

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.rows, self.rows_out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.query, self.seen = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.seen_out = nn.Linear(WIDTH, WIDTH)
        self.feed = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def remember(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = self.seen(tokens).chunk(2, dim=-1)
        return _heads(keys), _heads(values)

    def forward(self, hidden: Tensor, seen: tuple[Tensor, Tensor]) -> Tensor:
        query, key, value = self.rows(self.norms[0](hidden)).chunk(3, dim=-1)
        hidden = hidden + self.rows_out(_attend(_heads(query), _heads(key), _heads(value)))
        hidden = hidden + self.seen_out(_attend(_heads(self.query(self.norms[1](hidden))), *seen))
        return hidden + self.feed(self.norms[2](hidden))


class ReferencePolicy(nn.Module):
    """encode: images (C, 3, 224, 224) -> what the head remembers. head: A (1, H, D), tau -> A1hat."""

    def __init__(self) -> None:
        super().__init__()
        self.cameras = nn.ModuleList(resnet18() for _ in range(CAMERAS))
        self.project = nn.Linear(512, WIDTH)
        self.position = nn.Parameter(0.02 * torch.randn(CAMERAS * 49, WIDTH))
        self.row_position = nn.Parameter(0.02 * torch.randn(HORIZON, WIDTH))
        self.input, self.time = nn.Linear(COLUMNS, WIDTH), nn.Linear(1, WIDTH)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.output = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, COLUMNS))

    def tokens(self, images: Tensor) -> Tensor:
        pairs = zip(self.cameras, images, strict=True)
        seen = [camera(image[None]).flatten(2).transpose(1, 2) for camera, image in pairs]
        tokens: Tensor = self.project(torch.cat(seen, dim=1)) + self.position
        return tokens

    def remember(self, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [_remember(layer, tokens) for layer in self.layers]

    def head(self, actions: Tensor, tau: Tensor, memory: list[tuple[Tensor, Tensor]]) -> Tensor:
        hidden = self.input(actions) + self.row_position + self.time(tau[:, None])[:, None]
        for layer, seen in zip(self.layers, memory, strict=True):
            hidden = layer(hidden, seen)
        return self.output(hidden)


def _remember(layer: nn.Module, tokens: Tensor) -> tuple[Tensor, Tensor]:
    assert isinstance(layer, Layer)
    return layer.remember(tokens)


def _heads(values: Tensor) -> Tensor:
    return values.unflatten(-1, (HEADS, WIDTH // HEADS)).transpose(1, 2)


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
