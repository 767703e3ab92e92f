"""Action chunks: rows on a grid, and their value between the rows (docs/protocol.md, "Action chunk").

The sampling rules are the same as the controller's (src/bc_controllers); the conformance suite holds both to them.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

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
        """The reference at a time, shape (D,): continuous in velocity between rows, held outside them.

        The controller's own curve (docs/protocol.md, "Between the rows") but for what it takes over from the chunk
        before, which the rows do not say: at the rows both are the same to the bit.
        """
        row = min(max(self.row(time_ns), 0.0), self.horizon - 1.0)
        low = min(int(row), self.horizon - 2) if self.horizon > 1 else 0
        fraction = row - low
        if fraction == 0.0:
            return self.actions[low].copy()
        value = _hermite(self.actions, low, fraction)
        for group in self.groups:
            if group.space == Space.GRIPPER:
                before, after = self.actions[low, group.columns], self.actions[low + 1, group.columns]
                value[group.columns] = before + fraction * (after - before)
            elif group.space == Space.CARTESIAN_POSE:
                quaternions = slice(group.offset + 3, group.offset + 7)
                value[quaternions] = _rotation_curve(self.actions[:, quaternions], low, fraction)
        return value


def joint_columns(groups: tuple[ActionGroup, ...]) -> list[int]:
    """Columns of a row that are joint positions."""
    arms = [group for group in groups if group.space == Space.JOINT_POSITION]
    return [column for group in arms for column in range(group.offset, group.offset + group.width)]


_STEEPEST = 2.0  # a rate is at most this many times the smaller of the slopes beside it


def _around(steps: Array, row: int) -> tuple[Array, Array]:
    """The steps before and after a row; at both ends of the chunk the only one there is."""
    return steps[max(row - 1, 0)], steps[min(row, len(steps) - 1)]


def _hermite(rows: Array, low: int, fraction: float) -> Array:
    """Cubic Hermite interpolation with limited central differences (Fritsch and Carlson 1980), columns one by one."""
    steps = np.diff(rows, axis=0)

    def rate(row: int) -> Array:
        before, after = _around(steps, row)
        most = _STEEPEST * np.minimum(np.abs(before), np.abs(after))
        limited: Array = np.where(before * after > 0.0, np.clip(0.5 * (before + after), -most, most), 0.0)
        return limited if 0 < row < len(steps) else before

    first, last, step = rate(low), rate(low + 1), steps[low]
    square, cube = 3.0 * step - 2.0 * first - last, first + last - 2.0 * step
    value: Array = rows[low] + fraction * (first + fraction * (square + fraction * cube))
    return value


def _rotation_curve(quaternions: Array, low: int, fraction: float) -> Array:
    """The same on SO(3): a cumulative Bezier curve through quaternions (H, 4), x y z w (Kim, Kim and Shin 1995)."""
    rotations = Rotation.from_quat(quaternions[max(low - 1, 0) : low + 3])
    at = min(low, 1)
    steps = (rotations[:-1].inv() * rotations[1:]).as_rotvec()

    def rate(row: int) -> Array:
        before, after = _around(steps, row)
        mean = 0.5 * (before + after)
        size, most = np.linalg.norm(mean), _STEEPEST * min(np.linalg.norm(before), np.linalg.norm(after))
        return mean * (most / size) if size > most else mean

    first, last = (Rotation.from_rotvec(rate(row) / 3.0) for row in (at, at + 1))
    middle = first.inv() * rotations[at].inv() * rotations[at + 1] * last.inv()
    weights = 1.0 - (1.0 - fraction) ** 3, fraction**2 * (3.0 - 2.0 * fraction), fraction**3
    result = rotations[at]
    for part, weight in zip((first, middle, last), weights, strict=True):
        result = result * Rotation.from_rotvec(part.as_rotvec() * weight)
    value: Array = result.as_quat()
    return value if float(value @ quaternions[low]) >= 0.0 else -value
