"""A LeRobot data set to bags: the same frames, commands and labels come out again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.bags import open_episode
from bc_core.contract import Contract
from bc_core.conversion.run import Request
from bc_core.dagger.asked import AskedLabels, read_labels
from bc_core.dataset import read_episode
from bc_core.errors import BcError
from bc_core.lerobot.convert import to_lerobot
from bc_core.lerobot.read import from_lerobot
from bc_core.lerobot.video import VideoSettings
from bc_core.workers import Workers

from .conftest import START, picture


@pytest.fixture
def out(bags: list[Path], tmp_path: Path) -> Path:
    to_lerobot(Request([bags[0].parent], workers=Workers(1)), tmp_path / "dataset", VideoSettings("h264", crf=1))
    return tmp_path / "dataset"


def test_bags_hold_what_the_bags_before_held(bags: list[Path], out: Path, small: Contract, tmp_path: Path) -> None:
    assert from_lerobot(out, tmp_path / "again") == {"bags": 4, "bags_that_were_there": 0}
    before = read_episode(bags[1], small, tuple(small.observations), 1)
    path = tmp_path / "again" / "episode_000001"
    after = read_episode(path, small, tuple(small.observations), 1)
    assert after.first_tick == before.first_tick == START
    np.testing.assert_array_equal(after.commands, before.commands.astype(np.float32))
    np.testing.assert_array_equal(after.values["arm"], before.values["arm"].astype(np.float32))
    np.testing.assert_array_equal(after.source, before.source)
    assert after.has_frame.all()
    error = after.values["camera"][5, -1].astype(int) - picture(5)
    assert np.abs(error).mean() < 12  # colours are halved in the video
    assert open_episode(path).info["outcome"] == "success"
    assert open_episode(tmp_path / "again" / "episode_000003").info["outcome"] == "failure"


def test_labels_come_back_with_their_bags(
    labelled: AskedLabels, bags: list[Path], small: Contract, tmp_path: Path
) -> None:
    out = tmp_path / "dataset"
    to_lerobot(Request([bags[0].parent], workers=Workers(1)), out, VideoSettings("h264", crf=30))
    features = json.loads((out / "meta" / "info.json").read_text())["features"]
    assert features["label"]["shape"] == [3 * 8] and features["label_rows"]["shape"] == [1]
    from_lerobot(out, tmp_path / "again")
    found = read_labels(tmp_path / "again" / "episode_000001", small)
    assert found is not None
    np.testing.assert_array_equal(found.ticks, labelled.ticks)
    np.testing.assert_allclose(found.rows, labelled.rows, atol=1e-6)
    np.testing.assert_array_equal(found.valid, labelled.valid)
    assert read_labels(tmp_path / "again" / "episode_000000", small) is None


def test_what_is_there_is_not_written_again(out: Path, tmp_path: Path) -> None:
    from_lerobot(out, tmp_path / "again")
    assert from_lerobot(out, tmp_path / "again") == {"bags": 0, "bags_that_were_there": 4}


def test_without_a_contract_of_its_own_one_must_be_given(out: Path, small: Contract, tmp_path: Path) -> None:
    (out / "meta" / "bc_ros.json").unlink()
    with pytest.raises(BcError, match="carries no contract"):
        from_lerobot(out, tmp_path / "again")
    assert from_lerobot(out, tmp_path / "again", small)["bags"] == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dt": 0.1}, "20 frames per second, contract 'panda_conveyor' 10"),
        (
            {"actions": {"gripper": {"space": "gripper", "names": ["panda_gripper"]}}},
            "actions of shape .8.",
        ),
    ],
)
def test_a_contract_that_does_not_fit_is_refused(
    out: Path, small: Contract, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    other = Contract.from_document(dict(small.document) | changes, "test")
    with pytest.raises(BcError, match=words):
        from_lerobot(out, tmp_path / "again", other)


def test_another_format_is_refused(out: Path, tmp_path: Path) -> None:
    file = out / "meta" / "info.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"codebase_version": "v2.1"}))
    with pytest.raises(BcError, match=r"has format v2\.1, this reads v3\.0"):
        from_lerobot(out, tmp_path / "again")
    with pytest.raises(BcError, match="is no LeRobot data set"):
        from_lerobot(tmp_path, tmp_path / "again")
