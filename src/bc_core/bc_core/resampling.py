"""Which samples of a stream make its value at a time, by the contract's rule.

asof, hold: the newest sample up to the time (hold: however old). nearest: the closer one, of two equally close the
earlier. linear, slerp: between the samples before and after; slerp takes the last four columns as a quaternion
(x y z w) along the shorter arc and the others linearly. Rules that look both ways need a sample after the time, so that
frames made live and offline are the same: the contract demands a latency of a period from them.
"""

from bisect import bisect_left, bisect_right
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

Value = npt.NDArray[Any]

ONE_SIDED = ("asof", "hold")
BETWEEN = ("linear", "slerp")
RULES = (*ONE_SIDED, "nearest", *BETWEEN)


class NoSampleError(LookupError):
    """The samples do not reach to the time; the message says on which side."""


class Samples:
    """Samples of one stream in order of stamp. Of two with one stamp the later is kept: it is a correction."""

    def __init__(self) -> None:
        self.stamps: list[int] = []
        self.values: list[Value] = []

    def add(self, stamp_ns: int, value: Value) -> None:
        place = bisect_left(self.stamps, stamp_ns)
        if place < len(self.stamps) and self.stamps[place] == stamp_ns:
            self.values[place] = value
        else:
            self.stamps.insert(place, stamp_ns)
            self.values.insert(place, value)

    def at(self, stamp_ns: int) -> int | None:
        """Index of the sample with exactly this stamp."""
        place = bisect_left(self.stamps, stamp_ns)
        return place if place < len(self.stamps) and self.stamps[place] == stamp_ns else None

    def forget(self, before_ns: int) -> None:
        """Drop samples older than a time, save the newest of them: it may still be the newest that there is."""
        place = bisect_left(self.stamps, before_ns) - 1
        if place > 0:
            del self.stamps[:place]
            del self.values[:place]


def count(rule: str) -> int:
    """Samples that one value is made of."""
    return 2 if rule in BETWEEN else 1


def choose(rule: str, samples: Samples, time_ns: int) -> tuple[int, ...]:
    """Indices of the samples, oldest first, as many as `count` says. NoSampleError: one is missing."""
    after = bisect_right(samples.stamps, time_ns)
    before = after - 1
    if before < 0:
        raise NoSampleError("no sample at or before")
    if rule in ONE_SIDED:
        return (before,)
    if samples.stamps[before] == time_ns:
        return (before,) * count(rule)
    if after == len(samples.stamps):
        raise NoSampleError("no sample after")
    if rule in BETWEEN:
        return before, after
    return (before if time_ns - samples.stamps[before] <= samples.stamps[after] - time_ns else after,)


def combine(rule: str, samples: Samples, indices: tuple[int, ...], time_ns: int) -> Value:
    """The value at a time out of the chosen samples."""
    first, last = indices[0], indices[-1]
    begin, end = samples.stamps[first], samples.stamps[last]
    if begin == end:
        return samples.values[first]
    part = (time_ns - begin) / (end - begin)
    before, after = samples.values[first], samples.values[last]
    value = before + part * (after - before)
    if rule == "slerp":
        value[-4:] = _slerp(before[-4:], after[-4:], part)
    return np.asarray(value)


def _slerp(before: Value, after: Value, part: float) -> Value:
    """Between two quaternions, in the hemisphere of the first."""
    quaternion: Value = Slerp([0.0, 1.0], Rotation.from_quat([before, after]))(part).as_quat()
    return -quaternion if quaternion @ before < 0 else quaternion
