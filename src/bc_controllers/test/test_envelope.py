"""The safety envelope, limit by limit: each acts, each counts, and none acts in a run that needs none."""

from collections.abc import Callable

import numpy as np
import pytest
from arm_model import PERIOD, Array, Loop, Model

from bc_controllers import Arbiter, Controller, ControllerConfig, Robot
from bc_core.chunks import ActionChunk
from bc_msgs.msg import ChunkAck, ControlMode
from bc_msgs.srv import ChangeMode

MakeChunk = Callable[..., ActionChunk]
START, SECOND = 10_000_000_000, 1_000_000_000
RESUME = ChangeMode.Request.RESUME
LIMITS = (
    "velocity_limited",
    "acceleration_limited",
    "workspace_limited",
    "tcp_speed_limited",
    "kinematics_limited",
    "error_clipped",
    "limits_repelled",
    "overspeed",
    "torque_limited",
    "torque_rate_limited",
    "position_limited",
    "nonfinite_inputs",
    "nonfinite_commands",
    "frozen_encoders",
    "commands_overdue",
    "sources_silent",
    "values_clamped",
)


@pytest.fixture
def model(robot: Robot) -> Model:
    return Model(robot)


def acted(controller: Controller | Arbiter) -> set[str]:
    """The limits that have intervened so far."""
    status = controller.status()
    return {name for name in LIMITS if getattr(status, name) > 0}


def ramp(home: Array, per_row: float, rows: int, joints: Array | None = None) -> Array:
    """Rows (rows, 8) in which joints [rad] grow from a stand; all of them, or those named."""
    which = np.ones(7) if joints is None else joints
    grown = per_row * np.maximum(np.arange(rows) - 1, 0)[:, None] * which
    return np.hstack([home + grown, np.full((rows, 1), 0.04)])


def follow(loop: Loop, home: Array, periods: int) -> list[Array]:
    """Runs with an arm that is where its reference is; returns the tool's place in each period."""
    q, dq, tools = home, np.zeros(7), []
    for _ in range(periods):
        loop.run(q, dq)
        state = loop.controller.state()
        q, dq = state.position_reference, state.velocity_reference
        tools.append(state.tcp_reference[:3])
    return tools


def test_nothing_intervenes_in_a_quiet_run(controller: Controller, home: Array, make_chunk: MakeChunk) -> None:
    loop = Loop(controller)
    loop.run(home)
    controller.submit("human", make_chunk(ramp(home, 0.01, 30), loop.now, mode_epoch=1))
    follow(loop, home, 2000)
    assert acted(controller) == set()


def test_absolute_torque_and_torque_rate(controller: Controller, robot: Robot, home: Array) -> None:
    loop = Loop(controller)
    last = loop.run(home)
    for i in range(300):
        torque = loop.run(home + 0.5 + 1e-6 * (i % 2))
        assert np.all(np.abs(torque) <= np.array(robot.controller.torque))
        assert np.abs(torque - last).max() <= robot.controller.torque_rate * 1e-3 + 1e-9
        last = torque
    assert {"torque_limited", "torque_rate_limited", "error_clipped"} <= acted(controller)


def test_a_late_loop_may_not_step(controller: Controller, robot: Robot, home: Array) -> None:
    """After a second without a period the torque changes by five periods' worth at most, not by a second's."""
    loop = Loop(controller)
    last = loop.run(home)
    loop.now += SECOND
    torque = loop.run(home + 0.5)
    assert np.abs(torque - last).max() <= 5 * robot.controller.torque_rate * 1e-3 + 1e-9


def test_errors_are_clipped(controller: Controller, robot: Robot, model: Model, home: Array) -> None:
    """The spring pulls as if the joint were joint_error away, however far it is."""
    loop = Loop(controller)
    loop.run(home)
    robot_limits = np.array(robot.controller.joint_error)
    away = home + np.eye(7)[0] * 0.13
    np.testing.assert_allclose(loop.run(away, periods=200) - model.gravity(away), -600 * 0.13 * np.eye(7)[0], atol=1e-6)
    assert "error_clipped" not in acted(controller)
    controller.set_gains(stiffness=[100.0] * 7)
    loop.run(home, periods=1000)
    far = home + np.eye(7)[0] * 0.5
    torque = loop.run(far, periods=300) - model.gravity(far)
    np.testing.assert_allclose(torque, -100 * robot_limits[0] * np.eye(7)[0], atol=1e-6)
    assert controller.status().error_clipped == 300


def test_a_joint_is_pushed_back_from_its_limit(controller: Controller, robot: Robot, model: Model, home: Array) -> None:
    """Joint 4's range ends at -3.0718; the margin before it is a spring, which does not wait for the reference."""
    lower = controller.position_lower[3]
    q = home.copy()
    q[3] = lower - 0.03
    loop = Loop(controller)
    torque = loop.run(q, periods=200) - model.gravity(q)
    np.testing.assert_allclose(torque, np.eye(7)[3] * robot.controller.repulsion[3] * 0.03, atol=1e-6)
    assert controller.status().limits_repelled == 200


def test_a_fast_joint_is_not_driven_on(controller: Controller, robot: Robot, model: Model, home: Array) -> None:
    """Above 90 % of the URDF's 2.175 rad/s no torque accelerates, and damping sets in."""
    loop = Loop(controller)
    loop.run(home)
    away, fast = home - 0.13 * np.eye(7)[0], 2.1 * np.eye(7)[0]
    controller.set_gains(damping=[0.0] * 7)
    loop.run(home, periods=1000)
    slow = loop.run(away, 0.5 * fast, periods=30) - model.nonlinear(away, 0.5 * fast)
    assert slow[0] > 10.0 and acted(controller) == {"torque_rate_limited"}
    loop.run(away + 1e-6, fast, periods=20)
    driven = loop.run(away, fast, periods=20) - model.nonlinear(away, fast)
    assert driven[0] <= 1e-9
    assert controller.status().overspeed == 40


def test_the_setpoint_keeps_the_tool_in_its_box(robot: Robot, home: Array, make_chunk: MakeChunk) -> None:
    """A chunk of joints that leads the tool out: it brakes, stands at the face, and goes on when led back."""
    robot.controller.workspace.upper = [0.33, 0.9, 1.3]  # home is at 0.307
    controller = Controller(robot.controller, str(robot.urdf))
    loop = Loop(controller)
    loop.run(home)
    out = ramp(home, 0.02, 20, np.array([0, 1, 0, 0, 0, 0, 0]))  # leans forward
    there_and_back = np.vstack([out, out[::-1], np.tile(out[0], (20, 1))])
    controller.submit("human", make_chunk(there_and_back, loop.now, mode_epoch=1))
    tools = np.array(follow(loop, home, 2900))
    assert tools[:, 0].max() <= 0.33 + 1e-5
    assert tools[:, 0].max() > 0.329
    assert np.abs(np.diff(tools, n=2, axis=0)).max() / 1e-6 < 10 * robot.controller.workspace.linear_acceleration
    assert acted(controller) - {"torque_rate_limited"} == {"workspace_limited"}
    np.testing.assert_allclose(controller.state().position_reference, out[0, :7], atol=1e-6)


def test_the_setpoint_keeps_to_the_tool_s_speed(robot: Robot, home: Array, make_chunk: MakeChunk) -> None:
    robot.controller.workspace.linear_velocity = 0.15
    controller = Controller(robot.controller, str(robot.urdf))
    loop = Loop(controller)
    loop.run(home)
    rows = ramp(home, 0.02, 20, np.array([1, 0, 0, 0, 0, 0, 0]))  # 0.4 rad/s at 0.55 m
    rows = np.vstack([rows, np.tile(rows[-1], (30, 1))])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1))
    tools = np.array(follow(loop, home, 2400))
    assert np.linalg.norm(np.diff(tools, axis=0), axis=1).max() / 1e-3 <= 0.15 * (1 + 1e-3)
    assert acted(controller) - {"torque_rate_limited"} == {"tcp_speed_limited"}
    np.testing.assert_allclose(controller.state().position_reference, rows[-1, :7], atol=1e-5)


def test_reference_speed_acceleration_and_range(
    arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk
) -> None:
    arbiter.request(RESUME, "test")
    arbiter.advance(START)
    rows = np.full((40, 8), 0.04)
    rows[:, :7] = np.minimum(0.1 + 3.0 * 0.05 * np.arange(40), 2.9)[:, None]  # 3 rad/s: faster than any joint may
    arbiter.submit("policy", make_chunk(rows, START, mode_epoch=2))
    path = np.array([arbiter.advance(START + i * PERIOD) for i in range(1, 1900)])
    assert np.all(np.abs(np.diff(path[:, :7], axis=0)) <= np.array(config.velocity) * 1e-3 * (1 + 1e-6))
    assert path[:, :7].max() <= 2.5
    assert {"velocity_limited", "acceleration_limited", "values_clamped"} <= acted(arbiter)


@pytest.mark.parametrize("broken", ["position", "velocity"])
def test_an_input_that_is_not_finite(controller: Controller, home: Array, broken: str) -> None:
    loop = Loop(controller)
    loop.run(home)
    bad = np.where(np.arange(7) == 2, np.inf, home)
    torque = loop.run(bad if broken == "position" else home, bad if broken == "velocity" else np.zeros(7), periods=7)
    assert np.all(np.isfinite(torque))
    assert controller.state().mode == ControlMode.STOPPED
    assert controller.status().nonfinite_inputs == 7


def test_a_command_that_is_not_finite(controller: Controller, home: Array) -> None:
    """Velocities that are finite and absurd overflow in the model: no such torque leaves the controller."""
    loop = Loop(controller)
    loop.run(home)
    for i in range(3):
        torque = loop.run(home + 1e-6 * (i + 1), np.full(7, 1e200))  # never frozen
    assert np.all(np.isfinite(torque))
    assert controller.state().mode == ControlMode.STOPPED
    assert controller.status().nonfinite_commands == 3


def test_an_encoder_that_is_frozen(controller: Controller, home: Array) -> None:
    """Its velocity says that it moves, its position repeats to the bit; a slow bias of the velocity is none."""
    loop = Loop(controller)
    loop.run(home, np.full(7, 0.01), periods=12000)
    assert controller.state().mode == ControlMode.HOLD
    loop.run(home, 0.5 * np.eye(7)[2], periods=250)
    assert controller.state().mode == ControlMode.STOPPED
    assert controller.status().frozen_encoders == 1


def test_a_clock_that_stands_still_keeps_no_command_alive(arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    """The ROS clock stops; by the steady clock the chunk is over, and half a second later so is its command."""
    arbiter.request(RESUME, "test")
    arbiter.advance(START)
    rows = np.hstack([0.1 + 0.005 * np.maximum(np.arange(8) - 1, 0)[:, None] * np.ones((1, 7)), np.full((8, 1), 0.04)])
    arbiter.submit("policy", make_chunk(rows, START, mode_epoch=2))
    modes = [arbiter.mode]
    for i in range(1, 1300):  # 0.35 s of rows, 0.5 s of tolerance, 0.3 s to HOLD
        arbiter.update(START + min(i, 100) * PERIOD, START + i * PERIOD)
        modes.append(arbiter.mode)
    assert modes[840] == ControlMode.POLICY and modes[1250] == ControlMode.HOLD
    assert np.all(arbiter.velocity == 0.0)
    assert acted(arbiter) == {"commands_overdue"}


def test_a_source_that_is_silent_does_not_command_through_a_long_chunk(arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    arbiter.request(RESUME, "test")
    arbiter.advance(START)
    rows = np.hstack([0.1 + 0.001 * np.arange(200)[:, None] * np.ones((1, 7)), np.full((200, 1), 0.04)])
    arbiter.submit("policy", make_chunk(rows, START, mode_epoch=2))
    arbiter.advance(START + 5 * SECOND - 10 * PERIOD)
    assert np.all(arbiter.velocity > 0.0)
    arbiter.advance(START + 6 * SECOND)
    assert arbiter.mode == ControlMode.HOLD and np.all(arbiter.velocity == 0.0)
    assert acted(arbiter) == {"sources_silent"}


def test_a_planner_s_trajectory_may_be_long(arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    arbiter.request(ChangeMode.Request.GRANT, "test")
    arbiter.advance(START)
    rows = np.hstack([0.1 + 0.001 * np.arange(200)[:, None] * np.ones((1, 7)), np.full((200, 1), 0.04)])
    arbiter.submit("planner", make_chunk(rows, START, mode_epoch=2))
    arbiter.advance(START + 9 * SECOND)
    assert np.all(arbiter.velocity > 0.0) and acted(arbiter) == set()


def test_a_chunk_sent_while_nobody_ran_the_loop_is_not_executed(
    controller: Controller, home: Array, make_chunk: MakeChunk
) -> None:
    """Deactivated and activated anew elsewhere: what waited names an epoch that is over."""
    loop = Loop(controller)
    loop.run(home, periods=10)
    loop.now += 20 * PERIOD
    controller.submit("human", make_chunk(ramp(home, 0.02, 20), loop.now, mode_epoch=1))
    controller.relocate("activation")
    loop.run(home + 0.2, periods=300)
    assert controller.state().mode == ControlMode.HOLD
    np.testing.assert_array_equal(controller.state().position_reference, home + 0.2)
    assert [ack.reason for ack in controller.poll_acks()] == [ChunkAck.FOREIGN_EPOCH]
