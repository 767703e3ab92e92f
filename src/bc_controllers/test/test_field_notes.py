"""What public controllers do wrong in the field: here each is impossible. Names are those of the behaviours."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from arm_model import ZERO, Array, Loop, Model

from bc_controllers import ConfigError, Controller, ControllerConfig, Robot
from bc_controllers._binding import GroupLayout
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_msgs.msg import ChunkAck, ControllerState, ControlMode
from bc_msgs.srv import ChangeMode

MakeChunk = Callable[..., ActionChunk]
RESUME = ChangeMode.Request.RESUME


@pytest.fixture
def model(robot: Robot) -> Model:
    return Model(robot)


@pytest.fixture
def tool(robot: Robot) -> tuple[ActionGroup, ActionGroup]:
    """Groups of a chunk of poses."""
    return (
        ActionGroup("tool", Space.CARTESIAN_POSE, (), 0, 7, robot.tcp, robot.base_frame),
        ActionGroup("gripper", Space.GRIPPER, (robot.gripper,), 7, 1),
    )


def cartesian(robot: Robot) -> Controller:
    """The Panda's, whose chunks hold a pose."""
    config = robot.controller
    config.output = "cartesian_impedance"
    layout = GroupLayout("tool", int(Space.CARTESIAN_POSE), [], robot.tcp, robot.base_frame)
    config.groups = [layout, config.groups[1]]
    return Controller(config, str(robot.urdf))


def test_negative_nullspace_damping_from_a_wrong_default(robot: Robot, model: Model, home: Array) -> None:
    """What is not configured is positive, and takes energy out of a motion that the tool does not see."""
    assert ControllerConfig().cartesian.nullspace_damping_ratio > 0.0
    null = np.linalg.svd(model.jacobian(home))[2][-1]
    loop = Loop(cartesian(robot))
    loop.run(home)
    torque = loop.run(home, 0.3 * null, periods=300) - model.nonlinear(home, 0.3 * null)
    assert torque @ null < -0.1


@pytest.mark.parametrize("frame", ["base_frame", "tcp_frame"])
def test_a_wrong_frame_name_gives_garbage_torque_instead_of_an_error(robot: Robot, frame: str) -> None:
    setattr(robot.controller, frame, "panda_typo")
    with pytest.raises(ConfigError, match=r"frame 'panda_typo' is not in the URDF: it has .*panda_hand_tcp"):
        Controller(robot.controller, str(robot.urdf))


def test_a_target_received_while_inactive_is_applied_at_activation(
    controller: Controller, home: Array, make_chunk: MakeChunk
) -> None:
    loop = Loop(controller)
    loop.run(home)
    controller.end(loop.now, "deactivated")
    rows = np.hstack([np.tile(home + 0.3, (30, 1)), np.full((30, 1), 0.04)])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=controller.state().mode_epoch))
    controller.begin_again("activated")
    loop.run(home, periods=500)
    assert controller.state().mode == ControlMode.HOLD
    np.testing.assert_array_equal(controller.state().position_reference, home)


def test_the_last_torque_is_not_reset_for_the_rate_limiter(controller: Controller, model: Model, home: Array) -> None:
    loop = Loop(controller)
    loop.run(home)
    loop.run(home + 0.15, periods=200)  # torques of 90 Nm
    controller.end(loop.now, "deactivated")
    assert np.all(controller.state().effort == 0.0)
    controller.begin_again("activated")
    np.testing.assert_allclose(loop.run(home), model.gravity(home), atol=1e-9)


def test_most_of_a_step_passes_in_one_cycle(
    robot: Robot, model: Model, home: Array, make_chunk: MakeChunk, tool: tuple[ActionGroup, ActionGroup]
) -> None:
    """10 cm at once, and no limit of torque rate: the torque never steps by what a limiter would have to cut."""
    robot.controller.torque_rate = 1e9
    controller = cartesian(robot)
    loop = Loop(controller)
    last = loop.run(home)
    start = np.append(model.pose(home), 0.04)
    rows = np.tile(start, (60, 1))
    rows[:, 1] += 0.1
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1, groups=tool))
    q, moved = home, []
    for _ in range(700):
        torque = loop.run(q)
        assert np.abs(torque - last).max() < 1.0
        last, q = torque, controller.state().position_reference
        moved.append(controller.state().tcp_reference[1] - start[1])
    assert moved[0] < 0.001 and moved[-1] == pytest.approx(0.1, abs=1e-6)
    assert controller.poll_acks()[0].raw_jump == pytest.approx(0.1)


def test_there_is_no_interpolation_between_50_hz_targets(
    controller: Controller, home: Array, make_chunk: MakeChunk
) -> None:
    loop = Loop(controller)
    loop.run(home)
    rows = np.hstack([home + 0.01 * np.maximum(np.arange(40) - 1, 0)[:, None], np.full((40, 1), 0.04)])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1, dt_ns=20_000_000))
    loop.run(home, periods=100)
    path = []
    for i in range(400):
        loop.run(home + 1e-7 * (i % 2))
        path.append(controller.state().position_reference[0])
    np.testing.assert_allclose(np.diff(path), 0.01 / 20, rtol=0.05)


@pytest.mark.parametrize("source", ["human", "policy", "planner"])
def test_the_last_target_is_held_at_full_stiffness_for_ever_when_the_source_dies(
    controller: Controller, home: Array, make_chunk: MakeChunk, source: str
) -> None:
    """The arm stops, the mode says that nobody commands, and the arm becomes compliant until the next chunk."""
    loop = Loop(controller)
    loop.run(home)
    if source != "human":
        controller.change_mode(RESUME if source == "policy" else ChangeMode.Request.GRANT, "test")
        loop.run(home)
    rows = np.hstack([home + 0.01 * np.maximum(np.arange(10) - 1, 0)[:, None], np.full((10, 1), 0.04)])
    controller.submit(source, make_chunk(rows, loop.now, mode_epoch=controller.state().mode_epoch))
    q = home
    for _ in range(5000):
        loop.run(q)
        q = controller.state().position_reference
    state = controller.state()
    assert (state.mode, state.ladder) == (ControlMode.HOLD, ControllerState.COMPLIANT)
    assert state.stiffness_scale == pytest.approx(0.3)
    assert np.all(state.velocity_reference == 0.0)
    controller.submit("human", make_chunk(np.tile(np.append(q, 0.04), (60, 1)), loop.now, mode_epoch=state.mode_epoch))
    loop.run(q, periods=1000)
    assert controller.state().stiffness_scale == 1.0


@pytest.mark.parametrize("column", range(8))
def test_nan_passes_a_test_of_norm_below_epsilon(
    robot: Robot, model: Model, home: Array, make_chunk: MakeChunk, tool: tuple[ActionGroup, ActionGroup], column: int
) -> None:
    """In any place of a target it is refused, and no torque is touched."""
    controller = cartesian(robot)
    loop = Loop(controller)
    loop.run(home)
    rows = np.tile(np.append(model.pose(home), 0.04), (8, 1))
    chunk = make_chunk(rows, loop.now, mode_epoch=1, groups=tool)
    chunk.actions.flags.writeable = True
    chunk.actions[5, column] = np.nan
    controller.submit("human", chunk)
    np.testing.assert_allclose(loop.run(home, periods=300), model.gravity(home), atol=1e-6)
    assert [ack.reason for ack in controller.poll_acks()] == [ChunkAck.NOT_FINITE]
    assert controller.state().mode == ControlMode.HOLD


def test_there_is_no_absolute_torque_limit_and_no_velocity_limit(
    controller: Controller, robot: Robot, home: Array
) -> None:
    """However far, however fast: the torque stays inside, and a joint at its speed limit is braked."""
    loop = Loop(controller)
    loop.run(home)
    for q, dq in ((home + 3.0, ZERO), (home - 3.0, np.full(7, 50.0)), (home, np.full(7, -4.0))):
        for i in range(200):
            torque = loop.run(q + 1e-6 * (i % 2), dq)  # never frozen
            assert np.all(np.abs(torque) <= np.array(robot.controller.torque))
    assert np.all(torque > 0.0)  # against a motion that is too fast
    status = controller.status()
    assert status.torque_limited > 0 and status.overspeed > 0


def test_joint_limits_are_off_for_all_joints_if_one_is_continuous(robot: Robot) -> None:
    """A joint without limits cannot be controlled: it is refused by name, when the controller is made."""
    text = robot.urdf.read_text()
    wheel, changed = re.subn(r'(name="panda_joint7" type=)"revolute"', r'\1"continuous"', text)
    assert changed == 1
    with pytest.raises(ConfigError, match="joint 'panda_joint7' is not a revolute or prismatic joint with limits"):
        Controller(robot.controller, wheel)


def test_joint_targets_are_matched_by_index_and_names_ignored(
    controller: Controller, robot: Robot, home: Array, make_chunk: MakeChunk
) -> None:
    loop = Loop(controller)
    loop.run(home)
    swapped = (robot.arm[1], robot.arm[0], *robot.arm[2:])
    groups = (
        ActionGroup("arm", Space.JOINT_POSITION, swapped, 0, 7),
        ActionGroup("gripper", Space.GRIPPER, (robot.gripper,), 7, 1),
    )
    rows = np.tile(np.append(home, 0.04), (8, 1))
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1, groups=groups))
    loop.run(home, periods=2)
    (ack,) = controller.poll_acks()
    assert ack.reason == ChunkAck.LAYOUT
    assert "column 0 is 'panda_joint2', the robot's 'panda_joint1': send the robot's order" in ack.detail
    assert controller.state().mode == ControlMode.HOLD


# "Matrices allocated and parameters copied in update(): jitter at 1 kHz":
# test_concurrency.py, test_the_control_loop_never_touches_the_heap
