"""The recorder without ROS: what starts, what is refused, what a bag holds in the end."""

import json
import os
import struct
import tempfile
from pathlib import Path

import pytest
import yaml

from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.episode_writer import RecordingError
from bc_core.errors import BcError
from bc_teleop.episode_request import EpisodeRequest
from bc_teleop.provenance import provenance
from bc_teleop.recording import EpisodeRecording, RecorderSettings

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
    recording.count_lost("joint_states", 99, NOW)  # before the episode: not of it
    path = recording.start(EpisodeRequest(), NOW)
    recording.count_lost("joint_states", 4, NOW)
    assert "4 messages on 'joint_states' were lost" in recording.message
    (warning,) = recording.warnings(NOW)
    assert "4 messages on 'joint_states' are lost by now: relieve the machine" in warning
    assert not any("lost" in text for text in recording.warnings(NOW + 5000 * MS))
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


def test_a_pause_leaves_out_observations_and_nothing_else(recording: EpisodeRecording) -> None:
    path = recording.start(EpisodeRequest(), NOW)
    feed(recording, NOW + 5 * MS)
    recording.pause(NOW + 10 * MS)
    assert recording.is_paused
    assert recording.incomplete(NOW + 1000 * MS) == []  # lock step goes on
    for step in range(20):
        feed(recording, NOW + (20 + step) * MS)
    recording.receive("controller/ack", NOW + 40 * MS, raw(NOW + 40 * MS))
    recording.count_lost("joint_states", 5, NOW + 40 * MS)
    recording.resume(NOW + 60 * MS)
    feed(recording, NOW + 65 * MS)
    assert recording.seconds(NOW + 70 * MS) == pytest.approx(0.02)
    recording.stop("success", "", NOW + 70 * MS)
    episode = open_episode(path)
    assert [m.received_ns for m in episode.raw_messages(["joint_states"])] == [NOW + 5 * MS, NOW + 65 * MS]
    assert episode.topics["controller/ack"].count == 1
    assert episode.info["pauses"] == [[NOW + 10 * MS, NOW + 60 * MS]]
    assert episode.lost_total == 0


def test_an_episode_that_ends_in_a_pause_ends_the_pause(recording: EpisodeRecording) -> None:
    path = recording.start(EpisodeRequest(), NOW)
    recording.pause(NOW + 10 * MS)
    recording.stop("success", "", NOW + 30 * MS)
    assert not recording.is_paused
    assert open_episode(path).info["pauses"] == [[NOW + 10 * MS, NOW + 30 * MS]]


def test_recorded_again_it_is_the_same_episode_from_the_start(recording: EpisodeRecording) -> None:
    first = recording.start(EpisodeRequest("pick", "me", 3), NOW)
    feed(recording, NOW + 5 * MS)
    second = recording.rerecord(NOW + 10 * MS)
    feed(recording, NOW + 15 * MS)
    recording.stop("success", "", NOW + 20 * MS)
    assert first == second
    info = open_episode(second).info
    assert (info["task"], info["operator"], info["seed"], info["started_ns"]) == ("pick", "me", 3, NOW + 10 * MS)
    assert open_episode(second).topics["joint_states"].count == 1


def test_pausing_needs_an_episode(recording: EpisodeRecording) -> None:
    for action in (recording.pause, recording.resume, recording.rerecord):
        with pytest.raises(BcError, match="no episode is"):
            action(NOW)
    recording.start(EpisodeRequest(), NOW)
    with pytest.raises(BcError, match="no episode is paused"):
        recording.resume(NOW)
    recording.pause(NOW)
    with pytest.raises(BcError, match="resume it first"):
        recording.pause(NOW)


def test_an_episode_that_cannot_fit_is_refused_before_it_starts(contract: Contract, tmp_path: Path) -> None:
    recording = EpisodeRecording(contract, RecorderSettings(tmp_path, longest_episode=1e15))
    assert recording.seconds_left(NOW) is None
    feed(recording, NOW)
    with pytest.raises(BcError, match=r"is full after .* lower parameter 'longest_episode'"):
        recording.start(EpisodeRequest(), NOW)
    assert list(tmp_path.iterdir()) == []
    left = recording.seconds_left(NOW)
    assert left is not None
    recording.settings = RecorderSettings(tmp_path, longest_episode=left / 2)
    recording.start(EpisodeRequest(), NOW)


def test_two_recorders_in_one_folder_take_turns(contract: Contract, tmp_path: Path) -> None:
    recorders = [EpisodeRecording(contract, RecorderSettings(tmp_path)) for _ in range(2)]
    for recorder in recorders:
        feed(recorder, NOW)
    names = [recorder.start(EpisodeRequest(), NOW).name for recorder in recorders]
    assert names == ["episode_000000", "episode_000001"]


def test_a_number_taken_away_at_the_last_moment_is_left_alone(
    recording: EpisodeRecording, settings: RecorderSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = iter([settings.directory / f"episode_{number:06d}" for number in range(2)])
    (settings.directory / "episode_000000").mkdir(parents=True)
    monkeypatch.setattr("bc_teleop.recording.next_episode", lambda directory: next(offered))
    assert recording.start(EpisodeRequest(), NOW).name == "episode_000001"
    assert list((settings.directory / "episode_000000").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(contract: Contract, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    recording = EpisodeRecording(contract, RecorderSettings(tmp_path / "file" / "episodes"))
    feed(recording, NOW)
    with pytest.raises(RecordingError, match="Not a directory: make it writable, or choose another directory"):
        recording.start(EpisodeRequest(), NOW)


def test_a_read_only_folder_is_named(contract: Contract) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        recording = EpisodeRecording(contract, RecorderSettings(Path(name)))
        feed(recording, NOW)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)  # root may write everywhere
            with pytest.raises(RecordingError, match="Permission denied: make it writable, or choose another"):
                recording.start(EpisodeRequest(), NOW)
        finally:
            os.seteuid(user)


def test_gains_and_versions_are_stored(contract: Contract, tmp_path: Path) -> None:
    gains = tmp_path / "gains.yaml"
    gains.write_text("stiffness: [600, 400]")
    recording = EpisodeRecording(contract, RecorderSettings(tmp_path / "out", provenance=provenance([str(gains)])))
    feed(recording, NOW)
    path = recording.start(EpisodeRequest(), NOW)
    recording.stop("success", "", NOW)
    stored = open_episode(path).info["provenance"]
    assert stored["documents"] == {str(gains): {"stiffness": [600, 400]}}
    assert {"python", "bc_core", "rosbags"} <= stored["software"].keys()
    metadata = yaml.safe_load((path / "metadata.yaml").read_text())["rosbag2_bagfile_information"]["custom_data"]
    assert json.loads(metadata["provenance"]) == stored
    assert metadata["outcome"] == "success"


@pytest.mark.parametrize(("text", "words"), [(None, "cannot be read"), ("{", "not valid YAML")])
def test_a_document_that_cannot_be_stored_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        (tmp_path / "gains.yaml").write_text(text)
    with pytest.raises(BcError, match=words):
        provenance([str(tmp_path / "gains.yaml")])
