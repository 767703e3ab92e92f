"""Numbers of an observation out of a message, by the contract.

Messages are duck-typed: the same code reads what rclpy delivers and what the rosbags library deserialises, so that a
live frame and the same frame from a bag are equal to the bit.
"""

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core import depth, images
from bc_core.contract import COMPRESSED_IMAGE_TYPE, Observation
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS


class ObservationError(BcError):
    """An observation that may not be used: missing, too old, or not what the contract says. Names the stream."""

    def __init__(self, stream: str, message: str) -> None:
        super().__init__(f"observation '{stream}': {message}")
        self.stream = stream


class BlindObservationError(ObservationError):
    """A depth image in which nothing was measured. It counts as no sample, live as offline."""


def time_ns(stamp: Any) -> int:
    """A builtin_interfaces/Time in integer nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def stamp_ns(message: Any) -> int:
    """header.stamp of a message in integer nanoseconds."""
    return time_ns(message.header.stamp)


def extract(observation: Observation, message: Any) -> npt.NDArray[Any]:
    """The value of one sample, a copy: float64 of shape (width,), a uint8 image of shape (height, width, channels), or
    a float32 depth image of shape (height, width, 1) [m], 0 where there is no distance.

    ObservationError where the message lacks a field or joint, holds a value that is not finite, or an image of another
    size than the contract's; BlindObservationError for a depth image of zeros alone.
    """
    return _image(observation, message) if observation.is_image else _numbers(observation, message)


def column_names(observation: Observation, width: int) -> list[str]:
    """Names of the columns of a value: by joint where the contract names joints, else by field where each has one."""
    if observation.names:
        several = len(observation.fields) > 1
        names = [
            f"{observation.name}.{joint}" + (f".{field}" if several else "")
            for field in observation.fields
            for joint in observation.names
        ]
    else:
        names = [f"{observation.name}.{field}" for field in observation.fields]
    return names if len(names) == width else [f"{observation.name}.{column}" for column in range(width)]


def _numbers(observation: Observation, message: Any) -> npt.NDArray[np.float64]:
    parts = [_field(observation, message, field) for field in observation.fields]
    value = np.concatenate(parts)
    if not np.isfinite(value).all():
        raise ObservationError(
            observation.name, f"{observation.topic} holds a value that is not finite: {value.tolist()}"
        )
    return value


def _field(observation: Observation, message: Any, field: str) -> npt.NDArray[np.float64]:
    try:
        raw = _getter(field)(message)
    except AttributeError as error:
        raise ObservationError(
            observation.name, f"{observation.type} has no field '{field}': correct `fields` in the contract"
        ) from error
    values = np.atleast_1d(np.asarray(raw, dtype=np.float64))
    if not observation.names:
        return values.copy()
    names: Sequence[str] = getattr(message, "name", None) or getattr(message, "joint_names", None) or ()
    index = {name: i for i, name in enumerate(names)}
    try:
        return values[[index[name] for name in observation.names]]
    except (KeyError, IndexError) as error:
        absent = [name for name in observation.names if index.get(name, len(values)) >= len(values)]
        raise ObservationError(
            observation.name,
            f"{observation.topic} has no {field} of {', '.join(absent)} (it names {', '.join(names) or 'no joint'}): "
            "correct `names` in the contract, or the publisher",
        ) from error


@lru_cache(maxsize=256)
def _getter(field: str) -> "attrgetter[Any]":
    return attrgetter(field)


def _image(observation: Observation, message: Any) -> npt.NDArray[Any]:
    try:
        value = depth.distances(message) if observation.is_depth else _picture(observation, message)
        if value.shape[:2] != observation.shape[:2]:
            raise images.wrong_size(_size(value.shape), _size(observation.shape))
    except depth.BlindError as error:
        raise BlindObservationError(observation.name, f"{observation.topic} {error}") from error
    except images.ImageError as error:
        raise ObservationError(observation.name, f"{observation.topic} {error}") from error
    return value


def _size(shape: Sequence[int]) -> tuple[int, int]:
    """(height, width) of an image's shape."""
    return shape[0], shape[1]


def _picture(observation: Observation, message: Any) -> npt.NDArray[np.uint8]:
    if observation.type == COMPRESSED_IMAGE_TYPE:
        pixels, encoding = images.decompressed(message, _size(observation.shape))
    else:
        pixels, encoding = images.pixels(message), message.encoding
    return images.converted(pixels, encoding, observation.encoding)
