"""Bags to a LeRobot data set: what its files hold, what is split, what survives an interruption."""

import json
import shutil
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from bc_core.contract import Contract
from bc_core.conversion import part, run
from bc_core.conversion.run import Request
from bc_core.conversion.segments import Choice
from bc_core.errors import BcError
from bc_core.idle import IdleRule
from bc_core.lerobot import write
from bc_core.lerobot.convert import to_lerobot
from bc_core.lerobot.video import VideoSettings, decode
from bc_core.workers import Workers

from .conftest import START, TICKS

CAMERA = "observation.images.camera"
QUICK = VideoSettings("h264", crf=10)


def made(bags: list[Path], out: Path, **options: Any) -> Path:
    to_lerobot(Request([bags[0].parent], **{"workers": Workers(1), **options}), out, QUICK)
    return out


def table(out: Path) -> dict[str, np.ndarray]:
    columns = pq.read_table(out / "data" / "chunk-000" / "file-000.parquet")
    return {name: np.array(columns[name].to_pylist()) for name in columns.column_names}


def info(out: Path) -> dict[str, Any]:
    return json.loads((out / "meta" / "info.json").read_text())


@pytest.fixture
def out(bags: list[Path], tmp_path: Path) -> Path:
    return made(bags, tmp_path / "dataset")


def test_info_describes_every_column(out: Path) -> None:
    found = info(out)
    assert (found["codebase_version"], found["fps"], found["robot_type"]) == ("v3.0", 20, "panda")
    assert (found["total_episodes"], found["splits"]) == (4, {"train": "0:4"})
    features = found["features"]
    assert features["observation.state"]["shape"] == [8]
    assert features["observation.state"]["names"][0] == "arm.panda_joint1"
    assert features["action"]["names"][-1] == "panda_gripper"
    assert features[CAMERA]["dtype"] == "video"
    assert features[CAMERA]["info"]["video.fps"] == 20
    assert set(table(out)) == {name for name, feature in features.items() if feature["dtype"] != "video"}


def test_a_dead_camera_splits_the_episode_and_nothing_is_made_up(out: Path) -> None:
    (file,) = (out / "meta" / "episodes").rglob("*.parquet")
    rows = pq.read_table(file).to_pylist()
    # the third bag's camera was silent from tick 8 to 15; a sample may be 0.2 s old
    assert [row["length"] for row in rows] == [TICKS, TICKS, 12, 8]
    assert [row["first_tick"] - START for row in rows] == [0, 0, 0, 16]
    assert [row["outcome"] for row in rows] == ["success", "success", "failure", "failure"]
    assert [row["dataset_from_index"] for row in rows] == [0, 24, 48, 60]
    assert rows[-1]["dataset_to_index"] == info(out)["total_frames"] == 68
    assert rows[1][f"videos/{CAMERA}/from_timestamp"] == pytest.approx(TICKS / 20)
    assert all(row["tasks"] == ["unspecified"] for row in rows)


def test_rows_pair_frames_with_commands_in_force_and_say_who_acted(out: Path) -> None:
    columns = table(out)
    np.testing.assert_array_equal(columns["index"], np.arange(68))
    np.testing.assert_allclose(columns["action"][:TICKS, 0], np.arange(TICKS) / 100, atol=1e-6)
    np.testing.assert_allclose(columns["observation.state"][:TICKS, 0], np.arange(TICKS) * 0.05, atol=1e-6)
    second = columns["episode_index"] == 1
    np.testing.assert_allclose(columns["action"][second, 0][9:12], [0.09, 5.0, 5.01], atol=1e-6)
    assert columns["intervention"][second].tolist() == [False] * 10 + [True] * 14
    assert columns["outcome"].tolist() == [1] * 48 + [2] * 20
    assert np.flatnonzero(columns["next.done"]).tolist() == [23, 47, 59, 67]
    np.testing.assert_array_equal(columns["timestamp"][:3], np.float32([0, 0.05, 0.1]))


def test_the_video_has_frame_k_at_k_over_fps(out: Path) -> None:
    path = out / "videos" / CAMERA / "chunk-000" / "file-000.mp4"
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        times = [frame.pts * stream.time_base for frame in source.decode(stream)]
    assert [float(time) for time in times] == pytest.approx([k / 20 for k in range(68)], abs=1e-9)
    bars = [int(image.astype(int).sum(axis=(0, 2)).argmax()) for image in decode(path)]
    assert bars[:TICKS] == [tick % 16 for tick in range(TICKS)]
    assert bars[60:] == list(range(8))
    assert [int(image.astype(int).sum(axis=(0, 2)).argmax()) for image in decode(path, 25, 3)] == [1, 2, 3]


def test_statistics_are_those_of_the_columns(out: Path) -> None:
    columns, stats = table(out), json.loads((out / "meta" / "stats.json").read_text())
    action = columns["action"].astype(np.float64)
    np.testing.assert_allclose(stats["action"]["mean"], action.mean(axis=0))
    np.testing.assert_allclose(stats["action"]["std"], action.std(axis=0))
    np.testing.assert_allclose(stats["action"]["q10"], np.quantile(action, 0.1, axis=0))
    assert stats["action"]["count"] == [68]
    pixels = np.array(stats[CAMERA]["mean"])
    assert pixels.shape == (3, 1, 1)
    np.testing.assert_allclose(pixels, (60 * 15 + 250) / 16 / 255)
    assert np.array(stats[CAMERA]["max"]).ravel().tolist() == [250 / 255] * 3


def test_the_choice_is_kept_with_the_data(bags: list[Path], tmp_path: Path) -> None:
    choice = Choice(outcomes=("success",), sources=("human",))
    out = made(bags, tmp_path / "dataset", choice=choice, streams=("arm",))
    told = json.loads((out / "meta" / "bc_ros.json").read_text())
    assert told["choice"] == {"outcomes": ["success"], "sources": ["human"], "idle": None}
    assert [len(bag["segments"]) for bag in told["bags"]] == [1, 1, 0]
    columns = table(out)
    assert columns["intervention"].all()
    assert len(columns["index"]) == TICKS + 14
    assert columns["observation.state"].shape[1] == 7
    assert not (out / "videos").exists()
    assert info(out)["video_path"] is None


def test_idle_frames_weigh_what_was_chosen_and_the_choice_is_kept(still: Path, tmp_path: Path) -> None:
    rule = IdleRule(seconds=0.5, weight=0.25)
    out = made([still], tmp_path / "dataset", choice=Choice(idle=rule))
    told = json.loads((out / "meta" / "bc_ros.json").read_text())
    assert IdleRule(**told["choice"]["idle"]) == rule
    assert table(out)["weight"].tolist() == [1.0] * 6 + [0.25] * 12 + [1.0] * 6
    cut = made([still], tmp_path / "cut", choice=Choice(idle=IdleRule(seconds=0.5)))
    assert [row["length"] for row in pq.read_table(cut / "meta/episodes/chunk-000/file-000.parquet").to_pylist()] == [
        6,
        6,
    ]
    assert table(cut)["weight"].tolist() == [1.0] * 12


def test_an_interrupted_conversion_goes_on_where_it_was(
    bags: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converted: list[str] = []

    def stop_at_third(job: part.Job, folder: Path) -> None:
        if len(converted) == 2:
            raise KeyboardInterrupt
        converted.append(job.bag.name)
        part.convert_bag(job, folder)

    monkeypatch.setattr(run, "convert_bag", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        made(bags, tmp_path / "dataset")
    assert not (tmp_path / "dataset" / "meta").exists()
    seen: list[str] = []

    def note(job: part.Job, folder: Path) -> None:
        seen.append(job.bag.name)
        part.convert_bag(job, folder)

    monkeypatch.setattr(run, "convert_bag", note)
    out = made(bags, tmp_path / "dataset")
    assert (converted, seen) == (["episode_000000", "episode_000001"], ["episode_000002"])
    assert info(out)["total_frames"] == 68
    assert not (out / run.PARTS).exists()


def test_a_part_of_other_settings_is_not_used_again(
    bags: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(write, "assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            made(bags, tmp_path / "dataset")
    out = made(bags, tmp_path / "dataset", streams=("gripper",))
    assert info(out)["features"]["observation.state"]["shape"] == [1]


def test_several_workers_make_the_same_data_set(bags: list[Path], out: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    made(bags, other, workers=Workers(2))
    for name in ("meta/info.json", "meta/stats.json", "data/chunk-000/file-000.parquet"):
        assert (other / name).read_bytes() == (out / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"streams": ("lidar",)}, "has no observation 'lidar'"),
        ({"streams": ("camera",)}, "no stream with numbers"),
        ({"choice": Choice(sources=("planner",))}, "none of 3 bags has a frame"),
    ],
)
def test_what_cannot_be_chosen_is_named(bags: list[Path], tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BcError, match=words):
        made(bags, tmp_path / "dataset", **options)


def test_a_data_set_is_never_overwritten(bags: list[Path], out: Path) -> None:
    with pytest.raises(BcError, match="holds a data set already"):
        made(bags, out)


def test_a_grid_without_whole_frames_per_second_is_refused(
    bags: list[Path], tmp_path: Path, document: dict[str, Any]
) -> None:
    document["dt"] = 0.03
    with pytest.raises(BcError, match="whole number of frames per second"):
        made(bags, tmp_path / "dataset", contract=Contract.from_document(document, "test"))


def test_a_folder_without_bags_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BcError, match="no bag in"):
        to_lerobot(Request([tmp_path / "empty"]), tmp_path / "dataset")
    shutil.rmtree(tmp_path / "empty")
    with pytest.raises(BcError, match="no directory"):
        to_lerobot(Request([tmp_path / "empty"]), tmp_path / "dataset")
