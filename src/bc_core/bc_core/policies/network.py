"""The network of a policy: an encoder that runs once per observation, and an action head."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from bc_core.policies.heads.base import Head
from bc_core.policies.heads.build import build_head
from bc_core.policies.heads.config import HeadConfig
from bc_core.policies.learner import Batch, Learner
from bc_core.policies.trunks import Size
from bc_core.policies.vision.base import ImageEncoder, View
from bc_core.policies.vision.build import build_encoder
from bc_core.policies.vision.config import VisionConfig


class Network(Learner):
    """What every policy has."""

    head: Head

    def initialise(self) -> None:
        """Fetch what a new policy begins with, beside random weights. Default: nothing. BcError: it is not there."""
        return

    def prepare(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Images stream -> (B, n_obs_steps, H, W, C), uint8 or of depth float32, to what `encode` takes of them; the
        same before and after training. Default: as they are."""
        return dict(images)

    @abstractmethod
    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        """Embedding (B, C) of normalised features (B, F) and prepared images, stream -> (B, ...)."""

    def loss(self, batch: Batch, draws: int, generator: torch.Generator) -> Tensor:
        """The head's; its noise samples share the encoding of their frame."""
        condition = self.encode(batch.features, batch.images).float().repeat(draws, 1)
        return self.head.loss(condition, batch.actions.repeat(draws, 1, 1), batch.valid.repeat(draws, 1), generator)


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
        vision: VisionConfig = VisionConfig(),
    ) -> None:
        super().__init__()
        encoders = {view.stream: build_encoder(view, vision.of(view.stream)) for view in views}
        self.cameras = nn.ModuleDict(encoders)
        inputs = features + sum(encoder.features for encoder in encoders.values())
        self.observation = nn.Linear(inputs, size.width)
        self.head = build_head(size, head)

    def encoders(self) -> Iterator[tuple[str, ImageEncoder]]:
        """Of every camera, by stream."""
        for stream, encoder in self.cameras.items():
            assert isinstance(encoder, ImageEncoder)
            yield stream, encoder

    def initialise(self) -> None:
        for _, encoder in self.encoders():
            encoder.initialise()

    def prepare(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {stream: encoder.prepare(images[stream]) for stream, encoder in self.encoders()}

    def encode(self, features: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        parts = [features, *(encoder(images[stream]) for stream, encoder in self.cameras.items())]
        condition: Tensor = self.observation(torch.cat(parts, dim=-1))
        return condition
