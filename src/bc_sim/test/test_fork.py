"""A fork of the simulation does to the bit what the original does, and leaves it alone."""

from pathlib import Path

import numpy as np
import pytest

from bc_controllers import load_robot
from bc_core.chunks import ActionChunk
from bc_core.contract import Contract
from bc_msgs.msg import ControlMode
from bc_msgs.srv import ChangeMode
from bc_sim.simulation import Simulation
from bc_sim.task_config import load_task

CONFIG = Path(__file__).parents[3] / "config"
MS = 1_000_000


@pytest.fixture(scope="module")
def pair() -> tuple[Simulation, Simulation]:
    robot = load_robot(CONFIG / "robots" / "panda.yaml")
    task = load_task(CONFIG / "tasks" / "conveyor_pick.yaml")
    return Simulation(robot, task, 3), Simulation(robot, task, 4)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")


def chunk(simulation: Simulation, contract: Contract, sequence: int, turn: float) -> ActionChunk:
    """From the reference on, each joint by `turn` in a second."""
    state = simulation.controller.state()
    rows = np.append(state.position_reference, state.gripper_reference) + np.linspace(0.0, turn, 21)[:, None]
    rows[:, -1] = 0.04
    stamp = simulation.plant.now_ns
    return ActionChunk(stamp, 50 * MS, contract.groups, rows, "policy", 7, sequence, state.mode_epoch)


def readings(simulation: Simulation) -> list[np.ndarray]:
    state, sample, cube = simulation.controller.state(), simulation.plant.sample(), simulation.object_state()
    return [
        sample.position, sample.velocity, sample.torque, state.position_reference, state.velocity_reference,
        cube.position, cube.linear, np.array([sample.now_ns, state.mode, state.mode_epoch, state.row, state.sequence]),
    ]  # fmt: skip


def test_both_go_on_alike_from_the_middle_of_a_motion(pair: tuple[Simulation, Simulation], contract: Contract) -> None:
    original, fork = pair
    original.plant.advance(10)
    assert original.change_mode(ChangeMode.Request.RESUME, "test").success
    original.controller.submit("policy", chunk(original, contract, 1, 0.2))
    original.plant.advance(333)
    original.controller.submit("policy", chunk(original, contract, 2, -0.3))  # in the mailbox when the fork is made
    fork.copy_from(original)
    for simulation in pair:
        simulation.plant.advance(250)
    assert original.controller.state().sequence == 2
    for mine, other in zip(readings(original), readings(fork), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert original.outcome() == fork.outcome()


def test_what_happens_in_the_fork_stays_there(pair: tuple[Simulation, Simulation], contract: Contract) -> None:
    original, fork = pair
    original.reset(5)
    original.plant.advance(20)
    fork.copy_from(original)
    before = readings(original)
    fork.controller.submit("human", chunk(fork, contract, 1, 0.5))
    fork.plant.advance(400)
    assert fork.controller.state().mode == ControlMode.HUMAN
    assert original.controller.state().mode == ControlMode.HOLD
    for then, now in zip(before, readings(original), strict=True):
        np.testing.assert_array_equal(then, now)
    fork.copy_from(original)  # a fork can be made again and again
    assert fork.controller.state().mode == ControlMode.HOLD
    for mine, other in zip(before, readings(fork), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_a_fork_answers_only_what_it_was_asked(pair: tuple[Simulation, Simulation], contract: Contract) -> None:
    original, fork = pair
    original.controller.submit("human", chunk(original, contract, 2, 0.1))
    original.plant.advance(1)
    fork.copy_from(original)
    assert fork.controller.poll_acks() == []
    assert [ack.sequence for ack in original.controller.poll_acks()][-1] == 2


def test_a_running_plant_is_not_forked(pair: tuple[Simulation, Simulation]) -> None:
    original, fork = pair
    original.start()
    try:
        with pytest.raises(RuntimeError, match="stop"):
            fork.copy_from(original)
    finally:
        original.plant.stop()
