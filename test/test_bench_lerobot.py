"""The comparison with LeRobot: what it says without one, and its arithmetic."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks are run from the checkout, not installed

from benchmarks.lerobot import __main__ as lerobot


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "no Python with LeRobot is named: --lerobot-python PATH"),
        (["--lerobot-python", sys.executable], f"LeRobot is not installed in {sys.executable}"),
        (["--lerobot-python", "/nowhere/python"], "LeRobot is not installed in /nowhere/python"),
    ],
)
def test_without_lerobot_the_comparison_is_skipped_with_the_reason(
    arguments: list[str], reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.lerobot", *arguments])
    assert lerobot.main() == 0
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("skipped: ")
    assert reason.replace(" ", "") in told.replace(" ", "")


def test_the_ratio_of_pairs_is_their_median_with_an_interval() -> None:
    theirs = np.linspace(1.0, 2.0, 41)
    middle, low, high = lerobot.ratio(np.stack([theirs, 0.8 * theirs], axis=1))
    assert middle == low == high == pytest.approx(0.8)
    generator = np.random.default_rng(0)
    ours = theirs * generator.normal(0.8, 0.1, 41)
    middle, low, high = lerobot.ratio(np.stack([theirs, ours], axis=1))
    assert 0.7 < low < middle < high < 0.9


@pytest.mark.parametrize(
    ("commit", "seconds", "expected"),
    [("aaa", "8", ["ACT, from states", "ACT, camera 240x320"]), ("bbb", "8", ["ACT, camera 240x320"]),
     ("aaa", "9", ["ACT, camera 240x320"]), ("aaa+", "8", ["ACT, camera 240x320"])],
)  # fmt: skip
def test_a_case_joins_those_that_were_measured_in_the_same_way(
    commit: str, seconds: str, expected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of another commit, or with other settings, cases are not set beside one another in one table."""

    class Silent(lerobot.Worker):
        def __enter__(self) -> lerobot.Ask:
            return dict

        def __exit__(self, *_: object) -> None:
            return

    row = {"difference": 0.0, "difference_exported": 0.0, "parameters": 1, "pairs": 5, "theirs_ms": 2.0,
           "ours_ms": 1.0, "wall_ms": [2.0, 1.0], "ratio": [0.5, 0.4, 0.6]}  # fmt: skip
    monkeypatch.setattr(lerobot, "Worker", Silent)
    monkeypatch.setattr(lerobot, "version", lambda python: "0.4.4")
    monkeypatch.setattr(lerobot, "compare", lambda case, ask, seconds: row)
    out = tmp_path / "lerobot.json"
    for only, at, given in (
        ("ACT, from states", "aaa" if "+" not in commit else commit, "8"),
        ("240x320", commit, seconds),
    ):
        place = {"commit": at, "date": "2026-01-01", "machine": "none"}
        monkeypatch.setattr(lerobot, "provenance", lambda command, place=place: {"command": command, **place})
        arguments = ["--lerobot-python", "PATH", "--only", only, "--seconds", given, "--out", str(out)]
        monkeypatch.setattr(sys, "argv", ["benchmarks.lerobot", *arguments])
        assert lerobot.main() == 0
    assert list(json.loads(out.read_text())["cases"]) == expected
