"""One recorded episode, open for reading: what it says of itself, and its messages. Opened by bc_core.bags."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.rosbag2 import Reader, ReaderError
from rosbags.typesys.store import Typestore

from bc_core import mcap_salvage
from bc_core.errors import BcError
from bc_core.grid import NANOSECONDS
from bc_core.mcap_index import McapIndex, indexed_messages
from bc_core.mcap_records import Channel
from bc_core.message_types import UNDECODABLE, Definitions, store_for_definitions


class RawMessage(NamedTuple):
    """A message as it came off the wire (CDR bytes); `received_ns` on the recorder's ROS clock."""

    topic: str
    received_ns: int
    type_name: str
    data: bytes


class BagMessage(NamedTuple):
    """A message; `msg` has the fields of the ROS message, numeric sequences as numpy arrays."""

    topic: str
    received_ns: int
    msg: Any


@dataclass(frozen=True)
class Topic:
    """A recorded topic: `name` relative as in the contract, `recorded_name` as in the bag, `count` whole messages."""

    name: str
    recorded_name: str
    type_name: str
    count: int


@dataclass(frozen=True)
class Episode:
    """One bag, open for reading; see open_episode.

    info: contents of episode.json: episode, state ("recording", "complete", "interrupted"), task, seed, outcome
        ("success", "failure", "aborted", "unlabelled"), reason, operator, metadata, contract (the whole contract as a
        dict), started_ns, ended_ns, topics, irregularities. Empty for a bag that the episode recorder did not write.
    lost: messages known to be missing per topic: dropped on the way to the recorder, by it, or cut off the file.
    truncated: the file is cut off or damaged; `damage` says how.
    """

    path: Path
    info: dict[str, Any]
    topics: dict[str, Topic]
    lost: dict[str, int]
    truncated: bool
    damage: str
    start_ns: int
    end_ns: int
    _files: tuple[Path, ...] = field(repr=False)
    _definitions: Definitions = field(repr=False)
    _indices: tuple[McapIndex, ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def seconds(self) -> float:
        return (self.end_ns - self.start_ns) * 1e-9

    @property
    def lost_total(self) -> int:
        return sum(self.lost.values())

    @property
    def pauses(self) -> list[tuple[int, int]]:
        """Begin and end [ns] of the stretches in which observations were left out; one that did not end lasts."""
        return [(begin, self.end_ns if end is None else end) for begin, end in self.info.get("pauses", [])]

    @property
    def definitions(self) -> dict[str, str]:
        """Definition text of every message type, as the bag carries it."""
        return dict(self._definitions)

    @property
    def types(self) -> Typestore:
        """The type store of the bag's own definitions."""
        return store_for_definitions(self._definitions)

    def require_types(self, types: Mapping[str, str]) -> None:
        """BcError: a topic of the bag holds messages of another type than `types` says (name -> type)."""
        for name, wanted in types.items():
            topic = self.topics.get(name)
            if topic is None or not topic.count or topic.type_name == wanted:
                continue
            first = next(self.raw_messages([name]), None)
            since = "" if first is None else f" (first received at {first.received_ns / NANOSECONDS:.3f} s)"
            raise BcError(
                f"{self.path}: '{name}' holds {topic.type_name}{since}, {wanted} is wanted: leave this episode out, or "
                "correct the contract"
            )

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Decoded messages of the topics (None: all), in order of reception. BcError: a message cannot be decoded."""
        return map(self.decoded, self.raw_messages(topics))

    def decoded(self, raw: RawMessage) -> BagMessage:
        """A message of this bag by its own definitions. BcError: it cannot be decoded."""
        try:
            message = self.types.deserialize_cdr(raw.data, raw.type_name)
        except UNDECODABLE as error:
            raise BcError(
                f"{self.path}: the message on '{raw.topic}' received at {raw.received_ns} ns is not a valid "
                f"{raw.type_name} ({error}): leave this episode out"
            ) from error
        return BagMessage(raw.topic, raw.received_ns, message)

    def raw_messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages as recorded, undecoded, in order of reception; topics that the bag lacks yield nothing.

        Of a damaged bag only messages that a chunk's checksum vouches for, or that can be decoded: the others count as
        lost.
        """
        wanted = {t.recorded_name: t for t in self.topics.values() if topics is None or t.name in topics}
        if self._indices:
            source = indexed_messages(self._indices, wanted)
        else:
            source = self._salvaged(wanted) if self._files else self._read_by_rosbags(wanted)
        for recorded_name, received_ns, data in source:
            topic = wanted[recorded_name]
            yield RawMessage(topic.name, received_ns, topic.type_name, data)

    def _read_by_rosbags(self, wanted: dict[str, Topic]) -> Iterator[tuple[str, int, bytes]]:
        """Bags in other storages than MCAP (SQLite, compressed files)."""
        try:
            with Reader(self.path) as reader:
                connections = [c for c in reader.connections if c.topic in wanted]
                if connections:
                    for connection, received_ns, data in reader.messages(connections):
                        yield connection.topic, received_ns, data
        except ReaderError as error:
            raise BcError(f"{self.path} cannot be read to its end ({error}): leave this episode out") from error

    def _salvaged(self, wanted: dict[str, Topic]) -> Iterator[tuple[str, int, bytes]]:
        for file in self._files:
            found = mcap_salvage.Salvage()
            for channel_id, received_ns, data in mcap_salvage.salvage_messages(file, found, is_message):
                topic = found.channels[channel_id].topic
                if topic in wanted:
                    yield topic, received_ns, data


def is_message(channel: Channel, data: bytes) -> bool:
    """Whether data decode as their channel's type: the end of a damaged file may hold whole records of garbage."""
    try:
        store_for_definitions(((channel.type_name, channel.definition),)).deserialize_cdr(data, channel.type_name)
    except (*UNDECODABLE, BcError):
        return False
    return True
