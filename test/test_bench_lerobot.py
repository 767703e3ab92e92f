"""The comparison with LeRobot: what it says without one, and its arithmetic."""

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
