"""Idle stretches are found by the command's speed."""

import numpy as np
import pytest

from bc_core.chunks import ActionGroup, Space
from bc_core.dataset import EpisodeTicks
from bc_core.idle import IdleRule, idle_ticks

DT = 0.1
RULE = IdleRule(speed=0.01, seconds=0.5)


def episode(commands: np.ndarray) -> EpisodeTicks:
    count = len(commands)
    return EpisodeTicks(
        name="test", first_tick=0, values={}, has_frame=np.ones(count, dtype=bool), commands=commands,
        source=np.array(["human"] * count), mode=np.zeros(count, dtype=np.int64),
        epoch=np.ones(count, dtype=np.int64), refused={}, missing_chunks=0,
    )  # fmt: skip


def joints(positions: list[float]) -> np.ndarray:
    return idle_ticks(
        episode(np.array(positions)[:, None]), (ActionGroup("a", Space.JOINT_POSITION, ("j",), 0, 1),), DT, RULE
    )


def test_a_long_stand_is_idle_and_a_short_one_is_not() -> None:
    moving, thinking, hesitating = [0.0, 0.1, 0.2], [0.3] * 6, [0.5] * 4
    assert joints([*moving, *thinking, 0.4, *hesitating, 0.6]).tolist() == [False] * 3 + [True] * 5 + [False] * 7


def test_a_creeping_command_is_no_stand() -> None:
    assert not joints([0.0011 * k for k in range(20)]).any()
    assert joints([0.0009 * k for k in range(20)]).all()


def test_without_a_command_nobody_idles() -> None:
    assert joints([0.1] * 6 + [np.nan] * 6).tolist() == [True] * 5 + [False] * 7


@pytest.mark.parametrize(("turn", "idle"), [(0.0009, True), (0.002, False)])
def test_a_pose_that_turns_is_no_stand(turn: float, idle: bool) -> None:
    angles = turn / 2 * np.arange(10)
    poses = np.zeros((10, 7))
    poses[:, 5], poses[:, 6] = np.sin(angles), np.cos(angles)
    poses[5:, 3:] *= -1
    group = ActionGroup("tool", Space.CARTESIAN_POSE, (), 0, 7, "tip", "base")
    assert bool(idle_ticks(episode(poses), (group,), DT, RULE).all()) is idle
