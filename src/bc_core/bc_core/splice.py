"""Joining a sampled chunk to the rows that are already committed."""

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from bc_core.chunks import ActionGroup, Array, Space
from bc_core.mask import Rows


def splice(
    sampled: Array, prefix: Array, frozen: int, execution_horizon: int, groups: tuple[ActionGroup, ...]
) -> Array:
    """The chunk to send, (H, D): frozen rows repeat the prefix to the bit, and what parts them from the sample fades.

    sampled: (H, D), prefix: (P, D) with P >= frozen, both absolute, row 0 of the same tick. The offset at the last
    frozen row is carried into the rows after it and fades linearly (fade_end): the sampled motion is kept and begins
    where the prefix ends. Guidance moves a sample only along what the network takes for actions, so it leaves a
    residual; overwriting the frozen rows alone would make of it a step at row d, which is executed, becomes part of the
    next prefix, and grows.
    """
    spliced = sampled.copy()
    if frozen == 0:
        return spliced
    spliced[:frozen] = prefix[:frozen]
    end, start = prefix[frozen - 1], sampled[frozen - 1]
    rows = np.arange(frozen, len(sampled))[:, None]
    free = int(fade_end(len(sampled), frozen, execution_horizon))
    weights = np.maximum(free - rows, 0) / (free - frozen + 1)
    spliced[frozen:] += weights * (end - start)
    for group in groups:
        if group.space == Space.CARTESIAN_POSE:
            columns = slice(group.offset + 3, group.offset + 7)
            turn = Rotation.from_quat(end[columns]) * Rotation.from_quat(start[columns]).inv()
            fading = Rotation.from_rotvec(weights * turn.as_rotvec())
            spliced[frozen:, columns] = _aligned((fading * Rotation.from_quat(sampled[frozen:, columns])).as_quat())
    return spliced


def fade_end(horizon: int, frozen: Rows, execution_horizon: Rows) -> npt.NDArray[np.int64]:
    """First row that the offset does not reach: s rows after the frozen ones, for these are executed, not beyond row
    H - s, where Eq. 5 (arXiv 2506.07339) sets the new chunk free. Scalar, or (B,) where a number is given by element.

    A longer fade would pass most of the offset on to the next chunk: with small s a chunk would hardly react.
    """
    return np.maximum(np.minimum(horizon - execution_horizon, frozen + execution_horizon), frozen)


def leaves_room(horizon: int, frozen: Rows, execution_horizon: Rows) -> npt.NDArray[np.bool_]:
    """Is there a row after the frozen ones in which the offset fades? Scalar or (B,).

    If so, guidance leaves the last flow step free: what it adds there is never denoised, and the splice takes what
    remains. If not (d = H - s), every step is guided: what remains is a step at row d, and only guidance makes it less.
    """
    return fade_end(horizon, frozen, execution_horizon) > frozen


def _aligned(quaternions: Array) -> Array:
    """Successive quaternions in one hemisphere, (N, 4)."""
    signs = np.where(np.einsum("ij,ij->i", quaternions[1:], quaternions[:-1]) < 0.0, -1.0, 1.0)
    aligned: Array = quaternions * np.concatenate([[1.0], np.cumprod(signs)])[:, None]
    return aligned
