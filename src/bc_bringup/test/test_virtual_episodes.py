"""Whole episodes in one process and in virtual time: a policy that fails, and the scripted operator who saves it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.episodes import HAND_ID, VirtualEpisodes, make_episodes
from bc_bringup.virtual.sources import PolicySource
from bc_controllers import load_robot
from bc_core.contract import Contract
from bc_core.cycle import SchedulerConfig
from bc_core.delay import make_estimator
from bc_core.scheduler import Scheduler
from bc_core.strategies.registry import STRATEGIES
from bc_msgs.msg import ChunkAck, ControlMode
from bc_sim.simulation import Simulation
from bc_sim.task_config import load_task
from bc_teleop.build import make_session
from bc_teleop.devices.conveyor_pick import ConveyorPickExpert
from bc_teleop.devices.intervening import ConveyorPickJudge, InterveningDevice
from bc_teleop.settings import load_settings

CONFIG = Path(__file__).parents[3] / "config"
HORIZON = 24
HOLD, POLICY, HUMAN = ControlMode.HOLD, ControlMode.POLICY, ControlMode.HUMAN


def episodes(give_back: bool, commands: str = "panda_conveyor") -> tuple[VirtualEpisodes, InterveningDevice]:
    """A policy that stands still whatever it sees, and an operator."""
    contract = Contract.load(CONFIG / "contracts" / f"{commands}.yaml")
    robot = load_robot(CONFIG / "robots" / "panda.yaml", contract.groups)
    cell = VirtualCell(Simulation(robot, load_task(CONFIG / "tasks" / "conveyor_pick.yaml"), 0))
    settings = load_settings(CONFIG / "teleop" / "intervening.yaml", "intervening")
    config = dataclasses.replace(settings.intervention, give_back=give_back)
    operator = InterveningDevice(
        {"conveyor_pick": lambda rng: ConveyorPickExpert(settings.conveyor_pick, rng)},
        {"conveyor_pick": ConveyorPickJudge(config)},
        config,
        seed=0,
    )
    scheduler = Scheduler(
        SchedulerConfig(STRATEGIES["rtc"], HORIZON, s_min=5),
        contract.grid,
        make_estimator("quantile", 6, 20, 0.9),
        contract.groups,
    )
    policy = PolicySource(
        cell, scheduler, contract.groups, lambda request: np.repeat(request.prefix[:1], HORIZON, axis=0), lambda: 0.1
    )
    session = make_session(robot, contract, settings, "operator", HAND_ID, lead=0.02)
    return make_episodes(cell, contract, operator, session, policy), operator


@pytest.mark.parametrize(("commands", "trials"), [("panda_conveyor", 4), ("panda_conveyor_pose", 2)])
def test_an_operator_who_stays_saves_every_episode(commands: str, trials: int) -> None:
    """Who drives by poses is taken over by poses, and neither moves the reference."""
    world, operator = episodes(give_back=False, commands=commands)
    for seed in range(trials):
        outcome = world.play(seed, resume=True)
        assert outcome.success, f"seed {seed}: {outcome.detail}"
        assert operator.reasons == ["the cube leaves before it can be grasped"]
    assert {ack.verdict for ack in world.cell.acks if ack.source == "policy"} == {ChunkAck.IN_FORCE}
    takeovers = [change.stamp_ns for change in world.cell.modes if change.mode == HUMAN]
    jumps = [ack.raw_jump for ack in world.cell.acks if ack.source == "human" and ack.effective_ns in takeovers]
    assert len(jumps) >= trials and max(jumps) < 1e-3


def test_an_operator_who_gives_back_resumes_the_policy_with_the_cube_in_the_hand() -> None:
    world, operator = episodes(give_back=True)
    seen = len(world.cell.modes)
    outcome = world.play(1, resume=True)
    modes = [change.mode for change in world.cell.modes[seen:]]
    assert modes[-6:] == [HOLD, POLICY, HUMAN, HOLD, POLICY, HOLD]  # reset first, end of the episode last
    assert outcome.detail == "time limit of 8.0 s"  # this policy does not lift what it is given
    assert world.cell.simulation.plant.sample().gripper == pytest.approx(0.04, abs=0.005)
    human = [ack.raw_jump for ack in world.cell.acks if ack.source == "human"]
    assert len(human) > 20 and max(human) < 0.005
    assert len(operator.reasons) == 1
