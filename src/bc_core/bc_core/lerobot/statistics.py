"""Statistics of features as LeRobot keeps them: per episode, and over the whole data set without approximation.

min, max, mean, std (of the population), count, and the quantiles 1, 10, 50, 90 and 99 %; images by channel, shape
(3, 1, 1), in [0, 1], from their histograms.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
_LEVELS = np.arange(256)

Statistics = dict[str, npt.NDArray[Any]]
Histogram = npt.NDArray[np.int64]


def of_numbers(data: npt.NDArray[Any]) -> Statistics:
    """data: (N, width) or (N,); every statistic has shape (width,), the count (1,)."""
    values = np.asarray(data, dtype=np.float64).reshape(len(data), -1)
    found = {
        "min": values.min(axis=0),
        "max": values.max(axis=0),
        "mean": values.mean(axis=0),
        "std": values.std(axis=0),
        "count": np.array([len(values)]),
    }
    quantiles = np.quantile(values, list(QUANTILES.values()), axis=0)
    return found | dict(zip(QUANTILES, quantiles, strict=True))


def histogram(image: npt.NDArray[np.uint8]) -> Histogram:
    """Pixels of an image (height, width, 3) by channel and level, shape (3, 256)."""
    return np.stack([np.bincount(image[:, :, channel].ravel(), minlength=256) for channel in range(3)])


def of_histogram(counts: Histogram, images: int) -> Statistics:
    """Statistics of the pixels that were counted in so many images."""
    total = counts.sum(axis=1)
    part = counts / total[:, None]
    mean = part @ _LEVELS
    cumulative = np.cumsum(part, axis=1)
    found = {
        "min": np.argmax(counts > 0, axis=1),
        "max": 255 - np.argmax(counts[:, ::-1] > 0, axis=1),
        "mean": mean,
        "std": np.sqrt(np.maximum(part @ _LEVELS**2 - mean**2, 0.0)),
    }
    for name, quantile in QUANTILES.items():
        found[name] = np.argmax(cumulative >= quantile - 1e-12, axis=1)
    scaled = {name: (np.asarray(value, dtype=np.float64) / 255.0).reshape(3, 1, 1) for name, value in found.items()}
    return scaled | {"count": np.array([images])}


def merged(histograms: Iterable[Histogram]) -> Histogram:
    return np.sum(list(histograms), axis=0)


def as_lists(statistics: Statistics) -> dict[str, Any]:
    return {name: value.tolist() for name, value in statistics.items()}
