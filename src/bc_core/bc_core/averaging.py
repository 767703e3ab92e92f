"""Averaging of successive chunks by the scheduler: what temporal ensembling sends to the controller."""

import numpy as np

from bc_core.chunks import ActionGroup, Array, Space
from bc_core.strategies.ensembling import DECAY, Ensemble


def averaged(before: Ensemble | None, ticks: int, chunk: Array, groups: tuple[ActionGroup, ...]) -> Ensemble:
    """The votes with one more chunk (H, D), absolute, whose row 0 lies `ticks` >= 0 after that of `before`.

    Quaternions are averaged as vectors of one hemisphere: `commands` makes rotations of them again.
    """
    if before is None:
        horizon, width = chunk.shape
        return Ensemble.empty(1, horizon, width).voted(chunk[None], DECAY)
    kept = before.advanced(np.array([ticks]))
    aligned = chunk[None].copy()
    for columns in _quaternions(groups):
        opposite = np.einsum("bhi,bhi->bh", aligned[..., columns], kept.mean[..., columns]) < 0.0
        aligned[..., columns] *= np.where(opposite, -1.0, 1.0)[..., None]
    return kept.voted(aligned, DECAY)


def commands(votes: Ensemble, groups: tuple[ActionGroup, ...]) -> Array:
    """(H, D) of what the votes come to."""
    rows: Array = votes.mean[0].astype(np.float64)
    for columns in _quaternions(groups):
        rows[:, columns] /= np.linalg.norm(rows[:, columns], axis=1, keepdims=True)
    return rows


def _quaternions(groups: tuple[ActionGroup, ...]) -> list[slice]:
    return [slice(g.offset + 3, g.offset + 7) for g in groups if g.space == Space.CARTESIAN_POSE]
