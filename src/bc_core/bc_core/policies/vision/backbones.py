"""Pre-trained backbones behind one face: normalised pixels to an embedding of the image, and feature maps.

Built from their architecture alone; their weights come from a folder (vision.folder) or from a checkpoint.
"""

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bc_core.errors import BcError
from bc_core.optional import require
from bc_core.policies.vision.backbone_config import BackboneConfig

PURPOSE = "a pre-trained image encoder"


class Backbone(nn.Module, ABC):
    """Pixels (B, 3, height, width), normalised as in its training, to own (B, D) and maps (B, C, rows, columns)."""

    @abstractmethod
    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]: ...


class TransformersBackbone(Backbone):
    """A vision model of `transformers`. own: its pooled output, or the CLS token where it has none."""

    def __init__(self, architecture: Mapping[str, Any], height: int, width: int) -> None:
        super().__init__()
        library = transformers()
        config = library.AutoConfig.for_model(**architecture)
        try:
            self.model = library.AutoModel.from_config(config, trust_remote_code=False)
        except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
            kind = architecture.get("model_type")
            raise BcError(f"a model of type '{kind}' cannot be built ({error}): use a vision model") from error
        if self.model.main_input_name != "pixel_values":
            raise BcError(f"a model of type '{config.model_type}' sees no images: use a vision model")
        if getattr(self.model, "pooler", None) is not None and config.model_type in _IDLE_POOLERS:
            self.model.pooler = None
        self.patch = getattr(config, "patch_size", None)
        made_for = getattr(config, "image_size", None)
        options = inspect.signature(self.model.forward).parameters
        other_size = made_for is not None and (height, width) != _sides(made_for)
        self.options = (
            {"interpolate_pos_encoding": True} if other_size and "interpolate_pos_encoding" in options else {}
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        output = self.model(pixel_values=pixels, **self.options)
        hidden, pooled = output.last_hidden_state, output.get("pooler_output")
        if hidden.ndim == 4:
            return (hidden.mean(dim=(2, 3)) if pooled is None else pooled.flatten(1)), hidden
        rows, columns = self._grid(hidden.shape[1], pixels.shape[2], pixels.shape[3])
        maps = hidden[:, hidden.shape[1] - rows * columns :].transpose(1, 2).unflatten(2, (rows, columns))
        return (hidden[:, 0] if pooled is None else pooled), maps

    def _grid(self, tokens: int, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the patches, which are the last tokens."""
        if isinstance(self.patch, int):
            rows, columns = height // self.patch, width // self.patch
            if 0 < rows * columns <= tokens <= rows * columns + _MOST_OTHER_TOKENS:
                return rows, columns
        side = math.isqrt(tokens)
        if side * side == tokens:
            return side, side
        raise BcError(f"the backbone answers {tokens} tokens for {width}x{height} pixels, which are no grid of patches")


class LatentBackbone(Backbone):
    """The encoder of a variational auto-encoder (diffusers' AutoencoderKL): maps are the means of its latents."""

    def __init__(self, architecture: Mapping[str, Any]) -> None:
        super().__init__()
        library = require("diffusers", "diffusers", PURPOSE)
        model = library.AutoencoderKL.from_config(dict(architecture))
        self.encoder, self.quant_conv = model.encoder, model.quant_conv

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        hidden = self.encoder(pixels)
        moments = hidden if self.quant_conv is None else self.quant_conv(hidden)
        mean = moments.chunk(2, dim=1)[0]
        return mean.flatten(1), mean


_IDLE_POOLERS = ("vit",)
"""Models whose pooler is an untrained rest of BERT's."""
_MOST_OTHER_TOKENS = 16
"""Before the patches: CLS token, registers."""


def build_backbone(config: BackboneConfig, height: int, width: int) -> Backbone:
    """height, width: of the pixels that it will be given. Its weights are random."""
    if config.library == "diffusers":
        return LatentBackbone(config.architecture)
    return TransformersBackbone(config.architecture, height, width)


def transformers() -> Any:
    """The library, silent: what it would print is raised here as errors."""
    library = require("transformers", "transformers", PURPOSE)
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    return library


def without_gradient(backbone: Backbone, seen: Tensor) -> None:
    """Freeze what the answer `seen` does not depend on: a mask token, a pooler that nobody reads. Several processes
    that train together wait for every parameter that asks for a gradient."""
    parameters = [parameter for parameter in backbone.parameters() if parameter.requires_grad]
    for parameter, gradient in zip(
        parameters, torch.autograd.grad(seen.sum(), parameters, allow_unused=True), strict=True
    ):
        parameter.requires_grad_(gradient is not None)


def _sides(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
