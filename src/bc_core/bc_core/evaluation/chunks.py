"""Chunks that a policy draws for recorded frames, and how far they are from what was demonstrated, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionGroup, Array, Space
from bc_core.policies.abilities import Ability
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.training.data import Frames, normalised

SAMPLES = 8
_BATCH = 64


@dataclass(frozen=True)
class RowErrors:
    """Error of one quantity over the rows of a chunk, each array (H,), NaN where no frame has a target.

    mean, p95: over frames and samples. best: mean over frames of the sample that is nearest over all its rows; of a
    policy of several minds the mean says how often it chose otherwise than the demonstrator, `best` whether it knows
    what was demonstrated at all.
    """

    quantity: str
    unit: str
    mean: Array
    p95: Array
    best: Array

    def to_document(self) -> dict[str, Any]:
        rows = {"mean": self.mean, "p95": self.p95, "best": self.best}
        finite = {key: [None if np.isnan(v) else float(v) for v in value] for key, value in rows.items()}
        return {"quantity": self.quantity, "unit": self.unit, **finite}


def spread(frames: Frames, count: int) -> Frames:
    """At most `count` of the frames, at even distances."""
    if len(frames) <= count:
        return frames
    return frames.chosen(np.linspace(0, len(frames) - 1, count).round().astype(np.int64))


@torch.no_grad()
def predict(policy: ChunkPolicy, frames: Frames, seed: int) -> Array:
    """Chunks (S, N, H, D), absolute: SAMPLES for each frame, or one where the head has but one answer."""
    data = normalised(frames, policy)
    count = SAMPLES if Ability.SAMPLING in policy.config.head.abilities else 1
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for index in torch.arange(len(data)).split(_BATCH):
        images = {camera: value[index] for camera, value in data.images.items()}
        condition = policy.network.encode(data.features[index], images)
        drawn = policy.network.head.sample(condition.repeat(count, 1), generator).unflatten(0, (count, -1))
        newest = {stream: value[index.numpy()] for stream, value in frames.newest.items()}
        parts.append(policy.encoder.decode(policy.action_normaliser.denormalise(drawn.double().numpy()), newest))
    return np.concatenate(parts, axis=1)


def row_errors(
    groups: Sequence[ActionGroup], predicted: Array, actions: Array, valid: npt.NDArray[np.bool_]
) -> list[RowErrors]:
    """predicted (S, N, H, D) against actions (N, H, D) where valid (N, H); a pose has two quantities."""
    found = []
    for group in groups:
        for quantity, unit, distance in _distances(group, predicted[..., group.columns], actions[..., group.columns]):
            found.append(_by_row(quantity, unit, distance, valid))
    return found


def _distances(group: ActionGroup, predicted: Array, actions: Array) -> list[tuple[str, str, Array]]:
    """Name, unit and distance (S, N, H) of every quantity of a group."""
    if group.space != Space.CARTESIAN_POSE:
        unit = "m" if group.space == Space.GRIPPER else "rad"
        return [(group.name, unit, np.sqrt(np.mean((predicted - actions) ** 2, axis=-1)))]
    position = np.linalg.norm(predicted[..., :3] - actions[..., :3], axis=-1)
    there = Rotation.from_quat(np.broadcast_to(actions[..., 3:], predicted[..., 3:].shape).reshape(-1, 4))
    turned = (there.inv() * Rotation.from_quat(predicted[..., 3:].reshape(-1, 4))).magnitude()
    return [
        (f"{group.name} position", "m", position),
        (f"{group.name} rotation", "rad", turned.reshape(position.shape)),
    ]


def _by_row(quantity: str, unit: str, distance: Array, valid: npt.NDArray[np.bool_]) -> RowErrors:
    weights = valid.astype(np.float64)
    of_chunk = (distance * weights).sum(-1) / np.maximum(weights.sum(-1), 1.0)
    nearest = distance[of_chunk.argmin(0), np.arange(distance.shape[1])]
    mean, p95, best = (np.full(valid.shape[1], np.nan) for _ in range(3))
    for row in np.flatnonzero(valid.any(0)):
        there = valid[:, row]
        mean[row], best[row] = distance[:, there, row].mean(), nearest[there, row].mean()
        p95[row] = np.quantile(distance[:, there, row], 0.95)
    return RowErrors(quantity, unit, mean, p95, best)
