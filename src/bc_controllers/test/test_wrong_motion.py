"""What could move the arm although nobody commanded it, or otherwise than commanded: in each case it stays put."""

from collections.abc import Callable

import numpy as np
import pytest
from arm_model import PERIOD, ZERO, Array, Loop, Model

from bc_controllers import Arbiter, ConfigError, Controller, Robot
from bc_controllers._binding import GroupLayout
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_msgs.msg import ChunkAck, ControlMode
from bc_msgs.srv import ChangeMode

MakeChunk = Callable[..., ActionChunk]
SECOND, START = 1_000_000_000, 10_000_000_000
STOP, RESET, RESUME = ChangeMode.Request.STOP, ChangeMode.Request.RESET, ChangeMode.Request.RESUME
SPEED = 0.8  # of ramp() [rad/s]


@pytest.fixture
def model(robot: Robot) -> Model:
    return Model(robot)


def ramp(place: Array, rows: int, gripper: float = 0.04) -> Array:
    """Rows (rows, 8) in which joint 1 goes at SPEED, after a first row that stands."""
    joints = place + 0.05 * SPEED * np.maximum(np.arange(rows) - 1, 0)[:, None] * np.eye(7)[0]
    return np.hstack([joints, np.full((rows, 1), gripper)])


def freeze(loop: Loop, home: Array, make_chunk: MakeChunk) -> None:
    """Joint 1 is sent away and its reading repeats to the bit, until the controller notices."""
    loop.controller.submit("human", make_chunk(ramp(home, 40), loop.now, mode_epoch=1))
    rng = np.random.default_rng(1)
    for _ in range(500):
        loop.run(np.where(np.eye(7)[0] > 0, home, home + rng.normal(0.0, 1e-7, 7)))
    assert loop.controller.state().mode == ControlMode.STOPPED
    assert loop.controller.status().frozen_encoders == 1


def test_a_frozen_encoder_does_not_leave_the_spring_stretched(
    controller: Controller, model: Model, home: Array, make_chunk: MakeChunk
) -> None:
    """A spring on a reading that stands would drive the true joint on and on: gravity alone is held, until reset."""
    loop = Loop(controller)
    loop.run(home)
    freeze(loop, home, make_chunk)
    for _ in range(3):
        np.testing.assert_allclose(loop.run(home, periods=1000), model.gravity(home), atol=1e-4)
    controller.change_mode(RESET, "test")
    np.testing.assert_allclose(loop.run(home, periods=2000), model.gravity(home), atol=1e-4)
    assert controller.state().mode == ControlMode.HOLD
    assert controller.status().frozen_encoders == 1


def test_positions_stay_where_they_were_sent_when_an_encoder_was_frozen(
    robot: Robot, home: Array, make_chunk: MakeChunk
) -> None:
    """Neither the fault nor its reset moves a drive, whose own encoder may be sound."""
    robot.controller.output = "position"
    controller = Controller(robot.controller, str(robot.urdf))
    loop = Loop(controller)
    loop.run(home)
    freeze(loop, home, make_chunk)
    sent = loop.run(home)
    assert sent[0] > home[0] + 0.05
    controller.change_mode(RESET, "test")
    np.testing.assert_allclose(loop.run(home, periods=1000), sent, atol=1e-9)
    assert controller.state().mode == ControlMode.HOLD


def test_an_arm_that_moved_unseen_is_not_pulled_back(
    controller: Controller, model: Model, home: Array, make_chunk: MakeChunk
) -> None:
    """Readings are gone for a second, the arm floats away: it stands where it is found, and keeps its grip."""
    loop = Loop(controller)
    loop.run(home)
    controller.submit("human", make_chunk(np.tile(np.append(home, 0.0), (8, 1)), loop.now, mode_epoch=1))
    loop.run(home, periods=300)
    loop.run(np.full(7, np.nan), periods=1000, gripper=0.03)
    away = home + 0.4 * np.eye(7)[0]
    for _ in range(8):
        torque = loop.run(away, periods=250, gripper=0.03)
        assert np.abs(torque - model.gravity(away)).max() < 1e-6
    state = controller.state()
    assert state.mode == ControlMode.STOPPED
    np.testing.assert_array_equal(state.position_reference, away)
    assert state.gripper_reference == 0.0


@pytest.mark.parametrize("output", ["joint_impedance", "cartesian_impedance"])
def test_no_wrench_pushes_a_stopped_arm(robot: Robot, model: Model, home: Array, output: str) -> None:
    robot.controller.output = output
    controller = Controller(robot.controller, str(robot.urdf))
    loop = Loop(controller)
    loop.run(home)

    def pushed(periods: int) -> float:
        for _ in range(periods // 100):
            controller.set_wrench([20.0, 0.0, 0.0, 0.0, 0.0, 0.0])
            torque = loop.run(home, periods=100)
        return float(np.abs(torque - model.gravity(home)).max())

    assert pushed(1000) > 3.0
    controller.change_mode(STOP, "test")
    assert pushed(1000) < 1e-6
    controller.change_mode(RESET, "test")
    assert pushed(1000) > 3.0


@pytest.mark.parametrize("jump_s", [-3600.0, -0.6, 2.0, 3600.0])
def test_a_clock_that_jumps_ends_the_motion(
    controller: Controller, home: Array, make_chunk: MakeChunk, jump_s: float
) -> None:
    """Rows are stamped by a clock that is no more: the arm neither runs back through them, nor ahead of them."""
    loop = Loop(controller)
    loop.run(home)
    controller.submit("human", make_chunk(ramp(home, 60), loop.now, mode_epoch=1))
    q = home
    for _ in range(1000):
        loop.run(q)
        q = controller.state().position_reference
    at, path = q[0], []
    for _ in range(1500):
        controller.update(loop.now + round(jump_s * 1e9), loop.now, q, ZERO, 0.04)
        loop.now += PERIOD
        q = controller.state().position_reference
        path.append(q[0])
    assert np.all(np.diff(path) >= 0.0)
    assert path[-1] - at < 1.05 * SPEED**2 / (2 * 7.5) + 0.002  # the way of braking
    assert controller.status().commands_overdue == 1
    assert controller.state().mode == ControlMode.HUMAN  # until its lease is over


def test_a_chunk_that_waits_is_dropped_when_the_clock_jumps(
    arbiter: Arbiter, make_chunk: MakeChunk, level: Callable[..., Array]
) -> None:
    arbiter.request(RESUME, "test")
    arbiter.advance(START)
    arbiter.submit("policy", make_chunk(level(0.5), START + SECOND // 2, mode_epoch=2))
    arbiter.advance(START + PERIOD)
    for i in range(2, 400):
        row = arbiter.update(START + SECOND + i * PERIOD, START + i * PERIOD)
    (ack,) = arbiter.poll_acks()
    assert ack.reason == ChunkAck.SUPERSEDED and "clock jumped" in ack.detail
    assert arbiter.status().commands_overdue == 0  # which counts chunks in force
    np.testing.assert_array_equal(row[:7], 0.1)


def test_a_pose_does_not_leap_when_the_loop_was_late(
    robot: Robot, model: Model, home: Array, make_chunk: MakeChunk
) -> None:
    """0.4 s without a period at 0.4 m/s: what was missed is caught up within the limits, not in one step."""
    config = robot.controller
    config.output = "cartesian_impedance"
    config.groups = [
        GroupLayout("tool", int(Space.CARTESIAN_POSE), [], robot.tcp, robot.base_frame),
        config.groups[1],
    ]
    controller = Controller(config, str(robot.urdf))
    loop = Loop(controller)
    loop.run(home)
    groups = (
        ActionGroup("tool", Space.CARTESIAN_POSE, (), 0, 7, robot.tcp, robot.base_frame),
        ActionGroup("gripper", Space.GRIPPER, (robot.gripper,), 7, 1),
    )
    rows = np.tile(np.append(model.pose(home), 0.04), (30, 1))
    rows[:, 1] += 0.02 * np.maximum(np.arange(30) - 1, 0)
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1, groups=groups))
    for i in range(400):
        loop.run(home + 1e-7 * (i % 2))  # never frozen
    before = controller.state().tcp_reference[1]
    loop.now += 400 * PERIOD
    steps = []
    for i in range(600):
        loop.run(home + 1e-7 * (i % 2))
        steps.append(controller.state().tcp_reference[1] - before)
        before = controller.state().tcp_reference[1]
    assert max(steps) <= 5 * config.workspace.linear_velocity * 1e-3 * (1 + 1e-6)
    assert max(steps[1:]) <= config.workspace.linear_velocity * 1e-3 * (1 + 1e-6)
    assert np.abs(np.diff(steps[1:])).max() / 1e-6 <= 61.0  # peak_acceleration times linear_acceleration
    assert before == pytest.approx(rows[0, 1] + 0.4 * (1.4 - 0.05), abs=1e-3)  # caught up


def test_position_limits_beyond_the_urdf_are_refused(robot: Robot) -> None:
    robot.controller.position_lower, robot.controller.position_upper = [-2.5] * 7, [2.5] * 7
    with pytest.raises(ConfigError, match=r"position of panda_joint2 ranges .* beyond the URDF's -1\.7628"):
        Controller(robot.controller, str(robot.urdf))


def test_a_joint_is_not_freed_live_without_damping(controller: Controller) -> None:
    with pytest.raises(ConfigError, match="stiffness and damping of panda_joint3 are both zero"):
        controller.set_gains(stiffness=[600.0, 600.0, 0.0, 600.0, 250.0, 150.0, 80.0], damping=[0.0] * 7)
    controller.set_gains(stiffness=[0.0] * 7)  # to be guided by hand: damped
