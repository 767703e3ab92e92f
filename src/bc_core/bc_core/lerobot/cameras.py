"""A segment's cameras as videos, with the histograms that the data set's statistics are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.lerobot import statistics, video

SUFFIX = ".mp4"
_MOST_SAMPLES, _SAMPLE_POWER = 100, 0.75  # images for statistics: all of a short segment, n ** 0.75 of a long one


@dataclass(frozen=True)
class Videos:
    """fps: frames per second."""

    fps: int
    settings: video.VideoSettings

    def store(self, path: Path, images: npt.NDArray[np.uint8]) -> dict[str, Any]:
        """One video; returns `histogram` (3, 256) of `samples` images."""
        video.encode(path.with_name(path.name + SUFFIX), images, self.fps, self.settings)
        count = len(images)
        samples = count if count <= _MOST_SAMPLES else max(_MOST_SAMPLES, int(count**_SAMPLE_POWER))
        chosen = np.linspace(0, count - 1, samples).round().astype(int)
        histogram = statistics.merged(statistics.histogram(images[index]) for index in chosen)
        return {"samples": samples, "histogram": histogram.tolist()}
