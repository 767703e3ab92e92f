"""A learned policy: frame -> embedding -> chunk, plain or continuing the chunk before (real-time chunking)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.encoding import ActionEncoder
from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.frames import Frame
from bc_core.mask import BETA, Mask, mask_weights
from bc_core.normalisation import Normaliser
from bc_core.policies.base import Policy
from bc_core.policies.config import PolicyConfig
from bc_core.policies.features import ObservationFeatures
from bc_core.policies.heads.base import Continuation
from bc_core.policies.lerobot.config import LeRobotConfig
from bc_core.policies.lerobot.features import PlainActions, PlainFeatures
from bc_core.policies.lerobot.network import lerobot_network
from bc_core.policies.network import Network, PolicyNetwork
from bc_core.policies.trunks import Size
from bc_core.policies.vision.base import View
from bc_core.policies.vision.config import DEFAULT, VisionConfig
from bc_core.splice import leaves_room
from bc_core.strategies import bidirectional

COHERENT_SAMPLES, COHERENT_DECAY = 16, 0.9
"""Samples of which the most coherent is chosen, and weight of a row relative to the one before (arXiv 2408.17355)."""


class ChunkPolicy(Policy):
    """Composition of encoding, normalisation, encoder and action head.

    features, actions: normalisers of the feature vector (F,) and of encoded actions (H, E).
    """

    def __init__(self, contract: Contract, config: PolicyConfig, features: Normaliser, actions: Normaliser) -> None:
        self.contract = contract
        self.config = config
        self.n_obs_steps = config.n_obs_steps
        self.horizon = config.horizon
        self.width = contract.width
        self.masks = config.masks
        self.feature_normaliser = features
        self.action_normaliser = actions
        self.encoder, self.features, self.streams, self.cameras = input_layout(contract, config)
        self.network = _network(contract, config, features.mean.size, self.encoder.width, self.cameras)

    def infer(
        self,
        frame: Frame,
        prefix: Array | None = None,
        frozen: int = 0,
        execution_horizon: int = 1,
        mask: Mask = Mask.FREE,
        beta: float = BETA,
        seed: int | None = None,
    ) -> Array:
        if mask not in self.masks:
            raise ValueError(f"a {self.config.head.type} policy cannot serve mask {mask.name}: its head does not")
        prefix = self._checked_prefix(prefix, frozen)
        weights = torch.from_numpy(mask_weights(mask, self.horizon, frozen, execution_horizon, len(prefix))).float()
        self._check_frame(frame)
        newest = {stream: value[-1] for stream, value in frame.values.items()}
        continuation = None
        if mask == Mask.COHERENT or weights.any():
            target, room = self._target(prefix, newest), leaves_room(self.horizon, frozen, execution_horizon)
            continuation = Continuation(mask, target, weights, frozen, beta, guide_last_step=not bool(room))
        with torch.inference_mode(False), torch.no_grad():
            features, images = self._inputs(frame.values)
            condition = self.network.encode(features, self.network.prepare(images))
            sampled = self._sample(condition, _generator(seed), continuation, len(prefix))
        encoded = self.action_normaliser.denormalise(sampled.double().numpy())
        actions = self.encoder.decode(encoded, newest)
        if not np.isfinite(actions).all():
            raise FloatingPointError(f"the policy's chunk for tick {frame.tick} is not finite")
        return actions

    def normalised(self, actions: Array, frame: Frame) -> Array:
        """Absolute rows (H, D) for a frame as the network sees them, (H, E): in standard deviations of its training."""
        newest = {stream: value[-1] for stream, value in frame.values.items()}
        return self.action_normaliser.normalise(self.encoder.encode(actions, newest))

    def _sample(
        self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None, rows: int
    ) -> Tensor:
        """One normalised chunk (H, E); rows: that the prefix has."""
        head = self.network.head
        if continuation is None or continuation.mask != Mask.COHERENT:
            return head.sample(condition, generator, continuation)[0]
        samples = head.sample(condition.expand(COHERENT_SAMPLES, -1), generator)
        target = continuation.target[None]
        return bidirectional.select(samples[None], None, target, torch.tensor([rows]), COHERENT_DECAY, 1)[0]

    def _checked_prefix(self, prefix: Array | None, frozen: int) -> Array:
        if prefix is None:
            prefix = np.empty((0, self.width))
        if prefix.ndim != 2 or prefix.shape[1] != self.width or not np.isfinite(prefix).all():
            raise ValueError(f"a prefix must be (rows, {self.width}) finite values, got shape {prefix.shape}")
        if frozen > min(len(prefix), self.horizon):
            raise ValueError(
                f"{frozen} frozen rows, but the prefix has {len(prefix)} and the horizon is {self.horizon}"
            )
        return prefix[: self.horizon]

    def _check_frame(self, frame: Frame) -> None:
        for stream in self.streams:
            if stream not in frame.values:
                raise ObservationError(
                    stream, "the policy was trained on it and the frame lacks it: record and send it"
                )
            if len(frame.values[stream]) != self.n_obs_steps:
                raise BcError(
                    f"the frame holds {len(frame.values[stream])} steps of '{stream}', the policy was trained on "
                    f"{self.n_obs_steps}: assemble frames with n_obs_steps = {self.n_obs_steps}"
                )

    def _target(self, prefix: Array, newest: Mapping[str, npt.NDArray[Any]]) -> Tensor:
        """Y: the prefix in the network's coordinates, (H, E). Rows past it have weight 0 and repeat its last."""
        if not len(prefix):
            return torch.zeros(self.horizon, self.encoder.width)
        padded = np.concatenate([prefix, np.repeat(prefix[-1:], self.horizon - len(prefix), axis=0)])
        encoded = self.encoder.encode(padded, newest)
        return torch.from_numpy(self.action_normaliser.normalise(encoded)).float()

    def _inputs(self, values: Mapping[str, npt.NDArray[Any]]) -> tuple[Tensor, dict[str, Tensor]]:
        features = self.feature_normaliser.normalise(self.features(values))
        images = {stream: torch.from_numpy(np.ascontiguousarray(values[stream]))[None] for stream in self.cameras}
        return torch.from_numpy(features).float()[None], images


def input_layout(
    contract: Contract, config: PolicyConfig
) -> tuple[ActionEncoder | PlainActions, ObservationFeatures | PlainFeatures, tuple[str, ...], tuple[str, ...]]:
    """Encoder, features, all streams that a frame must hold, and the cameras among them. BcError: unknown stream."""
    for stream in config.observations:
        if stream not in contract.observations:
            known = ", ".join(contract.observations)
            raise BcError(
                f"the policy observes '{stream}', which contract '{contract.name}' lacks: use some of {known}"
            )
    encoder: ActionEncoder | PlainActions = PlainActions(contract)
    features: ObservationFeatures | PlainFeatures = PlainFeatures(contract, config.observations)
    if not isinstance(config.head, LeRobotConfig):
        encoder = ActionEncoder(contract, config.encoding)
        features = ObservationFeatures(contract, config.observations, config.relations)
    cameras = tuple(stream for stream in config.observations if contract.observations[stream].is_image)
    return encoder, features, tuple(dict.fromkeys((*config.observations, *encoder.streams))), cameras


def _network(
    contract: Contract, config: PolicyConfig, features: int, columns: int, cameras: tuple[str, ...]
) -> Network:
    """features: width of their vector; columns: of an encoded row."""
    size = Size(config.horizon, columns, config.width, config.blocks, config.dropout)
    if isinstance(config.head, LeRobotConfig):
        if config.vision.encoders:
            raise BcError(
                f"a {config.head.type} policy has its own image encoder (policy.backbone): remove policy.vision"
            )
        return lerobot_network(contract, config, config.head, size)
    _check_vision(config.vision, cameras)
    views = [View.of(contract, stream, config.n_obs_steps) for stream in cameras]
    return PolicyNetwork(features, views, size, config.head, config.vision)


def _check_vision(vision: VisionConfig, cameras: tuple[str, ...]) -> None:
    """BcError: an encoder that no camera has."""
    for name in vision.encoders:
        if name not in (*cameras, DEFAULT) or not cameras:
            known = f"cameras among policy.observations: {', '.join(cameras) or 'none'}"
            raise BcError(f"policy.vision.{name} is of no camera ({known}): add it to the observations, or remove it")


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.seed()
    else:
        generator.manual_seed(seed)
    return generator
