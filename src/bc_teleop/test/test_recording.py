"""The recorder without ROS: what starts, what is refused, what a bag holds in the end."""

import struct
from pathlib import Path

import pytest

from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.episode_writer import RecordingError
from bc_core.errors import BcError
from bc_teleop.recording import EpisodeRecording, EpisodeRequest, RecorderSettings

MS = 1_000_000
OBSERVED = ("joint_states", "controller/state", "object/odometry", "camera/image_raw")
NOW = 1000 * MS


def raw(stamp_ns: int, tail: bytes = b"") -> bytes:
    return b"\x00\x01\x00\x00" + struct.pack("<iI", *divmod(stamp_ns, 1000 * MS)) + tail


def feed(recording: EpisodeRecording, now_ns: int, topics: tuple[str, ...] = OBSERVED) -> None:
    for topic in topics:
        recording.receive(topic, now_ns, raw(now_ns))


@pytest.fixture
def settings(tmp_path: Path) -> RecorderSettings:
    return RecorderSettings(tmp_path / "episodes")


@pytest.fixture
def recording(contract: Contract, settings: RecorderSettings) -> EpisodeRecording:
    recording = EpisodeRecording(contract, settings)
    feed(recording, NOW)
    return recording


def test_an_episode_holds_what_came_between_start_and_stop(recording: EpisodeRecording) -> None:
    path = recording.start(EpisodeRequest("pick", "me", 3, '{"run": 2}'), NOW)
    for step in range(1, 11):
        feed(recording, NOW + step * 5 * MS)
    recording.flush(NOW + 60 * MS)
    assert recording.seconds(NOW + 60 * MS) == pytest.approx(0.06)
    ended = recording.stop("success", "task success", NOW + 60 * MS, last_message=raw(NOW + 60 * MS))
    feed(recording, NOW + 65 * MS)
    assert (ended.path, ended.written, ended.lost) == (path, 41, 0)
    episode = open_episode(path)
    messages = list(episode.raw_messages())
    assert [message.received_ns for message in messages if message.topic == "joint_states"] == [
        NOW + step * 5 * MS for step in range(1, 11)
    ]
    assert messages[0].data == raw(NOW + 5 * MS)
    assert messages[-1].topic == "episode/outcome"
    assert (episode.info["seed"], episode.info["metadata"], episode.info["outcome"]) == (3, {"run": 2}, "success")


def test_without_camera_no_episode_starts(contract: Contract, settings: RecorderSettings) -> None:
    recording = EpisodeRecording(contract, settings)
    feed(recording, NOW, OBSERVED[:3])
    with pytest.raises(BcError, match=r"no data on 'camera/image_raw': start its source"):
        recording.start(EpisodeRequest(), NOW)
    assert not settings.directory.exists()


def test_a_camera_that_died_before_counts_as_absent(recording: EpisodeRecording) -> None:
    later = NOW + 250 * MS
    feed(recording, later, OBSERVED[:3])
    assert [stream.name for stream in recording.absent(later)] == ["camera/image_raw"]


def test_an_optional_camera_may_be_absent(contract: Contract, tmp_path: Path) -> None:
    recording = EpisodeRecording(contract, RecorderSettings(tmp_path, optional=frozenset({"camera"})))
    feed(recording, NOW, OBSERVED[:3])
    recording.start(EpisodeRequest(), NOW)
    assert recording.incomplete(NOW) == []


def test_an_unknown_optional_stream_is_refused(contract: Contract, tmp_path: Path) -> None:
    with pytest.raises(BcError, match="optional stream 'kamera' is not in contract 'panda_conveyor'"):
        EpisodeRecording(contract, RecorderSettings(tmp_path, optional=frozenset({"kamera"})))


def test_a_camera_that_dies_in_an_episode_is_told(recording: EpisodeRecording) -> None:
    path = recording.start(EpisodeRequest(), NOW)
    for step in range(1, 200):
        feed(recording, NOW + step * 5 * MS, OBSERVED[:3])
    recording.flush(NOW + 1000 * MS)
    assert "'camera/image_raw' was silent for 1.00 s" in recording.message
    recording.stop("failure", "", NOW + 1000 * MS)
    (note,) = open_episode(path).info["irregularities"]
    assert "'camera/image_raw' was silent" in note


def test_a_gap_before_the_episode_is_not_of_the_episode(recording: EpisodeRecording) -> None:
    feed(recording, NOW + 9000 * MS)
    path = recording.start(EpisodeRequest(), NOW + 9000 * MS)
    recording.stop("success", "", NOW + 9001 * MS)
    assert open_episode(path).info["irregularities"] == []


def test_the_latched_mode_of_before_begins_the_bag(recording: EpisodeRecording) -> None:
    recording.receive("controller/mode", NOW - 500 * MS, raw(NOW - 500 * MS, b"old"))
    recording.receive("controller/mode", NOW - 400 * MS, raw(NOW - 400 * MS, b"new"))
    path = recording.start(EpisodeRequest(), NOW)
    recording.stop("success", "", NOW + MS)
    (message,) = open_episode(path).raw_messages()
    assert (message.topic, message.received_ns, message.data) == ("controller/mode", NOW, raw(NOW - 400 * MS, b"new"))


def test_ticks_are_complete_when_all_that_was_due_is_written(recording: EpisodeRecording) -> None:
    tick = NOW + 50 * MS
    assert recording.incomplete(tick) == []  # nothing to lose before an episode
    recording.start(EpisodeRequest(), NOW)
    feed(recording, tick, ("joint_states", "object/odometry"))
    assert [stream.name for stream in recording.incomplete(tick)] == ["controller/state"]  # camera: due every 67 ms
    feed(recording, tick, ("controller/state",))
    assert recording.incomplete(tick) == []


def test_losses_are_in_the_account(recording: EpisodeRecording) -> None:
    recording.count_lost("joint_states", 99)  # before the episode: not of it
    path = recording.start(EpisodeRequest(), NOW)
    recording.count_lost("joint_states", 4)
    assert "4 messages on 'joint_states' were lost" in recording.message
    assert recording.stop("success", "", NOW).lost == 4
    assert open_episode(path).lost["joint_states"] == 4


def test_a_disk_that_fills_up_ends_the_episode_in_order(contract: Contract, tmp_path: Path) -> None:
    recording = EpisodeRecording(contract, RecorderSettings(tmp_path))
    feed(recording, NOW)
    path = recording.start(EpisodeRequest(), NOW)
    feed(recording, NOW + 5 * MS)
    recording.settings = RecorderSettings(tmp_path, min_free_bytes=1 << 62)
    with pytest.raises(RecordingError, match="must stay free: free space; the episode is kept"):
        recording.flush(NOW + 6 * MS)
    assert not recording.is_recording
    assert "must stay free" in recording.message
    episode = open_episode(path)
    assert not episode.truncated
    assert (episode.info["outcome"], episode.info["reason"]) == ("aborted", "disk almost full")
    assert len(list(episode.raw_messages())) == 4
    with pytest.raises(BcError, match="are free at"):
        recording.start(EpisodeRequest(), NOW + 6 * MS)


def test_a_discarded_episode_leaves_nothing(recording: EpisodeRecording, settings: RecorderSettings) -> None:
    recording.start(EpisodeRequest(), NOW)
    assert recording.stop("failure", "", NOW, discard=True).path is None
    assert list(settings.directory.iterdir()) == []
    assert recording.start(EpisodeRequest(), NOW).name == "episode_000000"


@pytest.mark.parametrize("metadata", ["{", "[1]", '"text"'])
def test_metadata_must_be_an_object(recording: EpisodeRecording, metadata: str) -> None:
    with pytest.raises(BcError, match="JSON"):
        recording.start(EpisodeRequest(metadata=metadata), NOW)
    assert not recording.is_recording


def test_what_cannot_be_done_now_is_refused(recording: EpisodeRecording) -> None:
    with pytest.raises(BcError, match="no episode is being recorded"):
        recording.stop("success", "", NOW)
    recording.start(EpisodeRequest(), NOW)
    with pytest.raises(BcError, match="'episode_000000' is being recorded"):
        recording.start(EpisodeRequest(), NOW)
    with pytest.raises(BcError, match="unknown outcome 'great'"):
        recording.stop("great", "", NOW)
    assert recording.is_recording
