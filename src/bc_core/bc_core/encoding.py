"""A policy's private representation of actions; on the wire actions are absolute (docs/protocol.md).

Joints: absolute, relative to the joint positions of the newest observation, or as differences from row to row, the
first from the observation (delta). Poses: position and the first two columns of the rotation matrix (Zhou et al., "On
the Continuity of Rotation Representations in Neural Networks", CVPR 2019), absolute, in the frame of the observed pose,
or each in the frame of the row before. Gripper openings stay absolute: how far to open does not depend on where the
fingers are. A prefix is encoded against the *new* observation, which makes it comparable with the chunk to come.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionGroup, Array, Space
from bc_core.contract import Contract, Observation
from bc_core.errors import BcError

_POSE_FIELDS = (
    "position.x",
    "position.y",
    "position.z",
    "orientation.x",
    "orientation.y",
    "orientation.z",
    "orientation.w",
)
_POSE_ENCODED = 9


class Encoding(StrEnum):
    """How joint and pose groups are represented."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"  # to the newest observation: to where the robot stands when the chunk is inferred
    DELTA = "delta"  # to the row before; errors of rows add up


@dataclass(frozen=True)
class _Reference:
    """Where a group's reference lies in the observations: stream and elements of its value."""

    stream: str
    elements: tuple[int, ...]


class ActionEncoder:
    """Encodes rows of D absolute values as rows of E values, and back.

    contract: gives the groups and, unless ABSOLUTE, the observation that each group starts from: the stream whose
    `position` field holds the group's joints, or the stream of seven fields position.x ... orientation.w of the pose.
    BcError where the contract has none.
    """

    def __init__(self, contract: Contract, encoding: Encoding) -> None:
        self._groups = contract.groups
        self._chained = encoding == Encoding.DELTA
        self._references = {
            group.name: _reference(contract, group)
            for group in contract.groups
            if encoding != Encoding.ABSOLUTE and group.space != Space.GRIPPER
        }
        self.width = sum(_encoded_width(group) for group in self._groups)

    @property
    def streams(self) -> tuple[str, ...]:
        """Observation streams that encoding and decoding need."""
        return tuple(dict.fromkeys(reference.stream for reference in self._references.values()))

    def encode(self, actions: Array, values: Mapping[str, npt.NDArray[Any]]) -> Array:
        """Absolute actions (..., H, D) to (..., H, E). values: stream -> newest observation, shape (..., width)."""
        parts = []
        for group in self._groups:
            part, reference = actions[..., group.columns], self._value(group, values)
            if reference is not None and self._chained:
                start = np.broadcast_to(reference, (*part.shape[:-2], 1, group.width))
                reference = np.concatenate([start, part[..., :-1, :]], axis=-2)
            if group.space == Space.CARTESIAN_POSE:
                parts.append(_encode_pose(part, reference))
            else:
                parts.append(part if reference is None else part - reference)
        return np.concatenate(parts, axis=-1)

    def decode(self, encoded: Array, values: Mapping[str, npt.NDArray[Any]]) -> Array:
        """Encoded actions (..., H, E) to absolute (..., H, D); the inverse of `encode` for the same observation."""
        parts, offset = [], 0
        for group in self._groups:
            width = _encoded_width(group)
            part, reference = encoded[..., offset : offset + width], self._value(group, values)
            offset += width
            decode = _decode_pose if group.space == Space.CARTESIAN_POSE else _decode_joints
            if reference is None or not self._chained:
                part = decode(part, reference)
            else:
                part = _chain(decode, part, reference)
            if group.space == Space.CARTESIAN_POSE:
                part = np.concatenate([part[..., :3], aligned(part[..., 3:])], axis=-1)
            parts.append(part)
        return np.concatenate(parts, axis=-1)

    def _value(self, group: ActionGroup, values: Mapping[str, npt.NDArray[Any]]) -> Array | None:
        """The group's reference with an axis for the rows, shape (..., 1, width); None: absolute."""
        reference = self._references.get(group.name)
        if reference is None:
            return None
        value: Array = np.asarray(values[reference.stream], dtype=np.float64)[..., list(reference.elements)]
        return value[..., None, :]


def _encoded_width(group: ActionGroup) -> int:
    return _POSE_ENCODED if group.space == Space.CARTESIAN_POSE else group.width


def _reference(contract: Contract, group: ActionGroup) -> _Reference:
    for observation in contract.observations.values():
        elements = (
            _pose_elements(observation) if group.space == Space.CARTESIAN_POSE else _joint_elements(observation, group)
        )
        if elements:
            return _Reference(observation.name, elements)
    raise BcError(
        f"contract '{contract.name}' observes no position of action group '{group.name}': "
        "add such an observation, or set `encoding: absolute`"
    )


def _joint_elements(observation: Observation, group: ActionGroup) -> tuple[int, ...]:
    if "position" not in observation.fields or not set(group.names) <= set(observation.names):
        return ()
    start = observation.fields.index("position") * len(observation.names)
    return tuple(start + observation.names.index(name) for name in group.names)


def _pose_elements(observation: Observation) -> tuple[int, ...]:
    stems = {field.removesuffix(tail) for field, tail in zip(observation.fields, _POSE_FIELDS, strict=False)}
    whole = len(observation.fields) == len(_POSE_FIELDS) and len(stems) == 1
    return tuple(range(len(_POSE_FIELDS))) if whole else ()


def _chain(decode: Callable[[Array, Array | None], Array], encoded: Array, start: Array) -> Array:
    """Decode rows each against the one before, the first against `start` (..., 1, width)."""
    rows = []
    for index in range(encoded.shape[-2]):
        start = decode(encoded[..., index : index + 1, :], start)
        rows.append(start)
    return np.concatenate(rows, axis=-2)


def _decode_joints(encoded: Array, reference: Array | None) -> Array:
    return encoded if reference is None else encoded + reference


def _encode_pose(pose: Array, reference: Array | None) -> Array:
    position, matrix = pose[..., :3], _matrix(pose[..., 3:])
    if reference is not None:
        base = np.swapaxes(_matrix(reference[..., 3:]), -1, -2)
        position = np.einsum("...ij,...j->...i", base, position - reference[..., :3])
        matrix = base @ matrix
    return np.concatenate([position, matrix[..., 0], matrix[..., 1]], axis=-1)


def _decode_pose(encoded: Array, reference: Array | None) -> Array:
    position = encoded[..., :3]
    first = _unit(encoded[..., 3:6])
    second = encoded[..., 6:9]
    second = _unit(second - np.sum(first * second, axis=-1, keepdims=True) * first)  # Gram-Schmidt
    matrix = np.stack([first, second, np.cross(first, second)], axis=-1)
    if reference is not None:
        base = _matrix(reference[..., 3:])
        position = np.einsum("...ij,...j->...i", base, position) + reference[..., :3]
        matrix = base @ matrix
    return np.concatenate([position, _quaternion(matrix)], axis=-1)


def _matrix(quaternion: Array) -> Array:
    matrix: Array = Rotation.from_quat(quaternion.reshape(-1, 4)).as_matrix()
    return matrix.reshape(*quaternion.shape[:-1], 3, 3)


def _quaternion(matrix: Array) -> Array:
    quaternion: Array = Rotation.from_matrix(matrix.reshape(-1, 3, 3)).as_quat()
    return quaternion.reshape(*matrix.shape[:-2], 4)


def aligned(quaternion: Array) -> Array:
    """Flip signs so that successive rows lie in one hemisphere: q and -q are the same rotation."""
    dots = np.sum(quaternion[..., 1:, :] * quaternion[..., :-1, :], axis=-1)
    signs = np.cumprod(np.where(dots < 0.0, -1.0, 1.0), axis=-1)
    signs = np.concatenate([np.ones_like(quaternion[..., :1, 0]), signs], axis=-1)
    return quaternion * signs[..., None]


def _unit(vector: Array) -> Array:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)
