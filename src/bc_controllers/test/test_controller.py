"""The controller against the robot's rigid-body model: torques, limits, faults, and what it reports."""

from collections.abc import Callable

import numpy as np
import pytest
from arm_model import PERIOD, START, ZERO, Array, Loop, Model

from bc_controllers import ConfigError, Controller, Robot
from bc_core.chunks import ActionChunk
from bc_msgs.msg import ControlMode
from bc_msgs.srv import ChangeMode

MakeChunk = Callable[..., ActionChunk]


@pytest.fixture
def model(robot: Robot) -> Model:
    return Model(robot)


def test_the_first_torque_holds_the_arm_where_it_is(controller: Controller, model: Model, home: Array) -> None:
    """No step at the start: neither from a reference elsewhere nor from a rate limit that starts from nil."""
    np.testing.assert_allclose(Loop(controller).run(home), model.gravity(home), atol=1e-9)
    assert controller.status().torque_rate_limited == 0


def test_the_impedance_law(controller: Controller, robot: Robot, model: Model, home: Array) -> None:
    loop = Loop(controller)
    loop.run(home)
    rng = np.random.default_rng(3)
    offset, dq = rng.uniform(-0.02, 0.02, 7), rng.uniform(-0.2, 0.2, 7)
    torque = loop.run(home + offset, dq, periods=100)  # long enough for the rate limit
    gains = robot.controller
    expected = model.nonlinear(home + offset, dq) - np.array(gains.stiffness) * offset - np.array(gains.damping) * dq
    np.testing.assert_allclose(torque, expected, atol=1e-9)


@pytest.mark.parametrize(("gravity", "coriolis"), [(True, False), (False, True), (False, False)])
def test_compensation_is_what_the_robot_does_not_do_itself(
    robot: Robot, model: Model, home: Array, gravity: bool, coriolis: bool
) -> None:
    robot.controller.gravity_compensation, robot.controller.coriolis_compensation = gravity, coriolis
    robot.controller.damping = [0.0] * 7
    loop = Loop(Controller(robot.controller, str(robot.urdf)))
    loop.run(home)
    dq: Array = np.linspace(-0.5, 0.5, 7, dtype=np.float64)
    weight = model.gravity(home)
    parts = [weight if gravity else ZERO, model.nonlinear(home, dq) - weight if coriolis else ZERO]
    np.testing.assert_allclose(loop.run(home, dq, periods=100), np.sum(parts, axis=0), atol=1e-9)


def test_torques_are_limited_in_size_and_in_rate(controller: Controller, robot: Robot, home: Array) -> None:
    loop = Loop(controller)
    last = loop.run(home)
    for i in range(300):
        torque = loop.run(home + 0.5 + 1e-6 * (i % 2))
        assert np.abs(torque - last).max() <= robot.controller.torque_rate * 1e-3 + 1e-9
        assert np.all(np.abs(torque) <= np.array(robot.controller.torque))
        last = torque
    status = controller.status()
    assert status.torque_limited == 300 and status.torque_rate_limited > 50


@pytest.mark.parametrize("broken", ["position", "velocity", "gripper"])
def test_a_reading_that_is_not_a_number_stops_and_the_arm_is_held_up(
    controller: Controller, model: Model, home: Array, broken: str
) -> None:
    loop = Loop(controller)
    loop.run(home, periods=3)
    controller.poll_modes()
    bad = np.where(np.arange(7) == 2, np.nan, home)
    torque = loop.run(
        bad if broken == "position" else home,
        bad if broken == "velocity" else ZERO,
        gripper=np.nan if broken == "gripper" else 0.04,
        periods=50,
    )
    np.testing.assert_allclose(torque, model.gravity(home), atol=1e-6)
    (change,) = controller.poll_modes()
    assert (change.mode, change.reason) == (ControlMode.STOPPED, "fault: encoder reading is not finite")
    assert np.all(np.isfinite(loop.run(home, periods=10)))
    assert controller.state().stiffness_scale < 0.05  # comes back gradually


def test_a_frozen_encoder_is_noticed_only_when_its_joint_should_move(
    controller: Controller, home: Array, make_chunk: MakeChunk
) -> None:
    loop = Loop(controller)
    loop.run(home, periods=3000)  # standing still is no fault, however exact the readings
    assert controller.state().mode == ControlMode.HOLD
    rows = np.hstack([home + np.linspace(0.0, 0.5, 30)[:, None] * np.eye(7)[4], np.full((30, 1), 0.04)])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1))
    rng = np.random.default_rng(4)
    for _ in range(200):
        reading = home + rng.normal(0.0, 1e-6, 7)
        reading[4] = home[4]
        loop.run(reading)
    assert controller.state().mode == ControlMode.HUMAN
    for _ in range(200):
        reading = home + rng.normal(0.0, 1e-6, 7)
        reading[4] = home[4]
        loop.run(reading)
    assert controller.state().mode == ControlMode.STOPPED
    assert controller.poll_modes()[-1].reason == "fault: encoder reading is frozen"


def test_relocation_begins_anew_where_the_robot_is(
    controller: Controller, model: Model, home: Array, make_chunk: MakeChunk
) -> None:
    loop = Loop(controller)
    loop.run(home)
    controller.change_mode(ChangeMode.Request.RESUME, "test")
    loop.run(home)
    rows = np.hstack([np.tile(home, (8, 1)), np.full((8, 1), 0.04)])
    controller.submit("policy", make_chunk(rows, loop.now + 500 * PERIOD, mode_epoch=2))
    loop.run(home, periods=2)
    elsewhere = home + 0.3
    controller.relocate("scene reset")
    np.testing.assert_allclose(loop.run(elsewhere), model.gravity(elsewhere), atol=1e-9)
    state = controller.state()
    assert (state.mode, state.mode_epoch) == (ControlMode.HOLD, 3)
    np.testing.assert_array_equal(state.position_reference, elsewhere)
    assert controller.poll_modes()[-1].reason == "scene reset"
    assert [ack.reason for ack in controller.poll_acks()] == [10]  # SUPERSEDED


def test_a_loop_that_stood_still_begins_where_the_robot_is_and_forgets_what_came_meanwhile(
    controller: Controller, model: Model, home: Array, make_chunk: MakeChunk
) -> None:
    loop = Loop(controller)
    loop.run(home)
    controller.change_mode(ChangeMode.Request.RESUME, "test")
    loop.run(home)
    controller.end(loop.now, "deactivated")
    assert (controller.poll_modes()[-1].reason, controller.state().mode) == ("deactivated", ControlMode.HOLD)
    controller.poll_results()
    elsewhere = home + 0.3
    rows = np.hstack([np.tile(home, (8, 1)), np.full((8, 1), 0.04)])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=3))
    controller.change_mode(ChangeMode.Request.RESUME, "while it stood still")
    controller.begin_again("activated")
    loop.now += 5000 * PERIOD
    np.testing.assert_allclose(loop.run(elsewhere), model.gravity(elsewhere), atol=1e-9)
    loop.run(elsewhere, periods=10)
    state = controller.state()
    assert state.mode == ControlMode.HOLD
    np.testing.assert_array_equal(state.position_reference, elsewhere)
    assert controller.poll_acks() == []
    (answer,) = controller.poll_results()
    assert not answer.success and "stands still" in answer.message


def test_a_fault_is_told_from_a_stop_by_request(controller: Controller, home: Array) -> None:
    loop = Loop(controller)
    loop.run(home)
    controller.change_mode(ChangeMode.Request.STOP, "test")
    loop.run(home)
    assert (controller.state().mode, controller.faulted) == (ControlMode.STOPPED, False)
    controller.change_mode(ChangeMode.Request.RESET, "test")
    loop.run(home)
    loop.run(np.full(7, np.nan))
    assert (controller.state().mode, controller.faulted) == (ControlMode.STOPPED, True)
    controller.begin_again("activated")  # a fault stays latched
    loop.run(home)
    assert (controller.state().mode, controller.faulted) == (ControlMode.STOPPED, True)
    controller.change_mode(ChangeMode.Request.RESET, "test")
    loop.run(home)
    assert (controller.state().mode, controller.faulted) == (ControlMode.HOLD, False)


def test_the_description_may_be_a_file_or_its_text(robot: Robot, home: Array) -> None:
    text = Controller(robot.controller, robot.urdf.read_text())
    file = Controller(robot.controller, str(robot.urdf))
    np.testing.assert_array_equal(Loop(text).run(home), Loop(file).run(home))
    with pytest.raises(ConfigError, match="the URDF is not a robot description"):
        Controller(robot.controller, "<robot")


def test_a_takeover_made_before_a_relocation_is_refused(
    controller: Controller, home: Array, make_chunk: MakeChunk
) -> None:
    """It would start from where the robot no longer is."""
    loop = Loop(controller)
    loop.run(home)
    controller.relocate("scene reset")
    loop.run(home + 0.3)
    rows = np.hstack([np.tile(home, (8, 1)), np.full((8, 1), 0.04)])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1, sequence=1))
    controller.submit("human", make_chunk(rows + 0.3, loop.now, mode_epoch=2, sequence=2))
    loop.run(home + 0.3, periods=2)
    acks = {ack.sequence: ack for ack in controller.poll_acks()}
    assert acks[1].reason == 5  # FOREIGN_EPOCH
    assert acks[2].verdict == 1  # IN_FORCE


def test_the_state_reports_poses_and_the_chunk_in_force(
    controller: Controller, model: Model, home: Array, make_chunk: MakeChunk
) -> None:
    loop = Loop(controller)
    loop.run(home)
    rows = np.hstack([home + 0.01 * np.maximum(np.arange(8) - 1, 0)[:, None], np.full((8, 1), 0.04)])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1, producer_id=2**63 + 5, sequence=11))
    loop.run(home, periods=201)
    state = controller.state()
    assert (state.source, state.producer_id, state.sequence) == ("human", 2**63 + 5, 11)
    assert state.row == pytest.approx(4.0)
    np.testing.assert_allclose(state.position_reference, rows[4, :7], atol=1e-12)
    np.testing.assert_allclose(state.velocity_reference, np.full(7, 0.2), atol=1e-9)
    for pose, q in ((state.tcp, home), (state.tcp_reference, rows[4, :7])):
        expected = model.pose(q)
        np.testing.assert_allclose(pose[:3], expected[:3], atol=1e-9)
        assert abs(pose[3:] @ expected[3:]) == pytest.approx(1.0)


def test_wrong_vector_sizes_are_an_error(controller: Controller, home: Array) -> None:
    with pytest.raises(ValueError, match="7 joints, got 6 positions and 7 velocities"):
        controller.update(START, START, home[:6], ZERO, 0.04)
