"""The comparison of conversions: LeRobot is asked in its own environment, whatever lies beside the benchmark."""

import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks are run from the checkout, not installed

from benchmarks import convert


@pytest.mark.skipif(importlib.util.find_spec("lerobot") is not None, reason="LeRobot is installed here")
def test_the_benchmarks_own_package_is_not_taken_for_the_library(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"LeRobot failed:[\s\S]*No module named 'lerobot'\s*$"):
        convert.ask_theirs(sys.executable, tmp_path / "theirs", "numbers only", 1, 10)
