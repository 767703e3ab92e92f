"""The network of a policy: an encoder that runs once per observation, and an action head."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bc_core.policies.heads.base import Head
from bc_core.policies.heads.build import build_head
from bc_core.policies.heads.config import HeadConfig
from bc_core.policies.trunks import Size
from bc_core.policies.vision import ImageEncoder


class Network(nn.Module, ABC):
    """What every policy has."""

    head: Head

    @abstractmethod
    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        """Embedding (B, C) of normalised features (B, F) and uint8 images stream -> (B, n_obs_steps, H, W, C)."""


class PolicyNetwork(Network):
    """features (B, F), images -> embedding (B, C); the head makes chunks (B, H, E) of it.

    cameras: stream -> channels of its stacked history.
    """

    def __init__(self, features: int, cameras: Mapping[str, int], size: Size, head: HeadConfig) -> None:
        super().__init__()
        self.cameras = nn.ModuleDict({stream: ImageEncoder(channels) for stream, channels in cameras.items()})
        inputs = features + ImageEncoder.FEATURES * len(cameras)
        self.observation = nn.Linear(inputs, size.width)
        self.head = build_head(size, head)

    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        parts = [features, *(encoder(images[stream]) for stream, encoder in self.cameras.items())]
        condition: Tensor = self.observation(torch.cat(parts, dim=-1))
        return condition
