"""Bags to a ReplayBuffer: arrays in the layout that diffusion_policy reads, frames as they were to the bit."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from bc_core.conversion.run import Request
from bc_core.conversion.segments import Choice
from bc_core.dagger.asked import AskedLabels
from bc_core.errors import BcError
from bc_core.idle import IdleRule
from bc_core.replay_buffer import convert
from bc_core.replay_buffer.convert import to_zarr
from bc_core.workers import Workers

from .conftest import START, TICKS, picture

HERE = Workers(1)


@pytest.fixture
def out(bags: list[Path], tmp_path: Path) -> Path:
    counts = to_zarr(Request([bags[0].parent], workers=HERE), tmp_path / "set.zarr")
    assert counts == {"episodes": 4, "frames": 68, "bags": 3, "bags_left_out": 0}
    return tmp_path / "set.zarr"


def arrays(out: Path) -> dict[str, np.ndarray]:
    group = zarr.open_group(str(out), mode="r")
    return {f"{part}/{name}": values[:] for part in ("data", "meta") for name, values in group[part].arrays()}


def test_the_layout_is_the_replay_buffers(out: Path) -> None:
    found = arrays(out)
    assert found["meta/episode_ends"].tolist() == [24, 48, 60, 68]
    assert found["meta/episode_ends"].dtype == np.int64
    assert all(len(values) == 68 for name, values in found.items() if name.startswith("data/"))
    assert {name for name in found if name.startswith("data/")} == {
        f"data/{name}"
        for name in ("arm", "gripper", "camera", "action", "intervention", "outcome", "weight", "timestamp")
    }
    for array in (out / "data").glob("*/.zarray"):  # format 2, as libraries of that project's time read it
        settings = json.loads(array.read_text())
        assert (settings["zarr_format"], settings["compressor"]["id"], settings["order"]) == (2, "blosc", "C")
        assert settings.get("dimension_separator", ".") == "."
    assert sorted(path.name for path in out.iterdir()) == [".zattrs", ".zgroup", "data", "meta"]


def test_frames_commands_and_labels_are_those_of_the_bags(out: Path) -> None:
    found = arrays(out)
    for index in range(TICKS):
        np.testing.assert_array_equal(found["data/camera"][index], picture(index))
    np.testing.assert_array_equal(found["data/camera"][60], picture(16))  # after the dead camera
    np.testing.assert_allclose(found["data/action"][:TICKS, 0], np.arange(TICKS) / 100, atol=1e-6)
    assert found["data/intervention"][24:48].tolist() == [False] * 10 + [True] * 14
    assert found["data/outcome"].tolist() == [1] * 48 + [2] * 20
    assert found["meta/episode_seed"].tolist() == [0, 1, 2, 2]
    assert found["meta/episode_start"].tolist() == [(START + k) * 50_000_000 for k in (0, 0, 0, 16)]
    np.testing.assert_allclose(found["data/timestamp"][48:51], [0.0, 0.05, 0.1])


def test_what_an_expert_answered_lies_beside_the_frame_it_was_asked_at(
    labelled: AskedLabels, bags: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "set.zarr"
    to_zarr(Request([bags[0].parent], workers=HERE), out)
    found = arrays(out)
    assert found["data/label"].shape == (68, 3, 8)
    asked = np.flatnonzero(found["data/label_rows"])
    assert asked.tolist() == [TICKS + 4, TICKS + 20] and found["data/label_rows"][asked].tolist() == [3, 2]
    np.testing.assert_allclose(found["data/label"][asked], labelled.rows, atol=1e-6)
    told = json.loads((out / ".zattrs").read_text())["bc_ros"]["bags"]
    assert [bag.get("labels", {}).get("expert") for bag in told] == [None, "test", None]


def test_idle_frames_weigh_what_was_chosen_and_the_choice_is_kept(still: Path, tmp_path: Path) -> None:
    choice = Choice(idle=IdleRule(seconds=0.5, weight=0.25))
    to_zarr(Request([still], choice=choice, workers=HERE), tmp_path / "set.zarr")
    assert arrays(tmp_path / "set.zarr")["data/weight"].tolist() == [1.0] * 6 + [0.25] * 12 + [1.0] * 6
    told = zarr.open_group(str(tmp_path / "set.zarr"), mode="r").attrs["bc_ros"]
    assert told["choice"]["idle"] == {"speed": 0.005, "seconds": 0.5, "weight": 0.25}
    assert told["state_names"][0] == "arm.panda_joint1"
    assert (told["contract"]["contract"], told["bags"][0]["bag"]) == ("panda_conveyor", str(still))


def test_interrupted_while_writing_it_is_written_anew(
    bags: list[Path], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, again = Request([bags[0].parent], workers=HERE), tmp_path / "again.zarr"
    with monkeypatch.context() as patch:
        patch.setattr(convert, "link_frames", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            to_zarr(request, again)
    assert not (again / ".zgroup").exists()
    to_zarr(request, again)
    for name, values in arrays(out).items():
        np.testing.assert_array_equal(arrays(again)[name], values)


def test_what_is_there_is_not_overwritten(bags: list[Path], out: Path) -> None:
    with pytest.raises(BcError, match="holds a data set already: name another folder"):
        to_zarr(Request([bags[0].parent]), out)


def test_without_the_library_the_remedy_is_named(
    bags: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(BcError, match=r"Zarr needs package 'zarr' .*pip install zarr"):
        to_zarr(Request([bags[0].parent]), tmp_path / "set.zarr")
    assert not (tmp_path / "set.zarr").exists()
