"""How a prefix guides the chunk that follows it."""

import math
from enum import IntEnum

import numpy as np

from bc_core.chunks import Array


class Mask(IntEnum):
    """Which rows of the prefix guide the sample; values equal bc_msgs/ChunkRequest."""

    FREE = 0  # none: plain sampling
    HARD = 1  # the frozen rows, with weight 1
    SOFT = 2  # the frozen rows, and those after them with decaying weight (Eq. 5 of arXiv 2506.07339)


def mask_weights(mask: Mask, horizon: int, frozen: int, execution_horizon: int, prefix_rows: int) -> Array:
    """Weight W of every row of the prefix, shape (H,).

    SOFT is Eq. 5 with d = frozen and s = execution_horizon; where the prefix is shorter than H - s rows, s grows so
    that no row without a prefix is guided. ValueError where frozen rows have no prefix or exceed H - s: the splice
    would silently be left unguided.
    """
    if mask == Mask.FREE:
        return np.zeros(horizon)
    if not 0 <= frozen <= min(prefix_rows, horizon):
        raise ValueError(
            f"{frozen} frozen rows need as many rows of prefix (has {prefix_rows}) and horizon ({horizon})"
        )
    if mask == Mask.HARD:
        return np.concatenate([np.ones(frozen), np.zeros(horizon - frozen)])
    if frozen > horizon - execution_horizon:
        raise ValueError(
            f"{frozen} frozen rows exceed horizon {horizon} - execution horizon {execution_horizon}: lower either"
        )
    return soft_weights(horizon, frozen, max(execution_horizon, horizon - prefix_rows))


def soft_weights(horizon: int, delay: int, execution_horizon: int) -> Array:
    """Eq. 5: W_i, shape (H,): 1 for i < d, c_i (e^{c_i} - 1) / (e - 1) for d <= i < H - s, 0 after."""
    rows = np.arange(horizon, dtype=np.float64)
    end = horizon - execution_horizon
    c = (end - rows) / (end - delay + 1)
    decay = c * np.expm1(c) / (math.e - 1.0)
    return np.where(rows < delay, 1.0, np.where(rows < end, decay, 0.0))
