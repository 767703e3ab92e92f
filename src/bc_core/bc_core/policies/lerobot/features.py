"""Observations and actions as LeRobot has them: plain numbers side by side."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.chunks import Array, Space
from bc_core.contract import Contract
from bc_core.encoding import aligned
from bc_core.policies.features import stream_width


class PlainFeatures:
    """The numeric streams of a frame as one vector: all of the oldest tick, ..., all of the newest."""

    def __init__(self, contract: Contract, streams: Iterable[str]) -> None:
        self.streams = tuple(stream for stream in streams if not contract.observations[stream].is_image)
        self._widths = {stream: stream_width(contract.observations[stream]) for stream in self.streams}
        self.width = sum(self._widths.values())

    def columns(self, streams: Collection[str], n_obs_steps: int) -> npt.NDArray[np.bool_]:
        """Which features tell something of these streams."""
        told = [stream in streams for stream in self.streams for _ in range(self._widths[stream])]
        return np.array(told * n_obs_steps, dtype=np.bool_)

    def __call__(self, values: Mapping[str, npt.NDArray[Any]]) -> Array:
        """values: stream -> (..., n_obs_steps, width), newest last; returns (..., n_obs_steps * width of all)."""
        numbers = [np.asarray(values[stream], dtype=np.float64) for stream in self.streams]
        joined: Array = np.concatenate(numbers, axis=-1)
        return joined.reshape(*joined.shape[:-2], -1)


class PlainActions:
    """Rows of D absolute values, quaternions included, as they are; what a network says of a rotation is made one."""

    streams: tuple[str, ...] = ()

    def __init__(self, contract: Contract) -> None:
        self._groups = contract.groups
        self.width = contract.width

    def encode(self, actions: Array, values: Mapping[str, npt.NDArray[Any]]) -> Array:
        """(..., H, D) -> (..., H, D)."""
        return actions

    def decode(self, encoded: Array, values: Mapping[str, npt.NDArray[Any]]) -> Array:
        """(..., H, D) -> (..., H, D), quaternions of length 1 and in one hemisphere."""
        actions = encoded.copy()
        for group in self._groups:
            if group.space == Space.CARTESIAN_POSE:
                turn = slice(group.offset + 3, group.offset + 7)
                length = np.linalg.norm(actions[..., turn], axis=-1, keepdims=True)
                actions[..., turn] = aligned(actions[..., turn] / np.maximum(length, 1e-12))
        return actions
