"""Frames: what a policy sees at a tick, chosen from time-stamped samples by the contract's rules.

One function for live and recorded data. Live, the node adds samples as they arrive and asks for the frame of a tick;
offline the converter adds a bag's samples and asks for frame after frame. The stamps of the chosen samples
(FrameManifest) rebuild the very frame from the bag, though the bag may hold samples that came too late for it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.fields import ObservationError
from bc_core.grid import NANOSECONDS, to_nanoseconds

Value = npt.NDArray[Any]


@dataclass(frozen=True)
class Frame:
    """The observations of one tick.

    values: per stream, shape (n_obs_steps, ...) with the newest last: float64 numbers (n_obs_steps, width) or uint8
    images (n_obs_steps, height, width, channels). stamps: per stream, stamp of the newest sample [ns].
    """

    tick: int
    values: Mapping[str, Value]
    stamps: Mapping[str, int]


class _Samples:
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

    def as_of(self, time_ns: int) -> int | None:
        """Index of the newest sample with stamp <= time_ns."""
        place = bisect_right(self.stamps, time_ns)
        return place - 1 if place else None

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


class FrameAssembler:
    """Chooses the samples of a tick by the contract's rules. Not thread-safe.

    streams: the observations of a frame (None: all of the contract; BcError for one that it lacks).
    n_obs_steps: a frame holds this many ticks of history, the newest last.
    keep: seconds of samples to keep beyond what a frame needs (live); None keeps all (offline).
    """

    def __init__(
        self,
        contract: Contract,
        streams: Iterable[str] | None = None,
        n_obs_steps: int = 1,
        keep: float | None = 1.0,
    ) -> None:
        if n_obs_steps < 1:
            raise ValueError(f"n_obs_steps must be at least 1, got {n_obs_steps}")
        self.streams = tuple(contract.observations if streams is None else streams)
        for stream in self.streams:
            if stream not in contract.observations:
                known = ", ".join(contract.observations)
                raise BcError(f"contract '{contract.name}' has no observation '{stream}': use one of {known}")
        self._grid = contract.grid
        self._rules = {stream: contract.observations[stream] for stream in self.streams}
        self._n_obs_steps = n_obs_steps
        self._samples = {stream: _Samples() for stream in self.streams}
        self._keep_ns = None if keep is None else to_nanoseconds(keep) + (n_obs_steps - 1) * self._grid.dt_ns
        self._begin_ns: int | None = None

    def add(self, stream: str, stamp_ns: int, value: Value) -> None:
        """Take one sample (fields.extract gives the value); order of arrival does not matter."""
        samples = self._samples[stream]
        samples.add(stamp_ns, value)
        if self._keep_ns is not None:
            samples.forget(samples.stamps[-1] - self._keep_ns - self._rules[stream].max_age_ns)

    def reset(self) -> None:
        """Forget every sample: the clock or the scene has jumped."""
        for stream in self.streams:
            self._samples[stream] = _Samples()

    def begin(self, time_ns: int) -> None:
        """From now on no frame holds a sample from before this time: another scene, or driver."""
        self._begin_ns = time_ns

    def frame(self, tick: int) -> Frame:
        """The frame of a tick. ObservationError names stream, age and limit where a sample is missing or too old."""
        return self._assemble(tick, {})

    def awaits(self, tick: int) -> bool:
        """Whether, going by the streams' nominal rates, a sample that belongs to this tick is still under way.

        A frame assembled at once would see the samples before, though recorded data has these: what the policy was
        trained on. Cameras are not waited for: their period is long.
        """
        now = self._grid.time(tick)
        for stream, rule in self._rules.items():
            newest = self._samples[stream].stamps[-1:]
            period_ns = to_nanoseconds(1.0 / rule.rate)
            if not rule.is_image and newest and newest[0] <= now - rule.latency_ns - period_ns:
                return True
        return False

    def rebuild(self, tick: int, stamps: Mapping[str, int]) -> Frame:
        """The frame of a tick from the samples with these stamps (of a FrameManifest).

        With a history the manifest names the newest sample; the earlier ones follow from the rule, which no longer
        depends on arrival one tick later. ObservationError where a sample is not there.
        """
        missing = [stream for stream in self.streams if stream not in stamps]
        if missing:
            raise ObservationError(missing[0], f"the manifest of tick {tick} has no stamp for it")
        return self._assemble(tick, stamps)

    def _assemble(self, tick: int, exact: Mapping[str, int]) -> Frame:
        values: dict[str, Value] = {}
        stamps: dict[str, int] = {}
        for stream in self.streams:
            samples = self._samples[stream]
            ticks = range(tick - self._n_obs_steps + 1, tick)
            chosen = [self._choose(stream, earlier) for earlier in ticks]
            if stream in exact:
                chosen.append(self._find(stream, tick, exact[stream]))
            else:
                chosen.append(self._choose(stream, tick))
            values[stream] = np.stack([samples.values[index] for index in chosen])
            stamps[stream] = samples.stamps[chosen[-1]]
        return Frame(tick, values, stamps)

    def _choose(self, stream: str, tick: int) -> int:
        rule, samples, now = self._rules[stream], self._samples[stream], self._grid.time(tick)
        index = samples.as_of(now - rule.latency_ns)
        if index is None:
            raise ObservationError(
                stream, f"{rule.topic} has no sample at or before tick {tick}: check that its publisher runs"
            )
        if self._begin_ns is not None and samples.stamps[index] < self._begin_ns:
            raise ObservationError(
                stream, f"{rule.topic} has no sample between the change of mode and tick {tick}: ask for a later tick"
            )
        age = now - samples.stamps[index]
        if age > rule.max_age_ns:
            raise ObservationError(
                stream,
                f"the newest sample of {rule.topic} is {age / NANOSECONDS:.3f} s old at tick {tick}, the limit is "
                f"{rule.max_age:g} s: check its publisher, or raise max_age in the contract",
            )
        return index

    def _find(self, stream: str, tick: int, stamp_ns: int) -> int:
        index = self._samples[stream].at(stamp_ns)
        if index is None:
            raise ObservationError(
                stream, f"tick {tick} was made of the sample with stamp {stamp_ns} ns, which is not in the recording"
            )
        return index
