"""What an image encoder is: the pictures of one camera in, a vector out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn

from bc_core.contract import Contract


@dataclass(frozen=True)
class View:
    """What an encoder sees of a camera: n_obs_steps images (height, width, channels), in the contract's encoding."""

    stream: str
    n_obs_steps: int
    height: int
    width: int
    channels: int
    encoding: str

    @classmethod
    def of(cls, contract: Contract, stream: str, n_obs_steps: int) -> "View":
        observation = contract.observations[stream]
        height, width, channels = observation.shape
        return cls(stream, n_obs_steps, height, width, channels, observation.encoding)


class ImageEncoder(nn.Module, ABC):
    """uint8 images (B, n_obs_steps, height, width, channels) to (B, features), in two stages.

    `prepare` is what nothing learnt and nothing random has a part in, so that training computes it once for every frame
    instead of in every step. `forward` is the rest, with augmentation while training.
    """

    features: int

    def prepare(self, images: Tensor) -> Tensor:
        """Images to whatever `forward` takes, the batch first. Default: as they are."""
        return images

    @abstractmethod
    def forward(self, prepared: Tensor) -> Tensor:
        """What `prepare` returned, to (B, features)."""
