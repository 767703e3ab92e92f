"""Rows for a replay: what was in force, led up to smoothly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.replay import approach, plan, recorded_runs

START = 20_000
HUMAN = 3


def rows(start: float, count: int) -> np.ndarray:
    values = np.zeros((count, 8))
    values[:, 0] = start + 0.01 * np.arange(count)
    return values


def recorded(recording: Any, contract: Contract) -> Path:
    """Two stretches with a gap between; a refused chunk in the middle."""
    t = contract.grid.time
    for tick in range(START, START + 30):
        recording.joints(t(tick), np.zeros(7), 0.08)
    recording.mode(t(START), HUMAN, 2)
    recording.chunk("human", 1, t(START), rows(0.0, 10), in_force=t(START))
    recording.chunk("human", 2, t(START + 3), rows(9.0, 10), in_force=None)
    recording.chunk("human", 3, t(START + 15), rows(0.5, 10), in_force=t(START + 15))
    return Path(recording.close())


def test_what_was_in_force_comes_back_stretch_by_stretch(recording: Any, contract: Contract) -> None:
    runs, found = recorded_runs(str(recorded(recording, contract)))
    assert found.differences(contract) == []
    np.testing.assert_allclose(runs[0], rows(0.0, 10))
    np.testing.assert_allclose(runs[1], rows(0.5, 10))
    assert len(runs) == 2


def test_an_approach_is_slow_enough_begins_and_ends_at_rest(contract: Contract) -> None:
    start, goal = np.zeros(8), np.array([1.0, -0.5, 0, 0, 0, 0, 0, 0.04])
    path = np.concatenate([start[None], approach(start, goal, contract.grid, speed=0.5)])
    speed = np.diff(path, axis=0) / contract.grid.dt
    np.testing.assert_array_equal(path[-1], goal)
    assert 0.48 < np.abs(speed).max() <= 0.5
    assert np.abs(speed[[0, -1]]).max() < 0.02
    # however near the goal is, a second is taken
    assert len(approach(goal, goal, contract.grid, 0.5)) == 20


def test_the_plan_is_continuous_from_the_robots_reference_through_every_stretch(contract: Contract) -> None:
    start = np.full(8, 0.3)
    runs = [rows(0.0, 10), rows(0.5, 10)]
    planned = plan(start, runs, contract.grid, speed=0.5)
    np.testing.assert_array_equal(planned[0], start)
    np.testing.assert_array_equal(planned[-10:], runs[1])
    assert np.abs(np.diff(planned, axis=0)).max() <= 0.5 * contract.grid.dt + 1e-12


def test_an_episode_without_commands_is_refused(recording: Any, contract: Contract) -> None:
    recording.joints(contract.grid.time(START), np.zeros(7), 0.08)
    recording.mode(contract.grid.time(START), HUMAN, 2)
    with pytest.raises(BcError, match="nothing to replay"):
        recorded_runs(str(recording.close()))
