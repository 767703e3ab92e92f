"""Frames: what a policy sees at a tick, chosen from time-stamped samples by the contract's rules.

One function for live and recorded data. Live, the node adds samples as they arrive and asks for the frame of a tick;
offline the converter adds a bag's samples and asks for frame after frame. The stamps of the chosen samples
(FrameManifest) rebuild the very frame from the bag, though the bag may hold samples that came too late for it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bc_core import fields, resampling
from bc_core.contract import Contract, Observation
from bc_core.errors import BcError
from bc_core.fields import BlindObservationError, ObservationError
from bc_core.grid import NANOSECONDS, to_nanoseconds
from bc_core.resampling import NoSampleError, Samples, Value


@dataclass(frozen=True)
class Frame:
    """The observations of one tick.

    values: per stream, shape (n_obs_steps, ...) with the newest last: float64 numbers (n_obs_steps, width) or images
    (n_obs_steps, height, width, channels), uint8, or float32 of depth [m]. stamps: per stream, the stamps [ns] of all
    samples that it is made of, oldest step first; rules that interpolate have two for each step.
    """

    tick: int
    values: Mapping[str, Value]
    stamps: Mapping[str, tuple[int, ...]]


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
        self._samples = {stream: Samples() for stream in self.streams}
        self._keep_ns = None if keep is None else to_nanoseconds(keep) + (n_obs_steps - 1) * self._grid.dt_ns
        self._begin_ns: int | None = None

    def add(self, stream: str, stamp_ns: int, value: Value) -> None:
        """Take one sample (fields.extract gives the value); order of arrival does not matter."""
        samples = self._samples[stream]
        samples.add(stamp_ns, value)
        if self._keep_ns is not None:
            samples.forget(samples.stamps[-1] - self._keep_ns - self._rules[stream].max_age_ns)

    def take(self, stream: str, message: Any) -> None:
        """Add what a recorded message holds; a depth image in which nothing was measured counts as none, as it does
        live. ObservationError: any other that does not fit the contract.
        """
        try:
            value = fields.extract(self._rules[stream], message)
        except BlindObservationError:
            return
        self.add(stream, fields.stamp_ns(message), value)

    def reset(self) -> None:
        """Forget every sample: the clock or the scene has jumped."""
        for stream in self.streams:
            self._samples[stream] = Samples()

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
            period_ns = to_nanoseconds(1.0 / rule.rate) if rule.rule in resampling.ONE_SIDED else 1
            if rule.is_image or rule.rule == "hold":
                continue
            if newest and newest[0] <= now - rule.latency_ns - period_ns:
                return True
        return False

    def rebuild(self, tick: int, stamps: Mapping[str, tuple[int, ...]]) -> Frame:
        """The frame of a tick from the samples with these stamps (`manifest_stamps` of a FrameManifest).

        A manifest with one stamp for a history names the newest sample only, as older recordings have it; the earlier
        ones then follow from the rule. ObservationError where a sample is not there.
        """
        missing = [stream for stream in self.streams if not stamps.get(stream)]
        if missing:
            raise ObservationError(missing[0], f"the manifest of tick {tick} has no stamp for it")
        return self._assemble(tick, stamps)

    def _assemble(self, tick: int, exact: Mapping[str, tuple[int, ...]]) -> Frame:
        values: dict[str, Value] = {}
        stamps: dict[str, tuple[int, ...]] = {}
        ticks = range(tick - self._n_obs_steps + 1, tick + 1)
        for stream in self.streams:
            rule, samples = self._rules[stream], self._samples[stream]
            size = resampling.count(rule.rule)
            named = exact.get(stream, ())
            if len(named) % size or len(named) // size > self._n_obs_steps:
                raise ObservationError(stream, f"the manifest of tick {tick} names {len(named)} samples for it")
            by_rule = [self._choose(stream, rule, t) for t in ticks[: len(ticks) - len(named) // size]]
            found = [self._find(stream, tick, stamp) for stamp in named]
            chosen = by_rule + [tuple(found[at : at + size]) for at in range(0, len(found), size)]
            values[stream] = np.stack(
                [
                    resampling.combine(rule.rule, samples, indices, self._grid.time(t) - rule.latency_ns)
                    for t, indices in zip(ticks, chosen, strict=True)
                ]
            )
            stamps[stream] = tuple(samples.stamps[index] for indices in chosen for index in indices)
        return Frame(tick, values, stamps)

    def _choose(self, stream: str, rule: Observation, tick: int) -> tuple[int, ...]:
        samples, now = self._samples[stream], self._grid.time(tick)
        try:
            indices = resampling.choose(rule.rule, samples, now - rule.latency_ns)
        except NoSampleError as error:
            raise ObservationError(
                stream, f"{rule.topic} has {error} tick {tick}: check that its publisher runs"
            ) from error
        if rule.rule == "hold":
            return indices
        oldest = samples.stamps[indices[0]]
        if self._begin_ns is not None and oldest < self._begin_ns:
            raise ObservationError(
                stream, f"{rule.topic} has no sample between the change of mode and tick {tick}: ask for a later tick"
            )
        age = now - oldest
        if age > rule.max_age_ns:
            raise ObservationError(
                stream,
                f"the newest sample of {rule.topic} is {age / NANOSECONDS:.3f} s old at tick {tick}, the limit is "
                f"{rule.max_age:g} s: check its publisher, or raise max_age in the contract",
            )
        return indices

    def _find(self, stream: str, tick: int, stamp_ns: int) -> int:
        index = self._samples[stream].at(stamp_ns)
        if index is None:
            raise ObservationError(
                stream, f"tick {tick} was made of the sample with stamp {stamp_ns} ns, which is not in the recording"
            )
        return index


def manifest_stamps(streams: Iterable[str], stamps_ns: Iterable[int]) -> dict[str, tuple[int, ...]]:
    """What `rebuild` takes, from a FrameManifest's streams (each as often as it has samples) and their stamps."""
    found: dict[str, tuple[int, ...]] = {}
    for stream, stamp_ns in zip(streams, stamps_ns, strict=True):
        found[stream] = (*found.get(stream, ()), stamp_ns)
    return found
