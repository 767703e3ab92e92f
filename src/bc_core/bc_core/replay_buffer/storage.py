"""Arrays on disk as Zarr of format 2 keeps them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bc_core.optional import require

_ROWS = 1024  # of numbers in a chunk


def zarr() -> Any:
    """The library. BcError: it is not installed."""
    return require("zarr", "zarr", "Zarr")


def create_array(path: Path, shape: Sequence[int], dtype: Any, *, frames_per_chunk: int = _ROWS, level: int = 5) -> Any:
    """An empty array at a path, in chunks of so many rows, compressed without loss."""
    numcodecs = require("numcodecs", "zarr", "Zarr")
    return zarr().create_array(
        store=str(path),
        shape=tuple(shape),
        dtype=np.dtype(dtype),
        chunks=(frames_per_chunk, *shape[1:]),
        zarr_format=2,
        compressors=numcodecs.Blosc(cname="zstd", clevel=level, shuffle=numcodecs.Blosc.BITSHUFFLE),
        fill_value=0,
    )


def write_array(path: Path, values: Any) -> None:
    """A whole array (N, ...) at a path."""
    array = np.asarray(values)
    create_array(path, array.shape, array.dtype)[:] = array


def write_group(path: Path, attributes: dict[str, Any] | None = None) -> None:
    """A group at a path, over what is there already."""
    zarr().open_group(str(path), mode="a", zarr_format=2).attrs.update(attributes or {})
