"""The planner on the simulated robot in virtual time: what it does, and what becomes of it when others act."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

from bc_bringup.virtual.cell import VirtualCell, observe
from bc_bringup.virtual.joystick import VirtualJoystick
from bc_bringup.virtual.planner import PlannerSource
from bc_bringup.virtual.sources import HandSource
from bc_controllers import load_robot
from bc_core.contract import Contract
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode
from bc_planner.goal import MotionGoal, Reason, ToNamed, ToPose
from bc_planner.job import Job, Outcome
from bc_planner.planner import MotionPlanner, Settings
from bc_planner.workspace import load_workspace
from bc_sim.simulation import Simulation
from bc_sim.task_config import load_task
from bc_teleop.build import make_session
from bc_teleop.settings import load_settings

CONFIG = Path(__file__).resolve().parents[3] / "config"
ROBOT = load_robot(CONFIG / "robots" / "panda.yaml")
CONTRACT = Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml")
DOWN = np.diag([1.0, -1.0, -1.0])
LONG = ToPose(pose=pin.SE3(DOWN, np.array([0.0, 0.6, 0.4])))  # some seconds away from the start
HAND_ID = 100
_ids = itertools.count(200)  # of producers: each planner is a process of its own


@dataclass
class Rig:
    """planner: its motions are under way while `cell` runs."""

    cell: VirtualCell
    planner: PlannerSource

    def done(self, goal: MotionGoal, seconds: float = 20.0) -> Outcome:
        return self.ended(self.planner.begin(goal), seconds)

    def ended(self, job: Job, seconds: float = 20.0) -> Outcome:
        for _ in range(round(seconds / 0.05)):
            self.cell.run_for(0.05)
            if job.outcome is not None:
                return job.outcome
        raise AssertionError(f"the job is still {job.phase.value}")

    def moving(self, goal: MotionGoal = LONG) -> Job:
        """In the middle of a motion."""
        job = self.planner.begin(goal)
        self.cell.run_for(1.2)
        assert self.cell.mode == ControlMode.PLANNER and self.cell.state.source == "planner"
        assert np.abs(self.cell.state.velocity_reference).max() > 0.1
        return job

    def stands(self) -> bool:
        return self.cell.state.ladder == ControllerState.HOLDING and not self.cell.state.velocity_reference.any()


@pytest.fixture(scope="module")
def cell() -> VirtualCell:
    return VirtualCell(Simulation(ROBOT, load_task(CONFIG / "tasks" / "conveyor_pick.yaml"), 0))


def planner_in(cell: VirtualCell, obstacles: bool = True) -> PlannerSource:
    workspace = load_workspace(CONFIG / "workspaces" / "panda_conveyor.yaml")
    if not obstacles:
        workspace = replace(workspace, obstacles=())
    planner = MotionPlanner(ROBOT, workspace, CONTRACT.groups, CONTRACT.grid, Settings())
    return PlannerSource(cell, CONTRACT, planner, next(_ids), transport=0.003)


@pytest.fixture
def rig(cell: VirtualCell) -> Iterator[Rig]:
    if cell.mode == ControlMode.STOPPED:
        cell.request(ChangeMode.Request.RESET)
    cell.run_for(1.0)
    cell.reset(3)
    cell.run_for(0.2)
    hooks = [len(hook) for hook in (cell.on_mode, cell.on_ack)]
    rig = Rig(cell, planner_in(cell))
    yield rig
    rig.planner.alive = False
    for hook, count in zip((cell.on_mode, cell.on_ack), hooks, strict=True):
        del hook[count:]


def test_it_goes_home_on_the_planned_curve_and_gives_the_lease_back(rig: Rig) -> None:
    cell, before = rig.cell, len(rig.cell.acks)
    limited = cell.simulation.controller.status()
    job = rig.planner.begin(ToNamed(name="home"))
    off = []

    def compare(now_ns: int) -> None:
        for chunk in rig.planner.sent:
            if chunk.sequence == cell.state.sequence and cell.state.source == "planner":
                off.append(np.abs(chunk.sample(cell.state.stamp_ns)[:7] - cell.state.position_reference).max())

    cell.every(10_000_000, compare)
    outcome = rig.ended(job)
    assert (outcome.reason, outcome.message) == (Reason.SUCCESS, "done")
    cell.run_for(0.1)
    assert cell.mode == ControlMode.HOLD and rig.stands()
    np.testing.assert_allclose(cell.state.position_reference, ROBOT.home, atol=1e-6)
    np.testing.assert_allclose(cell.state.position, ROBOT.home, atol=0.02)
    assert len(off) > 50 and max(off) < 1e-3
    acks = [ack for ack in cell.acks[before:] if ack.producer_id == rig.planner.producer_id]
    assert len(acks) == len(rig.planner.sent) > 1
    assert {ack.verdict for ack in acks} == {ChunkAck.IN_FORCE}
    assert max(ack.raw_jump for ack in acks) < 1e-9 and not any(ack.clamped for ack in acks)
    status = cell.simulation.controller.status()
    assert status.velocity_limited == limited.velocity_limited
    assert status.acceleration_limited == limited.acceleration_limited
    assert status.tcp_speed_limited == limited.tcp_speed_limited
    assert status.starved_periods - limited.starved_periods <= 1  # the period in which the lease ends


def test_one_motion_after_another_and_nothing_to_do(rig: Rig) -> None:
    assert rig.done(ToNamed(name="home")).reason is Reason.SUCCESS
    assert rig.done(ToNamed(name="start")).reason is Reason.SUCCESS
    epochs = len(rig.cell.modes)
    outcome = rig.done(ToNamed(name="start"))
    assert (outcome.reason, outcome.message) == (Reason.SUCCESS, "already there")
    assert len(rig.cell.modes) == epochs  # PLANNER was not asked for
    assert rig.ended(rig.planner.begin(ToNamed(name="home"), plan_only=True)).message == "there is a way"
    assert len(rig.cell.modes) == epochs


def test_canceled_in_the_middle_it_stops_and_holds(rig: Rig) -> None:
    job = rig.moving()
    job.cancel()
    assert job.outcome is None  # not before it stands
    outcome = rig.ended(job, 1.0)
    assert outcome.reason is Reason.CANCELED
    assert rig.cell.mode == ControlMode.HOLD and rig.stands()
    sent = len(rig.planner.sent)
    where = rig.cell.state.position_reference.copy()
    rig.cell.run_for(1.0)
    assert len(rig.planner.sent) == sent
    np.testing.assert_array_equal(rig.cell.state.position_reference, where)


def test_canceled_before_it_moves(rig: Rig) -> None:
    job = rig.planner.begin(LONG)
    job.cancel()
    assert job.outcome is not None and job.outcome.reason is Reason.CANCELED
    rig.cell.run_for(0.5)
    assert rig.planner.sent == [] and rig.cell.mode == ControlMode.HOLD


def joystick(rig: Rig) -> VirtualJoystick:
    settings = load_settings(CONFIG / "teleop" / "joy.yaml", "joy")
    stick = VirtualJoystick(rig.cell, settings.joy)
    session = make_session(ROBOT, CONTRACT, settings, "teleop", HAND_ID, lead=0.02)
    stick.hand = HandSource(
        rig.cell, stick.device, session, HAND_ID, lambda now: observe(rig.cell, now, 3), transport=0.003
    )
    rig.cell.run_for(0.06)
    return stick


def test_a_human_takes_over_at_once(rig: Rig) -> None:
    stick = joystick(rig)
    job = rig.moving()
    pressed = rig.cell.now_ns
    stick.hold(True)
    rig.cell.run_for(0.03)
    change = rig.cell.modes[-1]
    assert change.mode == ControlMode.HUMAN and change.stamp_ns - pressed <= 10_000_000
    outcome = rig.ended(job, 0.1)
    assert outcome.reason is Reason.PREEMPTED and "human" in outcome.message
    sent = len(rig.planner.sent)
    rig.cell.run_for(1.0)
    assert len(rig.planner.sent) == sent and rig.cell.mode == ControlMode.HUMAN
    # while the stick is held nothing is planned; let go, it goes on
    held = rig.planner.begin(ToNamed(name="home"), patience=0.5)
    assert rig.ended(held).reason is Reason.NOT_GRANTED
    assert held.outcome is not None and "in HUMAN" in held.outcome.message
    waiting = rig.planner.begin(ToNamed(name="home"), patience=2.0)
    rig.cell.run_for(0.5)
    stick.hold(False)
    assert rig.ended(waiting).reason is Reason.SUCCESS


@pytest.mark.parametrize(
    ("request_", "mode"), [(ChangeMode.Request.HOLD, ControlMode.HOLD), (ChangeMode.Request.STOP, ControlMode.STOPPED)]
)
def test_hold_and_stop_end_it(rig: Rig, request_: int, mode: int) -> None:
    job = rig.moving()
    assert rig.cell.request(request_, "operator")
    outcome = rig.ended(job, 0.5)
    assert outcome.reason is Reason.PREEMPTED and "operator" in outcome.message
    rig.cell.run_for(0.5)
    assert rig.cell.mode == mode and not rig.cell.state.velocity_reference.any()
    if mode == ControlMode.STOPPED:
        refused = rig.done(ToNamed(name="home"))
        assert refused.reason is Reason.NOT_GRANTED and "in STOPPED" in refused.message


def test_a_policy_is_not_interrupted(rig: Rig) -> None:
    assert rig.cell.request(ChangeMode.Request.RESUME)
    outcome = rig.ended(rig.planner.begin(ToNamed(name="home"), patience=0.2))
    assert outcome.reason is Reason.NOT_GRANTED and "in POLICY" in outcome.message
    assert rig.cell.request(ChangeMode.Request.HOLD)


def test_a_planner_that_dies_leaves_an_arm_that_stops_and_holds(rig: Rig) -> None:
    rig.moving()
    rig.planner.alive = False
    rig.cell.run_for(2.0)
    assert rig.cell.mode == ControlMode.HOLD and rig.cell.modes[-1].reason == "starved" and rig.stands()


def test_an_arm_that_is_held_by_something_unknown_is_stopped(cell: VirtualCell, rig: Rig) -> None:
    """Without the belt in the workspace the way leads through it."""
    blind = planner_in(cell, obstacles=False)
    outcome = Rig(cell, blind).done(ToPose(pose=pin.SE3(DOWN, np.array([0.5, 0.0, 0.0])), speed=0.3))
    blind.alive = False
    assert outcome.reason is Reason.FAILED and "something holds the arm" in outcome.message
    assert cell.mode == ControlMode.HOLD


@pytest.mark.parametrize("height", [0.06, 3.0])
def test_a_refused_goal_moves_nothing(rig: Rig, height: float) -> None:
    outcome = rig.done(ToPose(pose=pin.SE3(DOWN, np.array([0.5, 0.0, height]))))
    assert outcome.reason in (Reason.GOAL_IN_COLLISION, Reason.UNREACHABLE)
    assert rig.planner.sent == [] and rig.cell.mode == ControlMode.HOLD
