"""What an image encoder is: the pictures of one camera in, a vector out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from bc_core.contract import Contract


@dataclass(frozen=True)
class View:
    """What an encoder sees of a camera: n_obs_steps images (height, width, channels), in the contract's encoding.

    is_depth: distances (bc_core.depth).
    """

    stream: str
    n_obs_steps: int
    height: int
    width: int
    channels: int
    encoding: str
    is_depth: bool = False

    @classmethod
    def of(cls, contract: Contract, stream: str, n_obs_steps: int) -> "View":
        observation = contract.observations[stream]
        height, width, channels = observation.shape
        return cls(stream, n_obs_steps, height, width, channels, observation.encoding, observation.is_depth)


class ImageEncoder(nn.Module, ABC):
    """Images (B, n_obs_steps, height, width, channels), uint8 or of depth float32, to (B, features), in two stages.

    `prepare` is what nothing learnt and nothing random has a part in, so that training computes it once for every frame
    instead of in every step. `forward` is the rest, with augmentation while training.
    """

    features: int

    def initialise(self) -> None:
        """Fetch what a new policy begins with, beside random weights. Default: nothing. BcError: it is not there."""
        return

    def prepare(self, images: Tensor) -> Tensor:
        """Images to whatever `forward` takes, the batch first. Default: as they are."""
        return images

    @abstractmethod
    def forward(self, prepared: Tensor) -> Tensor:
        """What `prepare` returned, to (B, features)."""


class Frozen(nn.Module):
    """A module that training leaves as it is: without gradients, in evaluation mode whatever its surroundings are in.

    Runs of training keep no copies of its weights (training.state, training.optimise).
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        return self

    def forward(self, *inputs: Tensor) -> Any:
        with torch.no_grad():
            return self.module(*inputs)


def frozen_names(network: nn.Module) -> tuple[str, ...]:
    """Beginnings of the names of all parameters and buffers that are Frozen."""
    return tuple(f"{name}." for name, module in network.named_modules() if isinstance(module, Frozen))


def channels_first(images: Tensor) -> Tensor:
    """uint8 (B, n, height, width, C) to float (B, n, C, height, width), 0 to 255."""
    return images.permute(0, 1, 4, 2, 3).float()
