"""The writer loses nothing that it was given, whatever the disk does."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mcap.reader import make_reader
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.storage_mcap import McapReader

from bc_core.bags import open_episode
from bc_core.contract import RecordedTopic
from bc_core.episode_writer import EpisodeWriter, RecordingError, next_episode, recorded_topics
from bc_core.errors import BcError
from bc_core.message_types import definition

from .episode_maker import CONTRACT, START_NS, make_episode, open_writer, write_joints


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """The system refuses to let any file grow beyond a size: real write errors, without a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(writer: EpisodeWriter) -> None:
    """A flushed beginning of 100 samples, then more than fits."""
    list(write_joints(writer, range(100)))
    burst = bytes(100_000)
    for _ in range(30):
        writer.write("camera/image_raw", START_NS, burst)


def test_a_full_disk_ends_the_episode_and_keeps_it(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "episode")
    with files_no_larger_than(1_000_000), pytest.raises(RecordingError, match="the episode is kept") as error:
        fill(writer)
    assert str(writer.path) in str(error.value)
    assert writer.closed
    with Reader(writer.path) as reader:
        assert reader.message_count == 100
    episode = open_episode(writer.path)
    assert not episode.truncated
    assert (episode.info["state"], episode.info["outcome"]) == ("interrupted", "aborted")
    assert "too large" in episode.info["reason"]
    account = episode.info["topics"]["camera/image_raw"]
    assert account["received"] == account["lost"] == episode.lost_total > 0
    assert len(list(episode.messages())) == 100


def test_without_room_for_the_index_the_messages_stay_readable(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "episode")
    list(write_joints(writer, range(100)))
    size = next(writer.path.glob("*.mcap")).stat().st_size
    with files_no_larger_than(size + 5_000), pytest.raises(RecordingError, match="could not be closed"):
        fill(writer)
    assert writer.closed
    assert len(list(open_episode(writer.path).messages(["joint_states"]))) == 100


def test_without_room_to_begin_nothing_is_left_behind(tmp_path: Path) -> None:
    with files_no_larger_than(10_000), pytest.raises(RecordingError, match="cannot record to"):
        open_writer(tmp_path / "episode")
    assert list(tmp_path.iterdir()) == []


def test_every_chunk_of_the_index_holds_messages(tmp_path: Path) -> None:
    """A reader that orders by time, as `ros2 bag play` does, refuses a file whose first chunk has none."""
    file = next(make_episode(tmp_path / "episode", 100).glob("*.mcap"))
    reader = McapReader(file)
    reader.open()
    assert reader.chunks
    for chunk in reader.chunks:
        assert chunk.message_index_length > 0
        assert START_NS <= chunk.message_start_time <= chunk.message_end_time
    reader.close()


def test_channels_and_metadata_say_the_same_hash_of_each_type(tmp_path: Path) -> None:
    """As rosbag2's do; the file's own stays when metadata.yaml is lost. And it is the one that the messages are of."""
    path = make_episode(tmp_path / "episode", 10)
    with next(path.glob("*.mcap")).open("rb") as stream:
        summary = make_reader(stream).get_summary()
    assert summary is not None
    told = {channel.topic: channel.metadata["topic_type_hash"] for channel in summary.channels.values()}
    with Reader(path) as reader:
        assert told == {connection.topic: connection.digest for connection in reader.connections}
    assert told["/joint_states"] == definition("sensor_msgs/msg/JointState")[1]
    assert all(digest.startswith("RIHS01_") for digest in told.values())


def test_nothing_is_left_over_in_a_closed_episode(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode")
    assert sorted(file.name for file in path.iterdir()) == ["episode.json", "episode.mcap", "metadata.yaml"]


def test_lost_messages_and_irregularities_are_told(tmp_path: Path) -> None:
    with open_writer(tmp_path / "episode") as writer:
        writer.count_lost("joint_states", 3)
        writer.count_lost("joint_states", 2)
        for _ in range(2):
            writer.note("camera silent for 2 s")
        writer.close("failure", "", START_NS)
    episode = open_episode(tmp_path / "episode")
    assert episode.lost["joint_states"] == episode.lost_total == 5
    assert episode.info["irregularities"] == ["camera silent for 2 s"]


def test_a_discarded_episode_is_gone(tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "episode")
    list(write_joints(writer, range(60)))
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_episode_is_never_overwritten(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", 10)
    with pytest.raises(BcError, match="exists already"):
        open_writer(path)
    assert len(list(open_episode(path).messages(["joint_states"]))) == 10


def test_an_unknown_outcome_is_refused(tmp_path: Path) -> None:
    with open_writer(tmp_path / "episode") as writer:
        with pytest.raises(BcError, match="unknown outcome 'splendid'"):
            writer.close("splendid", "", START_NS)
        writer.close("success", "", START_NS)


def test_an_unknown_type_is_refused_before_anything_is_created(tmp_path: Path) -> None:
    topics = [RecordedTopic("strange", "strange_msgs/msg/Thing", latched=False)]
    with pytest.raises(BcError, match="'strange_msgs/msg/Thing' is not installed"):
        EpisodeWriter(tmp_path / "episode", topics, {}, START_NS)
    assert list(tmp_path.iterdir()) == []


def test_episodes_are_numbered_upwards_and_never_reused(tmp_path: Path) -> None:
    assert next_episode(tmp_path / "new") == tmp_path / "new" / "episode_000000"
    for name in ("episode_000003", "episode_000011", "logs", "episode_x"):
        (tmp_path / name).mkdir()
    assert next_episode(tmp_path).name == "episode_000012"


def test_a_bag_holds_every_topic_of_the_contract_once() -> None:
    topics = recorded_topics(CONTRACT)
    names = [topic.topic for topic in topics]
    assert len(set(names)) == len(names)
    assert {observation.topic for observation in CONTRACT.observations.values()} <= set(names)
    assert {topic.topic for topic in CONTRACT.record} <= set(names)
    assert next(topic for topic in topics if topic.topic == "controller/mode").latched
