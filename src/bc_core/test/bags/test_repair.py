"""`bcros repair`: every whole message of a damaged bag, in a bag that any tool opens."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rosbags.rosbag2 import Reader

from bc_core.bags import open_episode
from bc_core.contract import RecordedTopic
from bc_core.episode_writer import EpisodeWriter
from bc_core.errors import BcError
from bc_core.repair import repair

from .episode_maker import header, make_episode

KILLS = 4
INDEX_STEP = 1 if "BC_FUZZ_EXAMPLES" in os.environ else 20  # behind the messages every cut leaves the same to repair
FLUSH = 20
WRITER = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from bags.episode_maker import joint_state, open_writer, START_NS, STEP_NS
writer = open_writer(Path(sys.argv[2]), compression="zstd")
for index in range(10**9):
    writer.write_message("joint_states", START_NS + index * STEP_NS, joint_state(index))
    if (index + 1) % {FLUSH} == 0:
        writer.flush(START_NS + index * STEP_NS)
        print(index + 1, flush=True)
"""


def mcap(path: Path) -> Path:
    return next(path.glob("*.mcap"))


def by_reader(path: Path) -> list[bytes]:
    """All messages as an independent reader finds them, by index and metadata."""
    with Reader(path) as reader:
        return [bytes(data) for _, _, data in reader.messages()]


def small_episode(path: Path, samples: int = 8) -> Path:
    """A bag of a few kilobytes: one topic, flushed after every second message."""
    with EpisodeWriter(path, [RecordedTopic("beat", "std_msgs/msg/Header", latched=False)], {}, 0) as writer:
        for index in range(samples):
            writer.write_message("beat", index, header(index))
            if index % 2:
                writer.flush(index)
        writer.close("success", "", samples)
    return path


def test_cut_at_every_byte_the_whole_part_is_read(tmp_path: Path) -> None:
    path = small_episode(tmp_path / "episode")
    content = mcap(path).read_bytes()
    before = 0
    for size in range(8, len(content)):
        mcap(path).write_bytes(content[:size])
        episode = open_episode(path)
        times = [message.received_ns for message in episode.raw_messages()]
        assert times == list(range(len(times)))
        assert before <= len(times)
        assert len(times) + episode.lost_total == 8
        before = len(times)
    assert before == 8


def test_cut_at_every_byte_the_repaired_bag_holds_the_whole_part(tmp_path: Path) -> None:
    path = tmp_path / "episode"
    with EpisodeWriter(path, [RecordedTopic("beat", "std_msgs/msg/Empty", latched=False)], {}, 0) as writer:
        for index in range(4):
            writer.write("beat", index, b"\x00\x01\x00\x00\x00")
            if index % 2:
                writer.flush(index)
        writer.close("success", "", 4)
    whole = {file.name: file.read_bytes() for file in path.iterdir()}
    file, before = mcap(path), 0
    size_of_all = len(whole[file.name])
    messages_end = whole[file.name].index(b"serialized_metadata")
    for size in (*range(8, messages_end + 1), *range(messages_end + 1, size_of_all, INDEX_STEP), size_of_all - 1):
        for name, content in whole.items():
            (path / name).write_bytes(content[:size] if name == file.name else content)
        found = [message.received_ns for message in open_episode(path).raw_messages()]
        assert found == list(range(len(found))) and len(found) >= before
        before = len(found)
        if not found:
            with pytest.raises(BcError, match="no whole message"):
                repair(path)
            continue
        result = repair(path)
        assert (result.messages, result.lost) == (len(found), 4 - len(found))
        episode = open_episode(path)
        assert (episode.truncated, episode.lost_total) == (False, 4 - len(found))
        assert [message.received_ns for message in episode.raw_messages()] == found
    assert before == 4


def test_a_message_that_cannot_be_decoded_is_kept_where_its_chunk_is_intact(tmp_path: Path) -> None:
    """Messages are kept as received, also one with more bytes behind it than the definition knows of."""
    path = tmp_path / "episode"
    longer = b"\x00\x01\x00\x00\x00" + bytes(8)
    with EpisodeWriter(path, [RecordedTopic("beat", "std_msgs/msg/Empty", latched=False)], {}, 0) as writer:
        writer.write("beat", 0, longer)
        writer.flush(0)
        writer.write("beat", 1, longer)
    assert repair(path).messages == 1  # the second was never flushed
    assert by_reader(path) == [longer]


@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_a_repaired_bag_holds_what_was_whole_and_is_whole(tmp_path: Path, part: float) -> None:
    path = make_episode(tmp_path / "episode", 200, compression="none", task="pick")
    content = mcap(path).read_bytes()
    cut = content[: int(part * len(content))]
    mcap(path).write_bytes(cut)
    found = [message.data for message in open_episode(path).raw_messages()]
    assert found
    result = repair(path)
    assert (result.messages, result.lost) == (len(found), 204 - len(found))
    assert by_reader(path) == found
    episode = open_episode(path)
    assert (episode.truncated, episode.lost_total) == (False, 204 - len(found))
    assert (episode.info["state"], episode.info["task"]) == ("repaired", "pick")
    assert "cut off" in episode.info["irregularities"][-1]
    assert path.joinpath("episode.mcap.damaged").read_bytes() == cut
    assert [file.name for file in tmp_path.iterdir()] == ["episode"]
    assert repair(path).damage == ""


def test_without_metadata_a_bag_is_repaired(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", 50)
    (path / "metadata.yaml").unlink()
    assert repair(path).messages == 54
    assert len(by_reader(path)) == 54


def test_a_broken_chunk_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    path = make_episode(tmp_path / "episode", 200, compression="zstd")
    content = bytearray(mcap(path).read_bytes())
    second = content.index(b"zstd", content.index(b"zstd") + 1)
    content[second + 40 : second + 60] = bytes(20)
    mcap(path).write_bytes(content)
    assert not open_episode(path).truncated  # the index does not know
    with pytest.raises(BcError, match="bcros repair"):
        list(open_episode(path).raw_messages())
    result = repair(path)
    assert 0 < result.messages < 204
    assert (len(by_reader(path)), result.lost) == (result.messages, 204 - result.messages)


def test_without_a_whole_message_there_is_nothing_to_repair(tmp_path: Path) -> None:
    path = small_episode(tmp_path / "episode")
    content = mcap(path).read_bytes()
    mcap(path).write_bytes(content[:60])
    with pytest.raises(BcError, match="no whole message"):
        repair(path)
    assert mcap(path).read_bytes() == content[:60]


def test_killed_at_any_moment_a_recorder_loses_only_what_was_not_flushed(tmp_path: Path) -> None:
    generator = random.Random(5)
    for kill in range(KILLS):
        path = tmp_path / f"episode_{kill}"
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(Path(__file__).parents[1]), str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(generator.randint(1, 12)):
            flushed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        flushed = max([flushed, *map(int, process.stdout.read().split())])
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        result = repair(path)
        messages = [message.msg for message in open_episode(path).messages(["joint_states"])]
        assert [int(message.position[0]) for message in messages] == list(range(len(messages)))
        assert len(messages) == result.messages >= flushed
