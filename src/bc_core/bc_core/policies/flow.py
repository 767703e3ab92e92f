"""The flow-matching policy: frame -> chunk, plain or guided by the chunk before (real-time chunking)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bc_core import guidance
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.encoding import ActionEncoder
from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.frames import Frame
from bc_core.mask import Mask, mask_weights
from bc_core.normalisation import Normaliser
from bc_core.policies.base import Policy
from bc_core.policies.config import FlowConfig
from bc_core.policies.features import ObservationFeatures
from bc_core.policies.network import FlowNetwork


class FlowPolicy(Policy):
    """Composition of encoding, normalisation and network.

    features, actions: normalisers of the feature vector (F,) and of encoded actions (H, E).
    """

    masks = FlowConfig.masks

    def __init__(self, contract: Contract, config: FlowConfig, features: Normaliser, actions: Normaliser) -> None:
        self.contract = contract
        self.config = config
        self.n_obs_steps = config.n_obs_steps
        self.horizon = config.horizon
        self.width = contract.width
        self.feature_normaliser = features
        self.action_normaliser = actions
        self.encoder, self.features, self.streams, self.cameras = input_layout(contract, config)
        channels = {stream: config.n_obs_steps * contract.observations[stream].shape[2] for stream in self.cameras}
        self.network = FlowNetwork(
            features.mean.size,
            channels,
            config.horizon,
            self.encoder.width,
            config.width,
            config.blocks,
            config.dropout,
        )

    def infer(
        self,
        frame: Frame,
        prefix: Array | None = None,
        frozen: int = 0,
        execution_horizon: int = 1,
        mask: Mask = Mask.FREE,
        beta: float = 5.0,
        seed: int | None = None,
    ) -> Array:
        if mask not in self.masks:
            raise ValueError(f"a flow policy cannot serve mask {mask.name}: it was not trained for it")
        prefix = self._checked_prefix(prefix, frozen)
        weights = mask_weights(mask, self.horizon, frozen, execution_horizon, len(prefix))
        self._check_frame(frame)
        newest = {stream: value[-1] for stream, value in frame.values.items()}
        target = self._target(prefix, newest) if weights.any() else None
        noise = self._noise(seed)
        with torch.inference_mode(False), torch.no_grad():
            condition = self.network.encode(*self._inputs(frame.values))

        def denoise(actions: Tensor, tau: float) -> Tensor:
            return self.network.head(actions, torch.full((len(actions),), tau), condition.expand(len(actions), -1))

        sampled = guidance.sample(
            denoise,
            noise,
            self.config.flow_steps,
            target,
            torch.from_numpy(weights).float(),
            beta,
            guide_last_step=False,
        )
        encoded = self.action_normaliser.denormalise(sampled[0].double().numpy())
        actions = self.encoder.decode(encoded, newest)
        if not np.isfinite(actions).all():
            raise FloatingPointError(f"the policy's chunk for tick {frame.tick} is not finite")
        return actions

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
        padded = np.concatenate([prefix, np.repeat(prefix[-1:], self.horizon - len(prefix), axis=0)])
        encoded = self.encoder.encode(padded, newest)
        return torch.from_numpy(self.action_normaliser.normalise(encoded)).float()

    def _noise(self, seed: int | None) -> Tensor:
        generator = torch.Generator()
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        return torch.randn(1, self.horizon, self.encoder.width, generator=generator)

    def _inputs(self, values: Mapping[str, npt.NDArray[Any]]) -> tuple[Tensor, dict[str, Tensor]]:
        features = self.feature_normaliser.normalise(self.features(values))
        images = {stream: torch.from_numpy(np.ascontiguousarray(values[stream]))[None] for stream in self.cameras}
        return torch.from_numpy(features).float()[None], images


def input_layout(
    contract: Contract, config: FlowConfig
) -> tuple[ActionEncoder, ObservationFeatures, tuple[str, ...], tuple[str, ...]]:
    """Encoder, features, all streams that a frame must hold, and the cameras among them. BcError: unknown stream."""
    for stream in config.observations:
        if stream not in contract.observations:
            known = ", ".join(contract.observations)
            raise BcError(
                f"the policy observes '{stream}', which contract '{contract.name}' lacks: use some of {known}"
            )
    encoder = ActionEncoder(contract, config.encoding)
    features = ObservationFeatures(contract, config.observations, config.relations)
    cameras = tuple(stream for stream in config.observations if contract.observations[stream].is_image)
    return encoder, features, tuple(dict.fromkeys((*config.observations, *encoder.streams))), cameras
