"""The scripted expert through the whole teleoperation path, without ROS: device, session, controller, physics."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_controllers import Robot
from bc_core.contract import Contract
from bc_msgs.msg import ControlMode
from bc_sim.simulation import Simulation
from bc_sim.task import TaskOutcome
from bc_sim.task_config import load_task
from bc_teleop.build import make_session
from bc_teleop.command import ObjectView, Observation, Pose, TaskView
from bc_teleop.devices.scripted import ScriptedDevice, conveyor_pick_maker
from bc_teleop.session import Reference, TeleopSession
from bc_teleop.settings import load_settings

PERIODS = 50  # of control in a tick
TCP = slice(0, 3), slice(3, 7)


def observe(simulation: Simulation, time_ns: int, seed: int, outcome: TaskOutcome) -> Observation:
    """What the topics would say at a tick."""
    state, thing = simulation.controller.state(), simulation.object_state()
    turned = Rotation.from_quat(thing.orientation)
    return Observation(
        time_ns,
        Pose(np.array(state.tcp[TCP[0]]), Rotation.from_quat(state.tcp[TCP[1]])),
        state.gripper_position,
        ObjectView(Pose(thing.position, turned), turned.apply(thing.linear)),
        TaskView("conveyor_pick", seed, outcome.elapsed, outcome.success, outcome.failure),
        recording=True,
    )


def reference(simulation: Simulation) -> Reference:
    state = simulation.controller.state()
    return Reference(
        state.stamp_ns,
        np.array(state.position_reference),
        np.array(state.velocity_reference),
        state.gripper_reference,
        state.mode_epoch,
        human=state.mode == ControlMode.HUMAN,
        stopped=state.mode == ControlMode.STOPPED,
    )


def play(simulation: Simulation, device: ScriptedDevice, session: TeleopSession, seed: int) -> TaskOutcome:
    """One episode in lock step, up to the release that follows the outcome."""
    simulation.reset(seed)
    outcome, driven = simulation.outcome(), True
    while driven or not outcome.finished:
        outcome, driven = simulation.outcome(), not outcome.finished
        now_ns = simulation.plant.now_ns - 1_000_000  # the period of this tick has been run
        command = device.command(observe(simulation, now_ns, seed, outcome))
        chunk = session.step(now_ns, command, reference(simulation))
        if chunk is not None:
            simulation.controller.submit("human", chunk)
        simulation.plant.advance(PERIODS)
    return outcome


@pytest.fixture(scope="module")
def simulation(robot: Robot, config_folder: Path) -> Simulation:
    return Simulation(robot, load_task(config_folder / "tasks" / "conveyor_pick.yaml"), seed=0)


def test_the_expert_succeeds(simulation: Simulation, robot: Robot, contract: Contract, config_folder: Path) -> None:
    """Within the joint accelerations that the node allows a hand. The first five seeds ask for the most."""
    settings = load_settings(config_folder / "teleop" / "scripted.yaml", "scripted")
    device = ScriptedDevice({"conveyor_pick": conveyor_pick_maker(settings.conveyor_pick)}, 0, True)
    session = make_session(robot, contract, settings, "teleop", 9, lead=0.0)
    outcomes = {seed: play(simulation, device, session, seed) for seed in (3, 4, 13, 22, 29, *range(100, 107))}
    failed = {seed: outcome.detail for seed, outcome in outcomes.items() if not outcome.success}
    assert not failed
    assert np.mean([outcome.elapsed for outcome in outcomes.values()]) < 4.5
    status = simulation.controller.status()
    assert sum(status.refused_by_reason) == 0
    assert status.torque_limited == 0
    verdicts = simulation.controller.poll_acks()
    assert max(ack.raw_jump for ack in verdicts) < 5e-3  # chunk after chunk, the reference goes on
