"""What the training loop trains, whatever it is: a policy's network, or an auto-encoder of images."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class Batch:
    """Frames of one step, as TrainingSet's columns. No dataclass, for Fabric would look into it and round what is to be
    predicted to the precision of the forward pass."""

    def __init__(self, features: Tensor, images: dict[str, Tensor], actions: Tensor, valid: Tensor) -> None:
        self.features, self.images, self.actions, self.valid = features, images, actions, valid


class Learner(nn.Module, ABC):
    @abstractmethod
    def loss(self, batch: Batch, draws: int, generator: torch.Generator) -> Tensor:
        """Training loss of a batch, a scalar, with so many noise samples per frame."""
