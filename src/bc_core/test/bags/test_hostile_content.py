"""Whole bags with messages, types or an account that no recorder of ours would write: answered with data or by name."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bc_core.bags import open_episode
from bc_core.commands import read_timeline
from bc_core.contract import RecordedTopic
from bc_core.dataset import read_episode
from bc_core.episode_writer import EpisodeWriter
from bc_core.errors import BcError
from bc_core.inspection import format_text, inspect
from bc_core.message_types import blank_message
from bc_core.repair import repair
from bc_core.replay import recorded_runs
from bc_core.seen import seen_frames
from bc_core.survey.measure import measure

from .episode_maker import CONTRACT, make_episode

START = 20_000
NOW = 1_700_000_000_000_000_000
HUMAN = 3
ROWS = np.zeros((5, 8))
ODD = (None, 5, -1, 1.5, "text", [], [1], [[1]], ["text"], {}, {"a": 1}, True, 10**30)


def recorded(recording: Any, *more: Callable[[Any], None]) -> Path:
    """Ten ticks of joints, driven by a human, and what else is asked for."""
    t = CONTRACT.grid.time
    recording.mode(t(START), HUMAN, 2)
    for tick in range(START, START + 10):
        recording.joints(t(tick), np.zeros(7), 0.08)
    for add in more:
        add(recording)
    return Path(recording.close())


def arm(path: Path) -> Any:
    return read_episode(path, CONTRACT, ("arm",), 1)


def test_one_wrong_stamp_takes_no_memory_and_is_named(recording: Any) -> None:
    """Of a camera that sent its first image before its clock was set, or after a jump."""
    path = recorded(recording, lambda bag: bag.joints(NOW, np.zeros(7), 0.08))
    wanted = r"stamps of 'joint_states' to 'joint_states', lasts from 1000\.000 s to 1700000000\.000 s"
    with pytest.raises(BcError, match=wanted + ".*a clock was set; leave it out"):
        arm(path)
    assert "lasts from 1000.000 s" in measure(path, CONTRACT).error
    with pytest.raises(BcError, match=r"lasts from 1000\.000 s"):
        recorded_runs(str(path), CONTRACT)
    assert inspect(path)["topics"]["joint_states"]["count"] == 11


def test_a_wrong_stamp_of_a_stream_that_is_not_read_is_named_by_the_survey(recording: Any) -> None:
    black = np.zeros((96, 96, 3), dtype=np.uint8)
    stamps = (CONTRACT.grid.time(START), NOW)
    path = recorded(recording, lambda bag: [bag.image(stamp, black) for stamp in stamps])
    assert len(arm(path).has_frame) == 10
    assert "to the last stamp of 'camera/image_raw', lasts from" in measure(path, CONTRACT).error


def drive(**changes: Any) -> Callable[[Any], None]:
    """A chunk, in force, with other values than a controller takes: fields of it, or of its groups."""

    def add(bag: Any) -> None:
        t = CONTRACT.grid.time
        bag.chunk("human", 1, t(START), ROWS, in_force=t(START))
        chunk = blank_message("bc_msgs/msg/ActionChunk", t(START))
        chunk.dt.nanosec, chunk.horizon, chunk.producer_id, chunk.sequence = CONTRACT.grid.dt_ns, 5, 7, 1
        chunk.actions = changes.pop("actions", ROWS).ravel()
        chunk.dt.nanosec = changes.pop("dt", chunk.dt.nanosec)
        for wanted in CONTRACT.groups:
            group = blank_message("bc_msgs/msg/ActionGroup")
            group.name, group.space, group.names = wanted.name, int(wanted.space), list(wanted.names)
            group.offset, group.width = wanted.offset, wanted.width
            for name, value in changes.items():
                setattr(group, name, value)
            chunk.groups.append(group)
        bag._writer.write_message("command/human", t(START), chunk)

    return add


@pytest.mark.parametrize(
    "changes", [{"space": 77}, {"dt": 0}, {"actions": ROWS[:, :6]}, {"actions": ROWS * np.nan}, {"width": 0}]
)
def test_a_chunk_that_no_controller_takes_commands_nothing(recording: Any, changes: dict[str, Any]) -> None:
    path = recorded(recording, drive(**changes))
    episode = arm(path)
    assert (episode.missing_chunks, episode.has_command.any()) == (1, False)
    assert measure(path, CONTRACT).commanded == 0
    with pytest.raises(BcError, match="nothing to replay"):
        recorded_runs(str(path))


def test_the_chunk_that_is_changed_here_commands_as_it_is(recording: Any) -> None:
    assert arm(recorded(recording, drive())).has_command.sum() == 5


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[[str], Path]:
    """A bag without account whose topic of a name holds texts, beside joints where it is another."""

    def make(name: str) -> Path:
        path = tmp_path / "foreign"
        topics = {"joint_states": "sensor_msgs/msg/JointState"} | {name: "std_msgs/msg/String"}
        with EpisodeWriter(path, [RecordedTopic(*topic, latched=False) for topic in topics.items()], {}, 0) as writer:
            joints = blank_message("sensor_msgs/msg/JointState", NOW)
            joints.name, joints.position = list(CONTRACT.observations["arm"].names), np.zeros(7)
            messages = {"joint_states": joints} | {name: blank_message("std_msgs/msg/String")}
            for topic, message in messages.items():
                writer.write_message(topic, NOW, message)
            writer.close("success", "", NOW)
        (path / "episode.json").unlink()
        return path

    return make


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("joint_states", arm),
        ("command/human", arm),
        ("controller/ack", arm),
        ("controller/mode", lambda path: recorded_runs(str(path), CONTRACT)),
        ("policy/manifest", lambda path: list(seen_frames(open_episode(path), CONTRACT))),
    ],
)
def test_a_topic_of_another_type_is_named(
    foreign: Callable[[str], Path], name: str, read: Callable[[Path], Any]
) -> None:
    path = foreign(name)
    found = rf"{path}: '{name}' holds std_msgs/msg/String \(first received at 1700000000\.000 s\), "
    with pytest.raises(
        BcError, match=found + r"\w+_msgs/msg/\w+ is wanted: leave this episode out, or correct the cont"
    ):
        read(path)
    assert measure(path, CONTRACT).error
    assert "std_msgs/msg/String" in format_text(inspect(path))


def test_a_message_without_a_field_is_named() -> None:
    """A bag brings the definitions of its types: ours may have been other ones, or be somebody else's."""
    with pytest.raises(
        BcError, match=r"bag: a message is not as bc_msgs defines it .*'header'.*: read it with the versi"
    ):
        read_timeline([("controller/mode", SimpleNamespace(mode=HUMAN))], CONTRACT.groups, "bag")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_episode(tmp_path_factory.mktemp("whole") / "episode", 20)


def accounts(info: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Accounts with one value of another kind, by the place of that value."""
    made = {key: [info | {key: odd} for odd in ODD] for key in info}
    for key in ("recorded_name", "received", "written", "lost"):
        made[f"topics.{key}"] = [
            info | {"topics": info["topics"] | {"joint_states": info["topics"]["joint_states"] | {key: odd}}}
            for odd in ODD
        ]
    made["pauses[]"] = [info | {"pauses": [[odd, odd]]} for odd in ODD]
    made["contract.record"] = [info | {"contract": {"record": odd}} for odd in (*ODD, [{"latched": True}])]
    return made


def is_refused(path: Path) -> bool:
    """By name; any other exception than a BcError is a defect."""
    try:
        for read in (open_episode, inspect, measure, repair):
            read(path)
    except BcError as error:
        assert str(path) in str(error)
        return True
    return False


def test_an_account_of_any_values_is_answered(whole: Path, tmp_path: Path) -> None:
    """Of a whole bag, and of one that was cut off."""
    content, info = next(whole.glob("*.mcap")).read_bytes(), json.loads((whole / "episode.json").read_text())
    refused: set[str] = set()
    path = tmp_path / "bag"
    for place, changed in accounts(info).items():
        for odd in changed:
            for size in (len(content), len(content) * 4 // 5):
                shutil.rmtree(path, ignore_errors=True)
                path.mkdir()
                (path / "episode.mcap").write_bytes(content[:size])
                (path / "metadata.yaml").write_bytes((whole / "metadata.yaml").read_bytes())
                (path / "episode.json").write_text(json.dumps(odd))
                if is_refused(path):
                    refused.add(place)
                    break
    assert {"topics", "topics.recorded_name", "topics.lost", "pauses[]", "seed", "irregularities"} <= refused


def test_an_account_that_is_nested_without_end_is_named(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "bag"
    shutil.copytree(whole, path)
    (path / "episode.json").write_text("[" * 200_000)
    with pytest.raises(BcError, match=r"episode\.json is not valid JSON"):
        open_episode(path)
