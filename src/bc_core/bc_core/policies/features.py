"""Numeric observations as network input: rotations without ambiguity, history as differences.

q and -q are one rotation, so quaternions enter as matrix columns (x y z w known) or as cosine and sine of the yaw (only
z and w known). Successive observations are nearly equal: the newest enters as it is, the history as differences, each
normalised by itself; otherwise the velocity in them would drown. Relations are differences of positions for the same
reason: a centimetre between tool and object drowns in the metre over which both move.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bc_core.chunks import Array
from bc_core.contract import Contract, Observation
from bc_core.errors import BcError


@dataclass(frozen=True)
class _Conversion:
    """Some elements of a stream's value, and what is made of them (None: nothing)."""

    elements: slice
    function: Callable[[Array], Array] | None

    def __call__(self, value: Array) -> Array:
        selected = value[..., self.elements]
        return selected if self.function is None else self.function(selected)


class ObservationFeatures:
    """Maps the numeric streams of a frame to one feature vector; images are not its business."""

    def __init__(self, contract: Contract, streams: Iterable[str], relations: Iterable[tuple[str, str]] = ()) -> None:
        """relations: pairs (of, to); BcError where one has no position or is not observed."""
        self.streams = tuple(stream for stream in streams if not contract.observations[stream].is_image)
        self._widths = {stream: stream_width(contract.observations[stream]) for stream in self.streams}
        self._conversions = {stream: _conversions(contract.observations[stream]) for stream in self.streams}
        self._relations = [(self._position(contract, of), self._position(contract, to)) for of, to in relations]

    def __call__(self, values: Mapping[str, npt.NDArray[Any]]) -> Array:
        """values: stream -> (..., n_obs_steps, width), newest last; returns (..., F)."""
        numbers = {stream: np.asarray(values[stream], dtype=np.float64) for stream in self.streams}
        histories = [
            np.concatenate([convert(numbers[stream]) for convert in self._conversions[stream]], axis=-1)
            for stream in self.streams
        ]
        for (of, of_columns), (to, to_columns) in self._relations:
            histories.append(numbers[of][..., of_columns] - numbers[to][..., to_columns])
        parts = []
        for history in histories:
            parts.append(history[..., -1, :])
            differences = np.diff(history, axis=-2)
            parts.append(differences.reshape(*differences.shape[:-2], -1))
        return np.concatenate(parts, axis=-1)

    def columns(self, streams: Collection[str], n_obs_steps: int) -> npt.NDArray[np.bool_]:
        """Which features (F,) tell something of these streams, relations to them included."""
        told: list[bool] = []
        for stream in self.streams:
            sample = np.ones((1, self._widths[stream]))  # any value will do: it is the width that is asked for
            width = sum(convert(sample).shape[-1] for convert in self._conversions[stream])
            told += [stream in streams] * (width * n_obs_steps)
        for (of, columns), (to, _) in self._relations:
            told += [of in streams or to in streams] * (len(columns) * n_obs_steps)
        return np.array(told, dtype=np.bool_)

    def _position(self, contract: Contract, stream: str) -> tuple[str, list[int]]:
        """A stream and the columns of its x, y and z."""
        fields = contract.observations[stream].fields if stream in self.streams else ()
        columns = [i for i, field in enumerate(fields) if field.endswith(("position.x", "position.y", "position.z"))]
        if len(columns) != 3:
            raise BcError(
                f"relations name '{stream}', which is not observed or has no position.x, .y and .z: "
                "add it to the policy's observations, or remove the relation"
            )
        return stream, columns


def stream_width(observation: Observation) -> int:
    """Numbers in a value of a stream that is no camera, of fields that are single numbers or name their joints."""
    return len(observation.fields) * max(1, len(observation.names))


def _conversions(observation: Observation) -> list[_Conversion]:
    """What to concatenate for a stream: runs of plain elements, and rotations in their place."""
    if observation.names or not any(_quaternion_part(field) for field in observation.fields):
        return [_Conversion(slice(None), None)]
    conversions: list[_Conversion] = []
    position = 0
    while position < len(observation.fields):
        stem = _quaternion_part(observation.fields[position])
        length = 1
        while stem and position + length < len(observation.fields):
            if _quaternion_part(observation.fields[position + length]) != stem:
                break
            length += 1
        axes = "".join(field[-1] for field in observation.fields[position : position + length])
        elements = slice(position, position + length)
        if stem and axes == "xyzw":
            conversions.append(_Conversion(elements, _matrix_columns))
        elif stem and axes == "zw":
            conversions.append(_Conversion(elements, _yaw))
        else:
            conversions.append(_Conversion(elements, None))
        position += length
    return conversions


def _quaternion_part(field: str) -> str:
    """The path of the quaternion that a field is an element of, e.g. pose.orientation; empty: none."""
    stem, _, axis = field.rpartition(".")
    return stem if axis in ("x", "y", "z", "w") and stem.split(".")[-1] in ("orientation", "rotation") else ""


def _matrix_columns(quaternion: Array) -> Array:
    matrix = Rotation.from_quat(quaternion.reshape(-1, 4)).as_matrix()
    columns: Array = np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], axis=-1)
    return columns.reshape(*quaternion.shape[:-1], 6)


def _yaw(zw: Array) -> Array:
    """Cosine and sine of the yaw of a rotation about z with quaternion (0, 0, z, w)."""
    z, w = zw[..., 0], zw[..., 1]
    square = np.maximum(z**2 + w**2, 1e-12)
    return np.stack([(w**2 - z**2) / square, 2.0 * z * w / square], axis=-1)
