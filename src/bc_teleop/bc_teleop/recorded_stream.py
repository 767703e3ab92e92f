"""What the recorder knows of each topic: is it alive, is it complete up to a tick, where were the gaps. No ROS."""

import struct
from dataclasses import dataclass, field

from bc_core.contract import Contract
from bc_core.episode_writer import recorded_topics
from bc_core.grid import NANOSECONDS, to_nanoseconds

HEADER_TYPE = "std_msgs/msg/Header"
_STAMP = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}  # by the CDR encapsulation's second byte
_STAMP_OFFSET = 4  # after the encapsulation: Header begins with its stamp
_ALIVE_PERIODS = 3


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
    newest: bytes = field(default=b"", repr=False)

    @property
    def is_periodic(self) -> bool:
        return self.period_ns > 0

    @property
    def silence_limit_ns(self) -> int:
        """Without a message for longer than this the stream counts as absent."""
        return max(self.max_age_ns, _ALIVE_PERIODS * self.period_ns)

    def receive(self, received_ns: int, data: bytes) -> None:
        """Take note of a message."""
        self.received_ns = received_ns
        if self.latched:
            self.newest = data
        if self.is_periodic:
            stamp_ns = header_stamp(data)
            if self.stamp_ns is not None:
                self.longest_gap_ns = max(self.longest_gap_ns, stamp_ns - self.stamp_ns)
            self.stamp_ns = stamp_ns

    def is_alive(self, now_ns: int) -> bool:
        return self.received_ns is not None and now_ns - self.received_ns <= self.silence_limit_ns

    def is_complete(self, time_ns: int) -> bool:
        """Whether the last sample due at or before a time is here, from a source that samples at its nominal rate."""
        return self.stamp_ns is not None and self.stamp_ns > time_ns - self.period_ns

    def gap(self, now_ns: int) -> str:
        """The longest silence, if it was longer than samples may be old; empty otherwise."""
        open_gap = 0 if self.received_ns is None else now_ns - self.received_ns
        longest = max(self.longest_gap_ns, open_gap)
        if not self.is_periodic or longest <= self.silence_limit_ns:
            return ""
        limit = self.silence_limit_ns / NANOSECONDS
        return f"'{self.name}' was silent for {longest / NANOSECONDS:.2f} s (limit {limit:.2f} s): check its source"


def header_stamp(data: bytes) -> int:
    """Stamp [ns] of a serialized (CDR) message whose first field is a Header. ValueError: too short for one."""
    if len(data) < _STAMP_OFFSET + 8:
        raise ValueError(f"a message of {len(data)} bytes has no header")
    seconds, nanoseconds = _STAMP[data[1] & 1].unpack_from(data, _STAMP_OFFSET)
    return seconds * NANOSECONDS + nanoseconds


def recorded_streams(contract: Contract, optional: frozenset[str]) -> dict[str, RecordedStream]:
    """The topics of a contract's bags. An observation topic is required unless all its streams are in `optional`."""
    streams = {
        topic.topic: RecordedStream(topic.topic, topic.type, topic.latched, required=False)
        for topic in recorded_topics(contract)
    }
    for observation in contract.observations.values():
        stream = streams[observation.topic]
        stream.required |= observation.name not in optional
        stream.period_ns = round(NANOSECONDS / observation.rate)
        stream.max_age_ns = max(stream.max_age_ns, to_nanoseconds(observation.max_age))
    return streams
