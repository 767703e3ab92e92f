"""What the recorder knows of each topic: is it alive, is it complete up to a tick, where were the gaps. No ROS."""

from dataclasses import dataclass, field

from bc_core.cdr import header_stamp
from bc_core.contract import Contract
from bc_core.episode_writer import recorded_topics
from bc_core.grid import NANOSECONDS, to_nanoseconds
from bc_teleop.stream_rhythm import Rhythm

_ALIVE_PERIODS = 3
_SLOW = 0.8  # of the nominal rate: below it a stream is called slow


@dataclass
class RecordedStream:
    """One topic of a bag.

    period_ns, max_age_ns: nominal rate and maximal age of an observation; 0 for topics that come when they come.
    required: no episode without it. Times are ROS time [ns]; None: nothing was received yet.
    """

    name: str
    type_name: str
    latched: bool
    required: bool
    period_ns: int = 0
    max_age_ns: int = 0
    received_ns: int | None = None
    stamp_ns: int | None = None
    longest_gap_ns: int = 0
    gap_since_ns: int = 0  # begin of the longest gap
    backward_steps: int = 0
    backward_ns: int = 0  # stamp before the first step backwards
    newest: bytes = field(default=b"", repr=False)
    rhythm: Rhythm = field(default_factory=Rhythm, repr=False)

    @property
    def is_periodic(self) -> bool:
        return self.period_ns > 0

    @property
    def silence_limit_ns(self) -> int:
        """Without a message for longer than this the stream counts as absent."""
        return max(self.max_age_ns, _ALIVE_PERIODS * self.period_ns)

    @property
    def nominal_hz(self) -> float:
        """Rate by the contract; 0 for topics that come when they come."""
        return NANOSECONDS / self.period_ns if self.is_periodic else 0.0

    def receive(self, received_ns: int, data: bytes) -> None:
        """Take note of a message."""
        self.received_ns = received_ns
        self.rhythm.add(received_ns, len(data))
        if self.latched:
            self.newest = data
        if self.is_periodic:
            stamp_ns = header_stamp(data)
            if self.stamp_ns is not None:
                if stamp_ns - self.stamp_ns > self.longest_gap_ns:
                    self.longest_gap_ns, self.gap_since_ns = stamp_ns - self.stamp_ns, self.stamp_ns
                if stamp_ns < self.stamp_ns:
                    self.backward_ns = self.backward_ns if self.backward_steps else self.stamp_ns
                    self.backward_steps += 1
            self.stamp_ns = stamp_ns

    def begin(self) -> None:
        """A new episode: what was irregular before is not of it."""
        self.longest_gap_ns = self.backward_steps = 0

    def age(self, now_ns: int) -> float:
        """Since the newest message was received [s]; -1: none came yet."""
        return -1.0 if self.received_ns is None else max(0, now_ns - self.received_ns) / NANOSECONDS

    def warning(self, now_ns: int) -> str:
        """What is wrong with the stream at this moment, and what to do; empty: nothing."""
        if not self.is_periodic or self.received_ns is None or self.stamp_ns is None:
            return ""
        silent_ns, lateness_ns = now_ns - self.received_ns, self.received_ns - self.stamp_ns
        if silent_ns > self.silence_limit_ns:
            return self._is_silent("is", silent_ns)
        if abs(lateness_ns) > self.silence_limit_ns:
            where = "old when they arrive" if lateness_ns > 0 else "in the future"
            return (
                f"samples of '{self.name}' are {abs(lateness_ns) / NANOSECONDS:.2f} s {where} "
                f"(limit {self.silence_limit_ns / NANOSECONDS:.2f} s): check its source and its clock"
            )
        rate = self.rhythm.rate(now_ns)
        if self.rhythm.is_settled(now_ns) and rate < _SLOW * self.nominal_hz:
            return f"'{self.name}' comes at {rate:.1f} Hz, the contract says {self.nominal_hz:g} Hz: check its source"
        return ""

    def is_alive(self, now_ns: int) -> bool:
        return self.received_ns is not None and now_ns - self.received_ns <= self.silence_limit_ns

    def is_complete(self, time_ns: int) -> bool:
        """Whether the last sample due at or before a time is here, from a source that samples at its nominal rate."""
        return self.stamp_ns is not None and self.stamp_ns > time_ns - self.period_ns

    def irregularities(self, now_ns: int) -> list[str]:
        """What whoever uses the episode should know of this stream."""
        found = []
        open_gap = 0 if self.received_ns is None else now_ns - self.received_ns
        longest, since = max((self.longest_gap_ns, self.gap_since_ns), (open_gap, self.received_ns or 0))
        if self.is_periodic and longest > self.silence_limit_ns:
            found.append(f"{self._is_silent('was', longest)}; last seen at {since / NANOSECONDS:.3f} s")
        if self.backward_steps:
            found.append(
                f"stamps of '{self.name}' went backwards {self.backward_steps} times, first at "
                f"{self.backward_ns / NANOSECONDS:.3f} s: its clock was set, or two sources publish it; use one source "
                "and one clock"
            )
        return found

    def _is_silent(self, tense: str, silence_ns: int) -> str:
        limit = self.silence_limit_ns / NANOSECONDS
        return (
            f"'{self.name}' {tense} silent for {silence_ns / NANOSECONDS:.2f} s (limit {limit:.2f} s): check its source"
        )


def recorded_streams(contract: Contract, optional: frozenset[str]) -> dict[str, RecordedStream]:
    """The topics of a contract's bags. An observation topic is required unless all its streams are in `optional`."""
    streams = {
        topic.topic: RecordedStream(topic.topic, topic.type, topic.latched, required=False)
        for topic in recorded_topics(contract)
    }
    for observation in contract.observations.values():
        stream = streams[observation.topic]
        if observation.rule == "hold":  # comes when it comes, and stays true
            continue
        stream.required |= observation.name not in optional
        stream.period_ns = round(NANOSECONDS / observation.rate)
        stream.max_age_ns = max(stream.max_age_ns, to_nanoseconds(observation.max_age))
    return streams
