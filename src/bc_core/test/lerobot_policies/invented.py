"""Tensors that depend on their name and shape alone: weights that no file must hold. NumPy only, for LeRobot's
environment reads this too."""

import zlib

import numpy as np
import numpy.typing as npt


def noise(name: str, count: int) -> npt.NDArray[np.float64]:
    """`count` numbers in [-1, 1): splitmix64 (Steele et al., OOPSLA 2014) from the name's checksum on."""
    with np.errstate(over="ignore"):
        state = np.uint64(zlib.crc32(name.encode())) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
            0x9E3779B97F4A7C15
        )
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / 2.0**52 - 1.0


def weight(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """A parameter or statistic of sensible size: layers pass on about what they get."""
    values = noise(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("num_batches_tracked"):
        return np.ones(shape, np.float32)
    if name.endswith("running_var"):
        values = 1.0 + 0.5 * values
    elif len(shape) > 1:
        values = values * np.sqrt(3.0 / np.prod(shape[1:]))
    elif name.endswith("weight"):
        values = 1.0 + 0.2 * values
    else:
        values = 0.2 * values
    return values.astype(np.float32)


def image(name: str, height: int, width: int) -> npt.NDArray[np.uint8]:
    """A smooth picture, (height, width, 3)."""
    coarse = noise(name, 27).reshape(3, 3, 3)
    rows, columns = np.linspace(0, 2, height), np.linspace(0, 2, width)
    tent = [np.maximum(0.0, 1.0 - np.abs(side[:, None] - np.arange(3))) for side in (rows, columns)]
    return np.round(127.5 * (1.0 + np.einsum("hi,wj,ijc->hwc", *tent, coarse))).clip(0, 255).astype(np.uint8)
