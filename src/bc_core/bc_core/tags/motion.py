"""Velocity of an object from its successive poses."""

from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from bc_core.chunks import Array
from bc_core.grid import NANOSECONDS, to_nanoseconds
from bc_core.tags.config import Pose


@dataclass(frozen=True)
class Motion:
    """A pose with its velocity in the same frame: linear (3,) [m/s], angular (3,) [rad/s]."""

    pose: Pose
    linear: Array
    angular: Array


class MotionFilter:
    """The slope of a line through the poses of the last `window` seconds (least squares).

    It lags by half a window where the object accelerates. A pose with none before it in the window has no velocity.
    """

    def __init__(self, window: float) -> None:
        self._window_ns = to_nanoseconds(window)
        self._poses: deque[tuple[int, Pose]] = deque()

    def add(self, stamp_ns: int, pose: Pose) -> Motion | None:
        """The newest pose with its velocity; None: nothing tells it yet. A stamp of before begins anew."""
        if self._poses and stamp_ns <= self._poses[-1][0]:
            self._poses.clear()
        self._poses.append((stamp_ns, pose))
        while self._poses[0][0] < stamp_ns - self._window_ns:
            self._poses.popleft()
        if len(self._poses) < 2:
            return None
        times = np.array([stamp - stamp_ns for stamp, _ in self._poses]) / NANOSECONDS
        turns = (Rotation.concatenate([known.rotation for _, known in self._poses]) * pose.rotation.inv()).as_rotvec()
        positions = np.stack([known.position for _, known in self._poses])
        slopes = np.polyfit(times, np.concatenate([positions, turns], axis=1), 1)[0]
        return Motion(pose, slopes[:3], slopes[3:])
