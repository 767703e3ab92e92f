"""Episodes on disk, read: one rosbag2 directory each (MCAP + metadata.yaml) with episode.json beside it.

    episode = open_episode(Path("out/demo/collect/episode_000012"))
    for topic, received_ns, msg in episode.messages(["joint_states", "controller/ack"]):
        ...

Topics carry the contract's relative names, whatever the recording robot's namespace was. Bags that other tools wrote
are read too (their `info` is empty), and of a bag that was cut off everything that is whole.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from rosbags.interfaces import ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys.store import Typestore

from bc_core import mcap_salvage
from bc_core.errors import BcError
from bc_core.message_types import Definitions, store_for_definitions

INFO_FILE = "episode.json"
METADATA_FILE = "metadata.yaml"


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
    def types(self) -> Typestore:
        """The type store of the bag's own definitions."""
        return store_for_definitions(self._definitions)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Decoded messages of the topics (None: all), in order of reception. BcError: a message cannot be decoded."""
        types = self.types
        for topic, received_ns, type_name, data in self.raw_messages(topics):
            try:
                message = types.deserialize_cdr(data, type_name)
            except (SerdeError, KeyError) as error:
                raise BcError(
                    f"{self.path}: the message on '{topic}' received at {received_ns} ns is not a valid {type_name} "
                    f"({error}): leave this episode out"
                ) from error
            yield BagMessage(topic, received_ns, message)

    def raw_messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages as recorded, undecoded, in order of reception; topics that the bag lacks yield nothing.

        Of a damaged bag only messages that can be decoded: the others count as lost.
        """
        wanted = {t.recorded_name: t for t in self.topics.values() if topics is None or t.name in topics}
        source = self._salvaged(wanted) if self.truncated else self._indexed(wanted)
        for recorded_name, received_ns, data in source:
            topic = wanted[recorded_name]
            yield RawMessage(topic.name, received_ns, topic.type_name, data)

    def _indexed(self, wanted: dict[str, Topic]) -> Iterator[tuple[str, int, bytes]]:
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
            for channel_id, received_ns, data in mcap_salvage.salvage_messages(file, found):
                channel = found.channels.get(channel_id)
                if channel is not None and channel.topic in wanted and _is_message(channel, data):
                    yield channel.topic, received_ns, data


def find_episodes(root: Path) -> list[Path]:
    """Directories of all bags at or below a directory, sorted by path. BcError: there is no such directory."""
    root = Path(root)
    if not root.is_dir():
        raise BcError(f"no directory {root}: name one that holds recorded episodes")
    marks = (INFO_FILE, METADATA_FILE, "*.mcap")
    return sorted({file.parent for mark in marks for file in root.rglob(mark)})


def open_episode(path: Path | str) -> Episode:
    """Open a bag: a rosbag2 directory, or the MCAP file in it.

    Of a bag that was cut off, what is whole is read, and the loss is counted against episode.json or metadata.yaml,
    which say how much had been written. Raises BcError: no such bag, or nothing in it can be read.
    """
    path = Path(path)
    if path.suffix == ".mcap" and (path.parent / METADATA_FILE).exists():
        path = path.parent
    if not path.exists():
        raise BcError(f"no bag at {path}: give the directory of an episode")
    info = read_info(path)
    try:
        return _open_indexed(path, info)
    except (ReaderError, FileNotFoundError, AssertionError, ValueError, TypeError) as error:
        return _open_damaged(path, info, error)


def read_info(path: Path) -> dict[str, Any]:
    """Contents of episode.json in a bag's directory; empty where there is none. BcError: it is no JSON object."""
    file = path / INFO_FILE
    if not file.is_file():
        return {}
    try:
        info = json.loads(file.read_text())
    except ValueError as error:
        raise BcError(f"{file} is not valid JSON ({error}): mend it, or leave this episode out") from error
    if not isinstance(info, dict):
        raise BcError(f"{file} holds no JSON object: mend it, or leave this episode out")
    return info


def _open_indexed(path: Path, info: dict[str, Any]) -> Episode:
    """A bag with metadata and index as they should be."""
    with Reader(path) as reader:
        definitions = tuple(
            (c.msgtype, c.msgdef.data) for c in reader.connections if c.msgdef.format == MessageDefinitionFormat.MSG
        )
        names = _relative_names(info)
        topics = {}
        for connection in reader.connections:
            assert isinstance(connection.ext, ConnectionExtRosbag2)
            name = names.get(connection.topic, connection.topic.lstrip("/"))
            topics[name] = Topic(name, connection.topic, connection.msgtype, connection.msgcount)
        start_ns, end_ns = (reader.start_time, reader.end_time) if reader.message_count else (0, 0)
    files = tuple(sorted(path.glob("*.mcap"))) if path.is_dir() else (path,)
    return Episode(path, info, topics, _losses(info, topics, {}), False, "", start_ns, end_ns, files, definitions)


def _open_damaged(path: Path, info: dict[str, Any], cause: Exception) -> Episode:
    """A bag without (valid) index or metadata: read from its beginning."""
    files = tuple(sorted(path.glob("*.mcap"))) if path.is_dir() else (path,)
    if not files or (path.is_file() and path.suffix != ".mcap"):
        raise BcError(f"{path} is no bag that can be read ({cause}): give a rosbag2 directory or an MCAP file")
    names = _relative_names(info)
    topics: dict[str, Topic] = {}
    definitions: dict[str, str] = {}
    surveys = [mcap_salvage.survey(file, _is_message) for file in files]
    for found in surveys:
        for channel_id, channel in found.channels.items():
            name = names.get(channel.topic, channel.topic.lstrip("/"))
            count = found.counts.get(channel_id, 0) + (topics[name].count if name in topics else 0)
            topics[name] = Topic(name, channel.topic, channel.type_name, count)
            definitions[channel.type_name] = channel.definition
    lost = _losses(info, topics, _counts_in_metadata(path))
    damage = _describe_damage(surveys, info, sum(lost.values()), cause)
    start_ns = min((found.first_ns for found in surveys if found.counts), default=0)
    end_ns = max((found.last_ns + 1 for found in surveys if found.counts), default=0)
    return Episode(path, info, topics, lost, True, damage, start_ns, end_ns, files, tuple(definitions.items()))


def _is_message(channel: mcap_salvage.Channel, data: bytes) -> bool:
    """Whether data decode as their channel's type: the end of a damaged file may hold whole records of garbage."""
    try:
        store_for_definitions(((channel.type_name, channel.definition),)).deserialize_cdr(data, channel.type_name)
    except (SerdeError, KeyError):
        return False
    return True


def _relative_names(info: dict[str, Any]) -> dict[str, str]:
    """Name in the bag -> name in the contract."""
    return {topic["recorded_name"]: name for name, topic in info.get("topics", {}).items()}


def _losses(info: dict[str, Any], topics: dict[str, Topic], expected: dict[str, int]) -> dict[str, int]:
    """Messages missing per topic: those that never reached the file, and those written but no longer there."""
    lost = {}
    for name in topics.keys() | info.get("topics", {}).keys():
        account = info.get("topics", {}).get(name, {})
        present = topics[name].count if name in topics else 0
        recorded_name = topics[name].recorded_name if name in topics else ""
        written = account.get("written", expected.get(recorded_name, present))
        lost[name] = account.get("lost", 0) + max(0, written - present)
    return lost


def _counts_in_metadata(path: Path) -> dict[str, int]:
    """Messages per recorded topic according to metadata.yaml; empty where it is missing or damaged itself."""
    try:
        document = yaml.safe_load((path / METADATA_FILE).read_text())
        entries = document["rosbag2_bagfile_information"]["topics_with_message_count"]
        return {entry["topic_metadata"]["name"]: int(entry["message_count"]) for entry in entries}
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError):
        return {}


def _describe_damage(surveys: list[mcap_salvage.Salvage], info: dict[str, Any], lost: int, cause: Exception) -> str:
    broken = [found for found in surveys if not found.complete]
    if broken:
        text = f"cut off or damaged at byte {broken[0].whole_bytes} of {broken[0].total_bytes}"
    else:
        text = f"metadata is missing or damaged ({cause})"
    text += f"; {lost} messages are known to be lost"
    if info.get("state") == "recording":
        text += "; the recorder was killed: what came after its last account, up to half a second, is not counted"
    return text
