"""Episodes on disk, read: one rosbag2 directory each (MCAP + metadata.yaml) with episode.json beside it.

    episode = open_episode(Path("out/demo/collect/episode_000012"))
    for topic, received_ns, msg in episode.messages(["joint_states", "controller/ack"]):
        ...

Topics carry the contract's relative names, whatever the recording robot's namespace was. Bags that other tools wrote
are read too (their `info` is empty), and of a bag that was cut off everything that is whole.
"""

from pathlib import Path
from typing import Any

import yaml
from rosbags.interfaces import ConnectionExtRosbag2, MessageDefinitionFormat
from rosbags.rosbag2 import Reader, ReaderError

from bc_core import mcap_salvage
from bc_core.account import INFO_FILE, read_info
from bc_core.episode import BagMessage, Episode, RawMessage, Topic, is_message
from bc_core.errors import BcError
from bc_core.mcap_index import McapIndex, read_index
from bc_core.mcap_records import Channel

__all__ = ["BagMessage", "Episode", "RawMessage", "Topic", "find_episodes", "open_episode", "open_verified"]

METADATA_FILE = "metadata.yaml"


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
    path, info, files = _locate(path)
    if files:
        indices = [read_index(file) for file in files]
        if all(indices) and (path.is_file() or (path / METADATA_FILE).is_file()):
            return _from_indices(path, info, tuple(index for index in indices if index is not None))
        return _from_beginning(path, info, files)
    return _open_with_rosbags(path, info)


def open_verified(path: Path | str) -> Episode:
    """As open_episode, and every byte is read: a bag whose index is fine but whose messages are not is damaged."""
    episode = open_episode(path)
    try:
        for _ in episode.raw_messages():
            pass
    except BcError:
        return _from_beginning(episode.path, episode.info, _locate(episode.path)[2])
    return episode


def _locate(path: Path | str) -> tuple[Path, dict[str, Any], tuple[Path, ...]]:
    """The bag that is meant, its episode.json and its MCAP files. BcError: there is nothing."""
    path = Path(path)
    if path.suffix == ".mcap" and (path.parent / METADATA_FILE).exists():
        path = path.parent
    if not path.exists():
        raise BcError(f"no bag at {path}: give the directory of an episode")
    if path.is_file() and path.suffix != ".mcap":
        raise BcError(f"{path} is no bag that can be read: give a rosbag2 directory or an MCAP file")
    files = tuple(sorted(path.glob("*.mcap"))) if path.is_dir() else (path,)
    return path, read_info(path), files


def _from_indices(path: Path, info: dict[str, Any], indices: tuple[McapIndex, ...]) -> Episode:
    """A bag whose MCAP files are as they should be; what metadata.yaml repeats is not parsed: YAML is slow."""
    names = _relative_names(info)
    topics: dict[str, Topic] = {}
    definitions: dict[str, str] = {}
    for index in indices:
        for channel_id, channel in index.channels.items():
            _count_topic(topics, names, channel, index.counts.get(channel_id, 0))
            if channel.encoding == "ros2msg":
                definitions[channel.type_name] = channel.definition
    recorded = [index for index in indices if index.chunks and any(index.counts.values())]
    start_ns = min((index.first_ns for index in recorded), default=0)
    end_ns = max((index.last_ns + 1 for index in recorded), default=0)
    lost = _losses(info, topics, {})
    files = tuple(index.path for index in indices)
    return Episode(path, info, topics, lost, False, "", start_ns, end_ns, files, tuple(definitions.items()), indices)


def _count_topic(topics: dict[str, Topic], names: dict[str, str], channel: Channel, count: int) -> None:
    """Add a channel's messages to its topic: a topic may have several channels, and several files."""
    name = names.get(channel.topic, channel.topic.lstrip("/"))
    before = topics[name].count if name in topics else 0
    topics[name] = Topic(name, channel.topic, channel.type_name, before + count)


def _open_with_rosbags(path: Path, info: dict[str, Any]) -> Episode:
    """A bag of another storage than MCAP (SQLite, compressed files). BcError: it is none, or damaged."""
    try:
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
    except (ReaderError, FileNotFoundError, AssertionError, ValueError, TypeError, LookupError) as error:
        raise BcError(
            f"{path} is no bag that can be read ({error}): give a rosbag2 directory or an MCAP file"
        ) from error
    return Episode(path, info, topics, _losses(info, topics, {}), False, "", start_ns, end_ns, (), definitions)


def _from_beginning(path: Path, info: dict[str, Any], files: tuple[Path, ...]) -> Episode:
    """A bag without index or metadata, as far as it is whole: read from its beginning."""
    names = _relative_names(info)
    topics: dict[str, Topic] = {}
    definitions: dict[str, str] = {}
    surveys = [mcap_salvage.survey(file, is_message) for file in files]
    for found in surveys:
        for channel_id, channel in found.channels.items():
            _count_topic(topics, names, channel, found.counts.get(channel_id, 0))
            definitions[channel.type_name] = channel.definition
    has_metadata = path.is_file() or (path / METADATA_FILE).is_file()
    whole = has_metadata and all(found.complete for found in surveys)
    lost = _losses(info, topics, {} if whole or info.get("topics") else _counts_in_metadata(path))
    damage = "" if whole else _describe_damage(surveys, info, sum(lost.values()))
    start_ns = min((found.first_ns for found in surveys if found.counts), default=0)
    end_ns = max((found.last_ns + 1 for found in surveys if found.counts), default=0)
    return Episode(path, info, topics, lost, not whole, damage, start_ns, end_ns, files, tuple(definitions.items()))


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
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, RecursionError):
        return {}


def _describe_damage(surveys: list[mcap_salvage.Salvage], info: dict[str, Any], lost: int) -> str:
    broken = [found for found in surveys if not found.complete]
    if broken:
        chunks = sum(found.broken_chunks for found in surveys)
        where = f"{chunks} chunks do not open" if chunks else f"at byte {broken[0].whole_bytes}"
        text = f"cut off or damaged ({where} of {broken[0].total_bytes} bytes)"
    else:
        text = f"{METADATA_FILE} is missing"
    text += f"; {lost} messages are known to be lost"
    if info.get("state") == "recording":
        text += "; the recorder was killed: what came after its last account, up to half a second, is not counted"
    return text
