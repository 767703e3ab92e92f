"""The network of a policy: an encoder that runs once per observation, and an action head."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from bc_core.policies.heads.base import Head
from bc_core.policies.heads.build import build_head
from bc_core.policies.heads.config import HeadConfig
from bc_core.policies.trunks import Size
from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import VisionConfig


class Network(nn.Module, ABC):
    """What every policy has."""

    head: Head

    def prepare(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """uint8 images stream -> (B, n_obs_steps, H, W, C) to what `encode` takes of them; the same before and after
        training. Default: as they are."""
        return dict(images)

    @abstractmethod
    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        """Embedding (B, C) of normalised features (B, F) and prepared images, stream -> (B, ...)."""


class PolicyNetwork(Network):
    """features (B, F), images -> embedding (B, C); the head makes chunks (B, H, E) of it.

    views: of the cameras. BcError: an encoder does not suit its camera, or needs a package that is not installed.
    """

    def __init__(
        self,
        features: int,
        views: Sequence[View],
        size: Size,
        head: HeadConfig,
        vision: VisionConfig = VisionConfig(),  # noqa: B008 (frozen)
    ) -> None:
        super().__init__()
        encoders = {view.stream: build_encoder(view, vision.of(view.stream)) for view in views}
        self.cameras = nn.ModuleDict(encoders)
        inputs = features + sum(encoder.features for encoder in encoders.values())
        self.observation = nn.Linear(inputs, size.width)
        self.head = build_head(size, head)

    def prepare(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        prepared = {}
        for stream, encoder in self.cameras.items():
            assert isinstance(encoder, ImageEncoder)
            prepared[stream] = encoder.prepare(images[stream])
        return prepared

    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        parts = [features, *(encoder(images[stream]) for stream, encoder in self.cameras.items())]
        condition: Tensor = self.observation(torch.cat(parts, dim=-1))
        return condition
