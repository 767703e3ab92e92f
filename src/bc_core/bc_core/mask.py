"""How a prefix guides the chunk that follows it."""

from enum import IntEnum


class Mask(IntEnum):
    """Which rows of the prefix guide the sample; values equal bc_msgs/ChunkRequest."""

    FREE = 0  # none: plain sampling
    HARD = 1  # the frozen rows, with weight 1
    SOFT = 2  # the frozen rows, and those after them with decaying weight (Eq. 5 of arXiv 2506.07339)
