"""A segment's images as a Zarr array of one chunk per frame, so that arrays are joined without encoding again."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.replay_buffer.storage import create_array


@dataclass(frozen=True)
class Frames:
    """level: of the compression (Zstandard), lossless."""

    level: int = 5

    def store(self, path: Path, images: npt.NDArray[np.uint8]) -> dict[str, Any]:
        """One array (T, height, width, 3); returns its shape."""
        shutil.rmtree(path, ignore_errors=True)  # of a conversion that was interrupted
        create_array(path, images.shape, images.dtype, frames_per_chunk=1, level=self.level)[:] = images
        return {"shape": list(images.shape)}


def link_frames(source: Path, target: Path, first: int) -> None:
    """Frames of a stored array as frames `first` and on of another; one that holds only zeros has no file."""
    for file in source.iterdir():
        number, dot, rest = file.name.partition(".")
        if number.isdigit():
            place = target / f"{first + int(number)}{dot}{rest}"
            try:
                os.link(file, place)
            except OSError:  # a file system without links
                shutil.copyfile(file, place)
