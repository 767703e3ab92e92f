"""An encoder with a pre-trained backbone, frozen or fine-tuned with the policy."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bc_core.errors import BcError
from bc_core.policies.vision.augmentation import Augmentation
from bc_core.policies.vision.backbones import build_backbone, without_gradient
from bc_core.policies.vision.base import Frozen, ImageEncoder, View, channels_first
from bc_core.policies.vision.config import PretrainedConfig
from bc_core.policies.vision.folder import load_weights
from bc_core.policies.vision.pooling import Pooling

_LARGEST_GROWTH = 4
"""Bytes of a frame's prepared embedding as against its images: larger ones are computed in every step instead."""
_ORDER = {"rgb8": (0, 1, 2), "bgr8": (2, 1, 0), "mono8": (0, 0, 0)}
"""Channels of an image that are the backbone's red, green and blue."""


class PretrainedEncoder(ImageEncoder):
    """Every image of the history goes through the backbone by itself; the embeddings follow one another, oldest first.

    A frozen backbone without augmentation belongs to `prepare`: every frame of a training set is embedded once.
    """

    mean: Tensor
    std: Tensor
    text: Tensor

    def __init__(self, view: View, config: PretrainedConfig) -> None:
        """config: with what was found in the backbone's folder (vision.folder.described)."""
        super().__init__()
        if config.backbone is None:
            raise ValueError("a pre-trained encoder needs the architecture of its backbone")
        if view.encoding not in _ORDER:
            raise BcError(
                f"a pre-trained encoder sees {', '.join(_ORDER)} images, not {view.encoding} ('{view.stream}')"
            )
        self.config, found = config, config.backbone
        self.size = (config.size, config.size) if config.size else (found.height, found.width)
        self.order = list(_ORDER[view.encoding])
        self.augmentation = Augmentation(config)
        for name, values in (("mean", found.mean), ("std", found.std)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.register_buffer("text", torch.tensor(found.text), persistent=False)
        backbone = build_backbone(found, *self.size)
        try:
            own, maps = backbone(torch.zeros(1, 3, *self.size))
        except (RuntimeError, ValueError) as error:
            raise BcError(
                f"the backbone of '{view.stream}' cannot see images of {self.size[1]}x{self.size[0]} pixels ({error}): "
                f"set size to the one it was trained with ({found.width}x{found.height})"
            ) from error
        self.pooling = Pooling(config.pooling, own, maps, config.maps)
        reduced = self.pooling.reduced(own, maps)
        if config.trainable == "finetune":
            without_gradient(backbone, reduced)
        self.frozen = config.trainable == "frozen"
        self.backbone = Frozen(backbone) if self.frozen else backbone
        grown = 4 * reduced.numel() <= _LARGEST_GROWTH * view.height * view.width * view.channels
        self.once = self.frozen and not self.augmentation.active and grown
        self.features = view.n_obs_steps * self.pooling.features + self.text.numel()

    def initialise(self) -> None:
        load_weights(self.backbone.module if isinstance(self.backbone, Frozen) else self.backbone, self.config)

    def prepare(self, images: Tensor) -> Tensor:
        return self._seen(channels_first(images)) if self.once else images

    def forward(self, prepared: Tensor) -> Tensor:
        seen = prepared if self.once else self._seen(self.augmentation(channels_first(prepared)))
        embedded = self.pooling(seen.flatten(0, 1)).unflatten(0, seen.shape[:2]).flatten(1)
        return torch.cat([embedded, self.text.expand(len(embedded), -1)], dim=1)

    def _seen(self, images: Tensor) -> Tensor:
        """Images (B, n_obs_steps, C, height, width), 0 to 255, to the fixed part of pooling, (B, n_obs_steps, ..)."""
        pixels = images.flatten(0, 1)[:, self.order] / 255.0
        if pixels.shape[-2:] != self.size:
            pixels = interpolate(pixels, size=self.size, mode="bilinear", antialias=True, align_corners=False)
        seen: Tensor = self.pooling.reduced(*self.backbone((pixels - self.mean) / self.std))
        return seen.unflatten(0, images.shape[:2])
