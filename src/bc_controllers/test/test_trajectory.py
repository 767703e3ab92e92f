"""Trajectories of motion planners, tested in C++: test/native/trajectory_test.cpp."""

import subprocess
from collections.abc import Callable


def test_trajectories_are_sampled_exactly_and_refused_by_name(program: Callable[[str], str]) -> None:
    run = subprocess.run([program("trajectory_test")], capture_output=True, text=True, check=False, timeout=30)
    assert (run.returncode, run.stderr) == (0, "")
    assert "all as expected" in run.stdout
