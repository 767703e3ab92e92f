"""Episodes are read back as they were written; of damaged ones everything that is whole, with the loss counted."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from bc_core.bags import find_episodes, open_episode
from bc_core.contract import Contract
from bc_core.errors import BcError

from .episode_maker import CONTRACT, START_NS, STEP_NS, joint_state, make_episode, open_writer, write_joints

SAMPLES = 200


def positions(path: Path) -> list[float]:
    return [float(msg.position[0]) for _, _, msg in open_episode(path).messages(["joint_states"])]


def mcap(path: Path) -> Path:
    return next(path.glob("*.mcap"))


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_messages_come_back_as_written(tmp_path: Path, compression: str) -> None:
    episode = open_episode(make_episode(tmp_path / "episode_000000", SAMPLES, compression=compression))
    messages = list(episode.messages())
    assert len(messages) == SAMPLES + 4
    assert [m.received_ns for m in messages] == sorted(m.received_ns for m in messages)
    joints = [m for m in messages if m.topic == "joint_states"]
    assert [m.msg.position[0] for m in joints] == list(range(SAMPLES))
    assert joints[3].msg.header.stamp.nanosec == (START_NS + 3 * STEP_NS) % 1_000_000_000
    np.testing.assert_array_equal(joints[3].msg.position, joint_state(3).position)
    assert (episode.truncated, episode.lost_total, episode.damage) == (False, 0, "")


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_the_mcap_library_reads_the_file_and_its_checksums_hold(tmp_path: Path, compression: str) -> None:
    """The reader behind the `mcap` tool for Python, by index and with every checksum checked."""
    path = mcap(make_episode(tmp_path / "episode", SAMPLES, compression=compression))
    with path.open("rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()], validate_crcs=True)
        summary = reader.get_summary()
        assert summary is not None
        assert summary.statistics is not None
        assert summary.statistics.message_count == SAMPLES + 4
        assert reader.get_header().profile == "ros2"
        found = [(m.log_time, d.position[0]) for _, _, m, d in reader.iter_decoded_messages(["/joint_states"])]
    assert found == [(START_NS + index * STEP_NS, float(index)) for index in range(SAMPLES)]


def test_info_says_what_the_episode_was(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode_000007", task="pick", seed=5, operator="me", metadata={"run": 1})
    info = open_episode(path).info
    wanted = {"episode": "episode_000007", "task": "pick", "seed": 5, "operator": "me", "metadata": {"run": 1}}
    assert wanted.items() <= info.items()
    assert (info["state"], info["outcome"], info["reason"]) == ("complete", "success", "task success")
    assert info["topics"]["joint_states"]["written"] == 200
    embedded = Contract.from_document(info["contract"], "the bag")
    embedded.check_same(CONTRACT, "the bag", "the file", tuple(CONTRACT.observations))


def test_topics_keep_their_contract_names_in_any_namespace(tmp_path: Path) -> None:
    path = make_episode(
        tmp_path / "episode", namespace="/robot2", recorded_names={"controller/ack": "/elsewhere/acknowledged"}
    )
    with Reader(path) as reader:
        recorded = {connection.topic for connection in reader.connections}
    assert {"/robot2/joint_states", "/elsewhere/acknowledged"} <= recorded
    episode = open_episode(path)
    assert episode.topics["controller/ack"].count == 2
    assert len(list(episode.messages(["joint_states"]))) == 200


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_cut_anywhere_the_whole_part_is_read_and_the_rest_counted(tmp_path: Path, compression: str) -> None:
    path = make_episode(tmp_path / "episode", SAMPLES, compression=compression)
    content = mcap(path).read_bytes()
    read_before = -1
    for size in np.linspace(8, len(content) - 1, 25, dtype=int):
        mcap(path).write_bytes(content[:size])
        episode = open_episode(path)
        assert episode.truncated
        assert "cut off" in episode.damage
        read = positions(path)
        assert read == list(range(len(read)))
        whole = sum(1 for _ in episode.messages())
        assert whole + episode.lost_total == SAMPLES + 4
        assert len(read) >= read_before
        read_before = len(read)
    assert read_before == SAMPLES


def test_a_cut_inside_a_chunk_loses_no_message_before_it(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", SAMPLES)
    content = mcap(path).read_bytes()
    first_of_last_flush = content.index(np.float64(SAMPLES - 50).tobytes())
    cut = content.index(np.float64(SAMPLES - 25).tobytes())
    assert first_of_last_flush < cut
    mcap(path).write_bytes(content[:cut])
    assert positions(path) == list(range(SAMPLES - 25))


def test_a_killed_recorder_keeps_everything_up_to_its_last_flush(tmp_path: Path) -> None:
    path = tmp_path / "episode"
    with open_writer(path) as writer:
        flushed = list(write_joints(writer, range(130)))
    assert flushed == [50, 100]
    assert not (path / "metadata.yaml").exists()
    episode = open_episode(path)
    assert positions(path) == list(range(100))
    assert episode.info["state"] == "recording"
    assert "killed" in episode.damage
    assert episode.start_ns == START_NS


def test_zeros_from_a_crashed_file_system_are_no_messages(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", SAMPLES)
    content = bytearray(mcap(path).read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    mcap(path).write_bytes(content)
    episode = open_episode(path)
    read = positions(path)
    assert 0 < len(read) < SAMPLES
    assert read == list(range(len(read)))
    assert episode.lost_total >= SAMPLES - len(read)


def test_the_loss_of_a_foreign_bag_is_counted_against_its_metadata(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", SAMPLES)
    (path / "episode.json").unlink()
    content = mcap(path).read_bytes()
    mcap(path).write_bytes(content[: len(content) // 2])
    episode = open_episode(path)
    assert episode.info == {}
    assert episode.lost["joint_states"] == SAMPLES - len(positions(path)) > 0


def test_without_metadata_the_file_is_read(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", SAMPLES)
    (path / "metadata.yaml").unlink()
    episode = open_episode(path)
    assert positions(path) == list(range(SAMPLES))
    assert episode.lost_total == 0
    assert "metadata" in episode.damage


@pytest.mark.parametrize("plugin", [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_a_foreign_bag_is_read(tmp_path: Path, plugin: StoragePlugin) -> None:
    store = get_typestore(Stores.ROS2_JAZZY)
    string = store.types["std_msgs/msg/String"]
    with Writer(tmp_path / "bag", version=9, storage_plugin=plugin) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        for number in range(10):
            text = string(data=f"message {number}")
            writer.write(connection, number, store.serialize_cdr(text, "std_msgs/msg/String"))
    episode = open_episode(tmp_path / "bag")
    assert episode.info == {}
    assert [m.msg.data for m in episode.messages()] == [f"message {number}" for number in range(10)]
    assert [m.topic for m in episode.messages()] == ["chatter"] * 10


def test_what_is_no_bag_is_refused_by_name(tmp_path: Path) -> None:
    nowhere, text, folder = tmp_path / "nowhere", tmp_path / "notes.txt", tmp_path / "folder"
    text.write_text("no bag")
    folder.mkdir()
    (folder / "fake.mcap").write_text("not an MCAP file at all")
    for path, words in ((nowhere, "no bag at"), (text, "no bag that can be read"), (folder, "is no MCAP file")):
        with pytest.raises(BcError, match=words) as error:
            open_episode(path)
        assert str(path) in str(error.value)


def test_a_message_that_is_no_message_is_named(tmp_path: Path) -> None:
    path = tmp_path / "episode"
    with open_writer(path) as writer:
        writer.write("joint_states", START_NS, b"\x00\x01\x00\x00 broken")
        writer.close("failure", "", START_NS)
    with pytest.raises(BcError, match="message on 'joint_states' received at 5000000000 ns is not a valid"):
        list(open_episode(path).messages())


def test_damaged_info_is_named(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode")
    (path / "episode.json").write_text("{")
    with pytest.raises(BcError, match=r"episode\.json is not valid JSON"):
        open_episode(path)


def test_episodes_are_found_in_order(tmp_path: Path) -> None:
    first = make_episode(tmp_path / "run" / "episode_000000", 10)
    for number in (2, 1):
        shutil.copytree(first, tmp_path / "run" / f"episode_00000{number}")
    (tmp_path / "run" / "logs").mkdir()
    assert [path.name for path in find_episodes(tmp_path)] == [f"episode_00000{number}" for number in range(3)]
    assert find_episodes(first) == [first]
    with pytest.raises(BcError, match="no directory"):
        find_episodes(tmp_path / "nowhere")


def test_info_is_readable_json_at_every_flush(tmp_path: Path) -> None:
    path = tmp_path / "episode"
    with open_writer(path) as writer:
        for on_disk in write_joints(writer, range(200)):
            account = json.loads((path / "episode.json").read_text())
            assert account["topics"]["joint_states"]["written"] == on_disk
