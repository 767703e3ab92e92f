"""Corners of a tag to a tenth of a pixel: lines through its edges, and where they meet.

As AprilTag 2 refines its quadrilaterals (Wang and Olson, "AprilTag 2: Efficient and robust fiducial detection", IROS
2016). OpenCV's refinements look at the corner alone, where a tag of twenty pixels has too little to see, or leave the
corners on the dark side of the edge, so that the tag looks small and far away.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from bc_core.chunks import Array

_ALONG = np.linspace(0.15, 0.85, 16)  # places on an edge that are looked at; its ends belong to two edges
_STEP = 0.25  # [px] between two samples across an edge
_ROUNDS = 2


def refine(image: npt.NDArray[np.floating], corners: Array, reach: float) -> Array | None:
    """Corners (4, 2) x, y [px] of a dark square on white, clockwise as seen; None: its edges are not to be seen.

    image: (height, width). reach: how far off the edges may lie [px], less than a cell of the tag.
    """
    offsets = np.arange(-reach, reach + 1e-9, _STEP)
    for _ in range(_ROUNDS):
        sides = np.roll(corners, -1, axis=0) - corners
        lengths = np.linalg.norm(sides, axis=1, keepdims=True)
        outward = np.stack([sides[:, 1], -sides[:, 0]], axis=1) / np.maximum(lengths, 1e-9)
        places = corners[:, None] + _ALONG[:, None] * sides[:, None]
        samples = places[:, :, None] + offsets[:, None] * outward[:, None, None]
        values = map_coordinates(image, [samples[..., 1], samples[..., 0]], order=1, mode="nearest")
        weights = np.maximum(np.diff(values, axis=2), 0.0) ** 2  # from dark to white only
        strength = weights.sum(axis=2)
        if (strength.max(axis=1) <= 0.0).any():
            return None
        middle = (offsets[1:] + offsets[:-1]) / 2
        shift = (weights * middle).sum(axis=2) / np.maximum(strength, 1e-12)
        lines = [_line(*pair) for pair in zip(places + shift[..., None] * outward[:, None], strength, strict=True)]
        pairs = [np.array([lines[side - 1], lines[side]]) for side in range(4)]
        if min(abs(np.linalg.det(pair[:, :2])) for pair in pairs) < 0.1:  # nearly parallel: no quadrilateral
            return None
        corners = np.array([np.linalg.solve(pair[:, :2], pair[:, 2]) for pair in pairs])
    return corners


def _line(points: Array, weights: Array) -> tuple[float, float, float]:
    """The line n . p = c through weighted points (N, 2), by total least squares: n (unit) and c."""
    centre = weights @ points / weights.sum()
    away = points - centre
    normal = np.linalg.eigh((away.T * weights) @ away)[1][:, 0]
    return float(normal[0]), float(normal[1]), float(normal @ centre)
