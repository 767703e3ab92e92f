"""Distances out of depth images by REP 118, duck-typed as in bc_core.fields."""

from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.images import ImageError, rows

KINDS: dict[str, type[np.generic]] = {"16UC1": np.uint16, "32FC1": np.float32}
"""Numbers of a depth image, by its encoding: whole millimetres, or metres."""
INVALID = 0.0
"""Stands for a pixel without a distance."""
_MILLIMETRES = np.float32(1000.0)


class BlindError(ImageError):
    """A depth image in which nothing was measured."""


def distances(message: Any) -> npt.NDArray[np.float32]:
    """Of a sensor_msgs/Image, a copy: (height, width, 1) [m], along the optical axis; INVALID where there is none.

    Invalid by REP 118 are 0 in millimetres, and in metres what is not finite: NaN, nearer (-inf) or farther (+inf) than
    the sensor measures. So is what is not above zero. ImageError: no depth image, or broken; BlindError: all invalid.
    """
    kind = KINDS.get(message.encoding)
    if kind is None:
        raise ImageError(f"has encoding '{message.encoding}': publish one of {', '.join(KINDS)}")
    raw = rows(message, np.dtype(kind), 1)
    metres: npt.NDArray[np.float32] = raw.astype(np.float32)
    if kind is np.uint16:
        metres /= _MILLIMETRES
    metres[~(np.isfinite(metres) & (metres > 0.0))] = INVALID
    if not metres.any():
        raise BlindError(
            f"sends a depth image without any distance in {metres.size} pixels, which counts as none: look at what "
            "covers the camera, and at its range"
        )
    return metres
