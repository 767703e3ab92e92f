import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_controllers import Robot
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_teleop.command import DeviceCommand
from bc_teleop.ik import DifferentialIk
from bc_teleop.limiter import TwistLimits
from bc_teleop.session import Reference, SessionConfig, TeleopSession

MS = 1_000_000
PERIOD = 50 * MS
PRODUCER = 77
FORWARD = DeviceCommand(enabled=True, linear=np.array([0.2, 0.0, 0.0]))


class Follower:
    """A controller that does what chunks say: the newest one that has begun is in force."""

    def __init__(self, session: TeleopSession, joints: np.ndarray) -> None:
        self.session, self.now = session, 10_000 * MS
        self.chunks: list[ActionChunk] = []
        self.reference = Reference(self.now, joints, np.zeros(len(joints)), 0.08, 3)
        self.rows: list[np.ndarray] = []

    def period(self, command: DeviceCommand) -> ActionChunk | None:
        chunk = self.session.step(self.now, command, self.reference)
        if chunk is not None:
            self.chunks.append(chunk)
        for _ in range(PERIOD // MS):
            self.now += MS
            self._follow()
        return chunk

    def _follow(self) -> None:
        begun = [chunk for chunk in self.chunks if chunk.stamp_ns <= self.now]
        if not begun:
            self.reference = dataclasses.replace(self.reference, stamp_ns=self.now)
            return
        row = begun[-1].sample(self.now)
        velocity = (row[:7] - self.reference.joints) / 1e-3
        self.reference = Reference(self.now, row[:7], velocity, float(row[7]), 4, human=True)
        self.rows.append(row)


def make(ik: DifferentialIk, contract: Contract, **settings: object) -> TeleopSession:
    return TeleopSession(ik, contract.groups, "teleop", PRODUCER, SessionConfig(**settings))


@pytest.fixture
def follower(ik: DifferentialIk, contract: Contract, robot: Robot) -> Follower:
    return Follower(make(ik, contract), np.array(robot.home))


@pytest.mark.parametrize("lead", [0.0, 0.02, 0.06])
def test_the_reference_goes_on_without_a_step(
    ik: DifferentialIk, contract: Contract, robot: Robot, lead: float
) -> None:
    follower = Follower(make(ik, contract, lead=lead), np.array(robot.home))
    follower.period(DeviceCommand())
    for number in range(40):
        turn = 1.0 if number % 20 < 10 else -1.0  # a hand that reverses
        follower.period(DeviceCommand(True, np.array([0.2 * turn, 0.1, 0.0]), np.array([0.0, 0.0, turn])))
    rows = np.stack(follower.rows)[:, :7]
    assert len({chunk.sequence for chunk in follower.chunks}) == 40
    assert np.abs(np.diff(rows, axis=0)).max() <= ik.model.velocityLimit.max() * 1e-3 + 1e-9
    moved = ik.forward(rows[-1]).position - ik.forward(np.array(robot.home)).position
    assert moved[1] == pytest.approx(0.2 - 0.1 * lead, abs=0.02)


def test_every_chunk_begins_where_the_one_before_is_then(follower: Follower) -> None:
    follower.period(DeviceCommand())
    for _ in range(10):
        follower.period(FORWARD)
    for before, after in zip(follower.chunks, follower.chunks[1:], strict=False):
        np.testing.assert_array_equal(after.actions[0], before.sample(after.stamp_ns))


def test_chunks_have_the_form_of_the_protocol(follower: Follower, contract: Contract) -> None:
    follower.period(DeviceCommand())
    first, second = follower.period(FORWARD), follower.period(FORWARD)
    assert first is not None and second is not None
    assert first.actions.shape == (76, contract.width) and first.dt_ns == 2 * MS  # 4 knots, 25 rows from one to another
    assert (first.sequence, second.sequence) == (1, 2)
    assert (first.mode_epoch, second.mode_epoch) == (3, 4)  # as the controller's state says
    assert first.groups == contract.groups and first.producer_id == PRODUCER and not first.release


def test_taking_over_from_a_moving_reference_keeps_its_speed(
    ik: DifferentialIk, contract: Contract, robot: Robot
) -> None:
    home, velocity = np.array(robot.home), np.array([0.2, 0.1, 0.0, 0.1, 0.0, 0.1, 0.0])
    session = make(ik, contract, lead=0.02)
    session.step(0, DeviceCommand(), Reference(0, home, velocity, 0.05, 1))
    chunk = session.step(PERIOD, DeviceCommand(enabled=True), Reference(PERIOD, home, velocity, 0.05, 1))
    assert chunk is not None
    assert chunk.stamp_ns == PERIOD  # in force at once: the lead is bridged
    coasted = home + np.arange(11)[:, None] * 0.002 * velocity
    np.testing.assert_allclose(chunk.actions[:11, :7], coasted, atol=1e-12)
    np.testing.assert_allclose(chunk.actions[:11, 7], 0.05)
    slopes = np.diff(chunk.actions[:, :7], axis=0) / 0.002
    assert np.abs(np.diff(slopes, axis=0)).max() < 0.03  # no corner that a damper would feel


def test_what_moves_no_tool_fades_out_instead_of_being_cut_off(
    ik: DifferentialIk, contract: Contract, robot: Robot
) -> None:
    home = np.array(robot.home)
    idle = ik.null_velocity(home, np.array([0.5, 0.0, 0.0, 0.0, 0.0, 0.0, -0.5]))
    assert np.linalg.norm(idle) > 0.1
    np.testing.assert_allclose(np.concatenate(ik.twist(home, idle)), 0.0, atol=1e-9)
    session = make(ik, contract)
    session.step(0, DeviceCommand(), Reference(0, home, idle, 0.05, 1))
    chunk = session.step(PERIOD, DeviceCommand(enabled=True), Reference(PERIOD, home, idle, 0.05, 1))
    assert chunk is not None
    slopes = np.diff(chunk.actions[:, :7], axis=0) / 0.002
    assert np.abs(np.diff(slopes, axis=0)).max() < 0.03
    assert np.linalg.norm(slopes[-1]) < 0.2 * np.linalg.norm(idle)
    moved = ik.forward(chunk.actions[-1][:7]).position - ik.forward(home).position
    assert np.linalg.norm(moved) < 2e-3


def test_letting_go_brings_the_robot_to_rest_and_gives_the_lease_back(follower: Follower) -> None:
    follower.period(DeviceCommand())
    for _ in range(10):
        follower.period(FORWARD)
    last = follower.period(DeviceCommand())
    assert last is not None and last.release and last.horizon >= 3
    np.testing.assert_allclose(last.actions[-1], last.actions[-2], atol=1e-3)
    assert not follower.session.engaged
    assert follower.period(DeviceCommand()) is None


def test_a_lease_that_is_gone_is_not_released(follower: Follower) -> None:
    follower.period(DeviceCommand())
    follower.period(FORWARD)
    follower.period(FORWARD)
    follower.reference = dataclasses.replace(follower.reference, human=False)  # e.g. after a reset of the scene
    assert follower.period(DeviceCommand()) is None
    assert not follower.session.engaged


def test_a_dead_man_held_from_the_start_moves_nothing(follower: Follower) -> None:
    assert follower.period(FORWARD) is None
    assert "let the dead-man go" in follower.session.message
    follower.period(DeviceCommand())
    assert follower.period(FORWARD) is not None


def test_after_a_stop_the_dead_man_must_be_pressed_anew(follower: Follower) -> None:
    follower.period(DeviceCommand())
    assert follower.period(FORWARD) is not None
    follower.reference = dataclasses.replace(follower.reference, stopped=True)
    assert follower.session.step(follower.now, FORWARD, follower.reference) is None
    assert "stopped" in follower.session.message
    running = dataclasses.replace(follower.reference, stopped=False)
    assert follower.session.step(follower.now, FORWARD, running) is None
    follower.session.step(follower.now, DeviceCommand(), running)
    assert follower.session.step(follower.now, FORWARD, running) is not None


@pytest.mark.parametrize("age_ms", [201, -201])
def test_an_old_controller_state_stops_the_chunks(follower: Follower, age_ms: int) -> None:
    follower.period(DeviceCommand())
    assert follower.period(FORWARD) is not None
    assert follower.session.step(follower.reference.stamp_ns + age_ms * MS, FORWARD, follower.reference) is None
    assert "controller" in follower.session.message


def test_without_a_controller_nothing_is_sent(follower: Follower) -> None:
    follower.session.step(0, DeviceCommand(), None)
    assert follower.session.step(0, FORWARD, None) is None
    assert "no controller state" in follower.session.message


def test_a_replaced_reference_is_taken_up_where_it_is(follower: Follower) -> None:
    follower.period(DeviceCommand())
    follower.period(FORWARD)
    behind = dataclasses.replace(follower.reference, joints=follower.reference.joints - 0.2, velocity=np.zeros(7))
    chunk = follower.session.step(follower.now, FORWARD, behind)
    assert chunk is not None
    np.testing.assert_allclose(chunk.actions[0][:7], behind.joints)


def test_a_refused_chunk_is_forgotten(follower: Follower) -> None:
    follower.period(DeviceCommand())
    follower.period(FORWARD)
    follower.period(FORWARD)
    in_force = follower.chunks[0]
    follower.session.refused(2, disarm=False)
    follower.reference = dataclasses.replace(follower.reference, joints=in_force.sample(follower.now)[:7])
    chunk = follower.session.step(follower.now, FORWARD, follower.reference)
    assert chunk is not None
    np.testing.assert_allclose(chunk.actions[0], in_force.sample(follower.now))


def test_another_hand_has_the_lease_so_this_one_waits(follower: Follower) -> None:
    follower.period(DeviceCommand())
    follower.period(FORWARD)
    follower.session.refused(1, disarm=True)
    assert follower.session.step(follower.now, FORWARD, follower.reference) is None
    follower.session.step(follower.now, DeviceCommand(), follower.reference)
    assert follower.session.step(follower.now, FORWARD, follower.reference) is not None


def test_the_gripper_ramps_and_keeps_its_opening(follower: Follower) -> None:
    follower.period(DeviceCommand())
    for _ in range(4):
        follower.period(DeviceCommand(enabled=True, gripper=0.0))
    for _ in range(4):
        follower.period(DeviceCommand(enabled=True))
    openings = np.stack(follower.rows)[:, 7]
    assert np.abs(np.diff(openings)).max() <= TwistLimits().gripper_velocity * 1e-3 + 1e-9
    assert openings[-1] == pytest.approx(openings[-100])
    assert openings[-1] < 0.08


def test_an_opening_beyond_the_gripper_is_clipped(follower: Follower) -> None:
    follower.period(DeviceCommand())
    for _ in range(10):
        follower.period(DeviceCommand(enabled=True, gripper=0.5))
    assert follower.rows[-1][7] == pytest.approx(0.08)


def test_speed_and_acceleration_of_the_tool_are_bounded(follower: Follower, ik: DifferentialIk) -> None:
    follower.period(DeviceCommand())
    for _ in range(8):
        follower.period(DeviceCommand(True, np.array([0.0, 5.0, 0.0])))
    positions = np.stack([ik.forward(row[:7]).position for row in follower.rows[::50]])
    velocity = np.diff(positions, axis=0) / 0.05
    limits = TwistLimits()
    assert np.linalg.norm(velocity, axis=1).max() <= limits.linear_velocity * 1.03
    assert np.abs(np.diff(velocity[:, 1])).max() <= limits.linear_acceleration * 0.05 * 1.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"knots": 2}, "knots"),
        ({"row_dt": 0.0}, "row_dt"),
        ({"row_dt": 0.1}, "knot_dt"),
        ({"lead": -0.1}, "lead"),
        ({"row_dt": 0.001, "limits": TwistLimits(linear_acceleration=1.0)}, "256 rows"),
    ],
)
def test_settings_that_the_arbiter_would_refuse_are_refused_at_once(settings: dict[str, float], message: str) -> None:
    with pytest.raises(BcError, match=message):
        SessionConfig(**settings)


def test_a_layout_without_a_gripper_is_refused(ik: DifferentialIk, contract: Contract) -> None:
    arm = tuple(group for group in contract.groups if group.space == Space.JOINT_POSITION)
    with pytest.raises(BcError, match="GRIPPER"):
        TeleopSession(ik, arm, "teleop", 1, SessionConfig())
    with pytest.raises(BcError, match="JOINT_POSITION"):
        TeleopSession(ik, contract.groups[1:], "teleop", 1, SessionConfig())


def test_another_robots_tool_or_joints_are_refused(ik: DifferentialIk, contract: Contract) -> None:
    arm, gripper = contract.groups
    pose = ActionGroup("pose", Space.CARTESIAN_POSE, (), 0, 7, "tool", "base")
    with pytest.raises(BcError, match="commands tool, but the robot has panda_hand_tcp: use files that belong"):
        TeleopSession(ik, (pose, gripper), "teleop", 1, SessionConfig())
    other = dataclasses.replace(arm, names=arm.names[::-1])
    with pytest.raises(BcError, match=r"the contract commands \('panda_joint7'.*but the robot has \('panda_joint1'"):
        TeleopSession(ik, (other, gripper), "teleop", 1, SessionConfig())


def test_of_a_contract_of_poses_the_rows_are_where_the_joints_have_the_tool(
    ik: DifferentialIk, contract: Contract, robot: Robot
) -> None:
    """The same hand in joints and in poses, with the gripper first: row for row the same motion."""
    tool = ActionGroup("tool", Space.CARTESIAN_POSE, (), 1, 7, robot.tcp, robot.base_frame)
    poses = (dataclasses.replace(contract.groups[1], offset=0), tool)
    sessions = [TeleopSession(ik, groups, "teleop", 1, SessionConfig()) for groups in (contract.groups, poses)]
    standing = Reference(0, np.array(robot.home), np.zeros(7), 0.05, mode_epoch=3)
    turning = DeviceCommand(True, linear=np.array([0.2, -0.1, 0.1]), angular=np.array([0.0, 0.5, 1.0]))
    assert [session.step(0, DeviceCommand(), standing) for session in sessions] == [None, None]
    for now_ns, command, human in ((0, turning, False), (PERIOD, turning, True), (2 * PERIOD, DeviceCommand(), True)):
        reference = dataclasses.replace(standing, stamp_ns=now_ns, human=human)
        driven, commanded = (session.step(now_ns, command, reference) for session in sessions)
        assert driven is not None and commanded is not None
        assert commanded.groups == poses
        assert (commanded.stamp_ns, commanded.release) == (driven.stamp_ns, driven.release)
        np.testing.assert_array_equal(commanded.actions[:, 0], driven.actions[:, 7])
        for row, joints in zip(commanded.actions, driven.actions[:, :7], strict=True):
            pose = ik.forward(joints)
            np.testing.assert_allclose(row[1:4], pose.position, atol=1e-12)
            assert (Rotation.from_quat(row[4:]) * pose.rotation.inv()).magnitude() < 1e-9
        assert (np.sum(commanded.actions[1:, 4:] * commanded.actions[:-1, 4:], axis=1) > 0.9).all()
        assert np.linalg.norm(np.ptp(commanded.actions[:, 1:4], axis=0)) > 5e-3


def test_a_jog_drives_the_joints_that_are_asked_and_stops_in_joint_space(follower: Follower) -> None:
    follower.period(DeviceCommand())
    wanted = np.array([0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 9.0])
    for _ in range(20):
        follower.period(DeviceCommand(enabled=True, joints=wanted))
    last = follower.period(DeviceCommand())
    assert last is not None and last.release
    while follower.now < last.end_ns:
        follower.period(DeviceCommand())
    rows = np.stack(follower.rows)[:, :7]
    speed = np.diff(rows, axis=0) / 1e-3
    limits = TwistLimits()
    assert not np.ptp(rows[:, [0, 2, 3, 4, 5]], axis=0).any()
    steady = speed[800:1000]
    np.testing.assert_allclose(steady[:, 1], 0.5, atol=5e-3)  # rows are 2 ms apart
    np.testing.assert_allclose(steady[:, 6], limits.joint_velocity, atol=1e-2)
    assert (speed.max(axis=0) <= 1.1 * np.maximum(steady.max(axis=0), 1e-9)).all()  # the curve between knots
    acceleration = np.abs(speed[50:] - speed[:-50]).max() / 0.05
    assert acceleration <= 1.5 * limits.joint_acceleration  # the curve's own, between knots
    assert np.abs(speed[-1]).max() < 5e-3


def test_a_jog_slows_down_ahead_of_a_joint_limit_and_comes_back(follower: Follower, ik: DifferentialIk) -> None:
    follower.period(DeviceCommand())
    for sign in (1.0, -1.0):
        for _ in range(60):
            follower.period(DeviceCommand(enabled=True, joints=sign * np.array([0, 0, 0, 0, 0, 0, 1.0])))
        joint = np.stack(follower.rows)[:, 6]
        assert joint.max() <= ik.upper[6] + 1e-3  # the curve between knots; the limit itself is 0.05 further
    assert joint.max() == pytest.approx(ik.upper[6], abs=1e-3) and joint[-1] < 1.0
    speed = np.diff(joint) / 1e-3
    assert np.abs(speed[50:] - speed[:-50]).max() / 0.05 <= 1.5 * TwistLimits().joint_acceleration


def test_a_leader_is_followed_and_stopped_at(follower: Follower, robot: Robot) -> None:
    follower.period(DeviceCommand())
    goal = np.array(robot.home) + np.array([0.5, -0.3, 0.1, 0.2, 0.0, -0.4, 0.6])
    for _ in range(36):
        follower.period(DeviceCommand(enabled=True, posture=goal))
    rows = np.stack(follower.rows)[:, :7]
    np.testing.assert_allclose(rows[-1], goal, atol=1e-3)
    overshoot = np.sign(goal - rows[0]) * (rows - goal)
    assert overshoot.max() < 0.005
