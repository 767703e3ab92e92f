"""How a prefix guides the chunk that follows it."""

import math
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from bc_core.chunks import Array


class Mask(IntEnum):
    """What is done with the rows of the prefix; values equal bc_msgs/ChunkRequest. A policy says which it supports."""

    FREE = 0  # nothing: plain sampling
    HARD = 1  # guidance by the frozen rows, with weight 1
    SOFT = 2  # guidance by the frozen rows, and those after them with decaying weight (Eq. 5 of arXiv 2506.07339)
    LINEAR = 3  # as SOFT, with a weight that falls linearly
    CONDITION = 4  # the frozen rows are an input that the policy was trained with (arXiv 2512.05964)
    COHERENT = 5  # of several plain samples the one that continues the prefix best (BID, arXiv 2408.17355)


GUIDED = frozenset({Mask.HARD, Mask.SOFT, Mask.LINEAR})
"""Masks that need a generative policy whose denoiser is differentiable: a flow, or a diffusion model in its form."""

# Greatest guidance weight unless another is asked for. The paper's 5 holds a soft-masked chunk to the old plan where it
# ought to react to noise; 1 lets go of the frozen rows under long delays (docs/benchmarks/README.md).
BETA = 2.0

Rows = int | npt.NDArray[np.int64]
"""A number of rows: one for all, or (B,), one for each element of a batch."""


def mask_weights(mask: Mask, horizon: int, frozen: Rows, execution_horizon: Rows, prefix_rows: Rows) -> Array:
    """Weight W of every row of the prefix, shape (H,), or (B, H) where a number is given by element.

    SOFT is Eq. 5 with d = frozen and s = execution_horizon; where the prefix is shorter than H - s rows, s grows so
    that no row without a prefix is guided. LINEAR is c_i of Eq. 5 itself. The frozen rows alone count for HARD and
    CONDITION. ValueError where frozen rows have no prefix or exceed H - s: the splice would silently be left unguided.
    """
    if mask in (Mask.FREE, Mask.COHERENT):
        return np.zeros(horizon)
    if np.any(np.less(frozen, 0)) or np.any(np.greater(frozen, np.minimum(prefix_rows, horizon))):
        raise ValueError(
            f"{frozen} frozen rows need as many rows of prefix (has {prefix_rows}) and horizon ({horizon})"
        )
    if mask in (Mask.HARD, Mask.CONDITION):
        return (np.arange(horizon) < np.asarray(frozen)[..., None]).astype(np.float64)
    if np.any(np.greater(np.add(frozen, execution_horizon), horizon)):
        raise ValueError(
            f"{frozen} frozen rows exceed horizon {horizon} - execution horizon {execution_horizon}: lower either"
        )
    executed = np.maximum(execution_horizon, horizon - np.asarray(prefix_rows))
    return soft_weights(horizon, frozen, executed, linear=mask == Mask.LINEAR)


def soft_weights(horizon: int, delay: Rows, execution_horizon: Rows, linear: bool = False) -> Array:
    """Eq. 5: W_i, shape (H,) or (B, H): 1 for i < d, c_i (e^{c_i} - 1) / (e - 1) for d <= i < H - s, 0 after.

    linear: c_i itself in the middle part.
    """
    rows = np.arange(horizon, dtype=np.float64)
    delay = np.asarray(delay)[..., None]
    end = horizon - np.asarray(execution_horizon)[..., None]
    c = (end - rows) / (end - delay + 1)
    decay = c if linear else c * np.expm1(c) / (math.e - 1.0)
    return np.where(rows < delay, 1.0, np.where(rows < end, decay, 0.0))
