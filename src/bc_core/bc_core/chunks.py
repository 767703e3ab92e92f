"""Action chunks: rows on a grid, and their value between the rows (docs/protocol.md, "Action chunk").

The sampling rules are the same as the controller's (src/bc_controllers); the conformance suite holds both to them.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

Array = npt.NDArray[np.float64]


class Space(IntEnum):
    """What the columns of a group are; values equal bc_msgs/ActionGroup."""

    JOINT_POSITION = 1
    CARTESIAN_POSE = 2
    GRIPPER = 3


@dataclass(frozen=True)
class ActionGroup:
    """A contiguous block of columns: `names` are joints (JOINT_POSITION, GRIPPER); `tip` in `frame_id` a pose."""

    name: str
    space: Space
    names: tuple[str, ...]
    offset: int
    width: int
    tip: str = ""
    frame_id: str = ""

    @property
    def columns(self) -> slice:
        return slice(self.offset, self.offset + self.width)


@dataclass(frozen=True)
class ActionChunk:
    """H rows of D absolute commands (SI); row i is the reference at stamp_ns + i * dt_ns.

    actions: shape (H, D), float64. frozen: leading rows that repeat the chunk in force exactly.
    """

    stamp_ns: int
    dt_ns: int
    groups: tuple[ActionGroup, ...]
    actions: Array
    producer: str = ""
    producer_id: int = 0
    sequence: int = 0
    mode_epoch: int = 0
    frozen: int = 0
    release: bool = False

    @property
    def horizon(self) -> int:
        return int(self.actions.shape[0])

    @property
    def end_ns(self) -> int:
        """Time of the last row: after it the chunk has nothing to say."""
        return self.stamp_ns + (self.horizon - 1) * self.dt_ns

    def row(self, time_ns: int) -> float:
        """Row, with fraction, that belongs to a time; below 0 before the chunk, above horizon - 1 after it."""
        return (time_ns - self.stamp_ns) / self.dt_ns

    def sample(self, time_ns: int) -> Array:
        """The reference at a time, shape (D,): linear between rows, held before the first and after the last.

        Of poses the position is interpolated linearly, the rotation on SO(3) along the shorter arc.
        """
        row = min(max(self.row(time_ns), 0.0), self.horizon - 1.0)
        low = min(int(row), self.horizon - 2) if self.horizon > 1 else 0
        fraction = row - low
        if fraction == 0.0:
            return self.actions[low].copy()
        before, after = self.actions[low], self.actions[low + 1]
        value = before + fraction * (after - before)
        for group in self.groups:
            if group.space == Space.CARTESIAN_POSE:
                quaternion = slice(group.offset + 3, group.offset + 7)
                value[quaternion] = slerp(before[quaternion], after[quaternion], fraction)
        return value


def joint_columns(groups: tuple[ActionGroup, ...]) -> list[int]:
    """Columns of a row that are joint positions."""
    arms = [group for group in groups if group.space == Space.JOINT_POSITION]
    return [column for group in arms for column in range(group.offset, group.offset + group.width)]


def slerp(start: Array, end: Array, fraction: float) -> Array:
    """Interpolate unit quaternions (x y z w) on SO(3) along the shorter arc; both shape (4,)."""
    rotations = Rotation.from_quat(np.stack([start, end]))
    result: Array = Slerp([0.0, 1.0], rotations)(fraction).as_quat()
    return result if float(result @ start) >= 0.0 else -result
