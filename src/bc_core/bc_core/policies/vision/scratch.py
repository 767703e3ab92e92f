"""Encoders of standard architecture that are trained with the policy, from random weights."""

from typing import Any

import torch
from torch import Tensor

from bc_core.errors import BcError
from bc_core.optional import require
from bc_core.policies.resnet import ResNet, group_norm
from bc_core.policies.vision.augmentation import Augmentation
from bc_core.policies.vision.base import ImageEncoder, View, channels_first
from bc_core.policies.vision.config import EncoderConfig, ResNetConfig, VitConfig
from bc_core.policies.vision.pooling import Pooling


class _ScratchEncoder(ImageEncoder):
    """The history is stacked as channels."""

    def __init__(self, view: View, config: EncoderConfig) -> None:
        super().__init__()
        self.augmentation = Augmentation(config)
        self.channels = view.n_obs_steps * view.channels

    def stacked(self, prepared: Tensor) -> Tensor:
        """(B, n_obs_steps * channels, height, width), -1 to 1."""
        return self.augmentation(channels_first(prepared)).flatten(1, 2) / 127.5 - 1.0


class ResNetEncoder(_ScratchEncoder):
    """He et al., CVPR 2016, with group normalisation."""

    def __init__(self, view: View, config: ResNetConfig) -> None:
        super().__init__(view, config)
        self.backbone = ResNet("resnet18", group_norm, self.channels, config.stem == "small")
        with torch.no_grad():
            maps = self.backbone(torch.zeros(1, self.channels, view.height, view.width))
        self.pooling = Pooling(config.pooling, maps.mean(dim=(2, 3)), maps, config.maps)
        self.features = self.pooling.features

    def forward(self, prepared: Tensor) -> Tensor:
        maps = self.backbone(self.stacked(prepared))
        return self.pooling(self.pooling.reduced(maps, maps))


class VitEncoder(_ScratchEncoder):
    """Dosovitskiy et al., "An Image is Worth 16x16 Words", arXiv 2010.11929."""

    def __init__(self, view: View, config: VitConfig) -> None:
        """BcError: patches do not tile the images, or heads do not share out the width."""
        super().__init__(view, config)
        if view.height % config.patch or view.width % config.patch:
            raise BcError(
                f"policy.vision: patches of {config.patch} pixels do not tile the images of '{view.stream}', "
                f"{view.width}x{view.height}: set patch to a divisor of both sides"
            )
        if config.width % config.heads:
            raise BcError(f"policy.vision: width = {config.width} must be a multiple of heads = {config.heads}")
        self.rows = view.height // config.patch
        self.backbone = _vit(view, config, self.channels)
        with torch.no_grad():
            own, maps = self._seen(torch.zeros(1, self.channels, view.height, view.width))
        self.pooling = Pooling(config.pooling, own, maps, config.maps)
        self.features = self.pooling.features

    def forward(self, prepared: Tensor) -> Tensor:
        return self.pooling(self.pooling.reduced(*self._seen(self.stacked(prepared))))

    def _seen(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """CLS token (B, width), and patches (B, width, rows, columns)."""
        tokens = self.backbone(pixel_values=images).last_hidden_state
        return tokens[:, 0], tokens[:, 1:].transpose(1, 2).unflatten(2, (self.rows, -1))


def _vit(view: View, config: VitConfig, channels: int) -> Any:
    library = require("transformers", "transformers", f"an image encoder of type {config.type}")
    settings = library.ViTConfig(
        image_size=(view.height, view.width), patch_size=config.patch, num_channels=channels, hidden_size=config.width,
        num_hidden_layers=config.depth, num_attention_heads=config.heads, intermediate_size=4 * config.width,
        hidden_dropout_prob=config.dropout,
    )  # fmt: skip
    return library.ViTModel(settings, add_pooling_layer=False)
