"""A policy alone in virtual time: what `bcros train --rollouts` chooses by."""

from pathlib import Path

import numpy as np
import pytest

from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.observing import watch
from bc_bringup.virtual.trials import VirtualTask
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.frames import Frame, FrameAssembler
from bc_core.mask import Mask
from bc_core.policies.base import Policy
from bc_sim.simulation import Simulation

CONFIG = Path(__file__).parents[3] / "config"
STREAMS = ("arm", "gripper", "tcp", "object")


@pytest.fixture(scope="module")
def task() -> VirtualTask:
    return VirtualTask.load(
        CONFIG / "robots" / "panda.yaml",
        CONFIG / "contracts" / "panda_conveyor.yaml",
        CONFIG / "tasks" / "conveyor_pick.yaml",
        CONFIG / "teleop" / "intervening.yaml",
    )


class Standing(Policy):
    """Stays where it is, and remembers what it saw."""

    def __init__(self, contract: Contract) -> None:
        self.contract, self.streams, self.n_obs_steps = contract, STREAMS, 2
        self.horizon, self.width, self.masks = 12, contract.width, frozenset({Mask.FREE})
        self.frames: list[Frame] = []

    def infer(self, frame: Frame, *_: object, **__: object) -> Array:
        self.frames.append(frame)
        return np.repeat(np.append(frame.values["arm"][-1], 0.04)[None], self.horizon, axis=0)


def test_a_policy_that_stands_solves_nothing_and_sees_every_scene(task: VirtualTask) -> None:
    policy, told = Standing(task.contract), list[int]()
    assert task.play(policy, range(5, 7), told.append) == [False, False]
    assert told == [1, 2]
    steps = np.diff([frame.tick for frame in policy.frames])
    assert len(steps) > 20 and np.count_nonzero(steps != 8) <= 1  # rows executed; but for the change of scene
    cubes = np.array([frame.values["object"][-1, :3] for frame in policy.frames])
    assert len(np.unique(cubes[:, 0])) == len(cubes)  # it rides on the belt
    first = policy.frames[0].values["arm"]
    np.testing.assert_allclose(first[0], first[1], atol=1e-3)  # no history from before the reset


def test_what_is_not_simulated_is_refused(task: VirtualTask) -> None:
    cell = VirtualCell(Simulation(task.robot, task.task, 0))
    with pytest.raises(BcError, match=r"no camera/image_raw: choose the checkpoint by loss"):
        watch(cell, task.contract, FrameAssembler(task.contract, ("arm", "camera"), 1))
