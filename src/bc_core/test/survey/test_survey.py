"""A data set's survey: what is measured of an episode, what stands out, and the page."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.survey.measure import measure
from bc_core.survey.page import render_page
from bc_core.survey.summary import format_totals, survey_bags, totals
from bc_core.workers import Workers

MS = 1_000_000
START = 20_000
HUMAN = 3


@pytest.fixture
def small(document: dict[str, Any]) -> Contract:
    document["observations"] = {name: document["observations"][name] for name in ("arm", "gripper", "camera")}
    document["observations"]["arm"]["rate"] = document["observations"]["gripper"]["rate"] = 100
    document["observations"]["camera"] |= {"shape": [16, 16, 3], "rate": 20}
    return Contract.from_document(document, "test")


@pytest.fixture
def make(small: Contract, tmp_path: Path, recording_at: Callable[..., Any]) -> Callable[..., Path]:
    """A bag of `ticks` ticks; its camera shows one picture for `frozen` ticks, or sends none of `gap`."""

    def make(
        number: int,
        ticks: int = 40,
        frozen: int = 0,
        gap: range = range(0),
        still: bool = False,
        outcome: str = "success",
    ) -> Path:
        t = small.grid.time
        bag = recording_at(tmp_path / "bags" / f"episode_{number:06d}", number, small)
        for time in range(t(START), t(START + ticks - 1) + 1, 10 * MS):
            bag.joints(time, np.full(7, (time - t(START)) / 1e9), 0.08)
        for tick in range(ticks):
            if tick not in gap:
                bag.image(t(START + tick), np.full((16, 16, 3), max(0, tick - frozen) % 80 * 3, dtype=np.uint8))
        bag.mode(t(START), HUMAN, 2)
        rows = np.repeat(0.001 * number + np.linspace(0, 0 if still else 1, ticks)[:, None] ** 2, 8, axis=1)
        bag.chunk("human", 1, t(START), rows, in_force=t(START))
        return bag.close(outcome)

    return make


def test_an_episode_is_measured(make: Callable[..., Path]) -> None:
    found = measure(make(3, frozen=11, gap=range(30, 34)))
    assert (found.error, found.outcome, found.seed, found.ticks) == ("", "success", 3, 40)
    assert (found.commanded, found.human, found.idle) == (40, 40, 0)
    arm, camera = found.streams["joint_states"], found.streams["camera/image_raw"]
    assert (arm.count, arm.rate, arm.longest_gap) == (196, pytest.approx(100.0), pytest.approx(0.01))
    assert (camera.count, camera.rate) == (36, pytest.approx(20.0))
    assert camera.longest_gap == pytest.approx(0.25)
    assert (arm.age, camera.age) == (pytest.approx(0.0), pytest.approx(0.18, abs=0.021))  # at the end of the gap
    assert camera.repeated == 11
    assert camera.frozen == pytest.approx(0.55)
    assert found.columns[0] == "arm.panda_joint1"
    assert found.states.shape == (40, 8)
    assert len(found.thumbnails) == 3
    # the command is quadratic in time: no jerk
    assert found.jerk == pytest.approx(0.0, abs=1e-6)


def test_standing_still_is_idle(make: Callable[..., Path]) -> None:
    assert measure(make(0, still=True)).idle == 40


def test_what_stands_out_is_told_with_the_reason(make: Callable[..., Path], tmp_path: Path) -> None:
    for number in range(8):
        make(number, ticks=40 + number % 3)
    long, frozen, cut = make(8, ticks=200), make(9, frozen=45, ticks=60), make(10)
    dead = make(11, gap=range(20, 40), outcome="failure")
    twin = tmp_path / "bags" / "episode_000012"
    shutil.copytree(tmp_path / "bags" / "episode_000000", twin)
    file = next(cut.glob("*.mcap"))
    content = file.read_bytes()
    file.write_bytes(content[: int(0.8 * len(content))])
    (tmp_path / "bags" / "episode_000013").mkdir()
    (tmp_path / "bags" / "episode_000013" / "x.mcap").write_text("no bag at all")
    survey = survey_bags([tmp_path / "bags"], workers=Workers(1))
    flags = {Path(path).name: "; ".join(reasons) for path, reasons in survey.flags.items()}
    assert set(flags) == {path.name for path in (long, frozen, cut, dead, twin)} | {"episode_000013"}
    assert "length 9.95 s is far from the median" in flags[long.name]
    assert "'camera/image_raw' showed the same picture for 2.2 s" in flags[frozen.name]
    assert "cut off" in flags[cut.name]
    assert "'camera/image_raw' was silent for 1.00 s" in flags[dead.name]
    assert "the same commands as episode_000000" in flags[twin.name]
    assert "is no MCAP file" in flags["episode_000013"]


def test_totals_and_page_hold_it_all(make: Callable[..., Path], tmp_path: Path) -> None:
    for number in range(3):
        make(number, outcome="success" if number else "failure")
    survey = survey_bags([tmp_path / "bags"], workers=Workers(2))
    found = totals(survey)
    assert (found["episodes"], found["outcomes"]) == (3, {"failure": 1, "success": 2})
    assert (found["ticks"], found["frames"], found["human_share"]) == (120, 120, 1.0)
    assert json.loads(json.dumps(found)) == found
    text = format_totals(found)
    words_of_text = (
        "3 episodes (1 failure, 2 success)",
        "0 unreadable",
        "joint_states",
        "100.0 to 100.0 Hz",
        "age at ticks",
    )
    for words in words_of_text:
        assert words in text
    page = render_page(survey)
    assert page.count("data:image/jpeg") == 9
    assert page.count("data:image/svg+xml") == 3
    assert all(f"episode_00000{number}" in page for number in range(3))


def test_a_folder_of_rubbish_is_told_and_survived(tmp_path: Path) -> None:
    (tmp_path / "episode_000000").mkdir()
    (tmp_path / "episode_000000" / "a.mcap").write_bytes(b"\x89MCAP0\r\n" + bytes(100))
    survey = survey_bags([tmp_path], workers=Workers(1))
    assert totals(survey)["unreadable"] == 1
    assert "episode_000000" in render_page(survey)


def test_without_bags_there_is_nothing_to_survey(tmp_path: Path) -> None:
    with pytest.raises(BcError, match="no bag in"):
        survey_bags([tmp_path])
