"""What each output commands, against the equations of docs/controllers.md made anew with NumPy and Pinocchio."""

from collections.abc import Callable

import numpy as np
import pytest
from arm_model import PERIOD, ZERO, Array, Loop, Model
from scipy.spatial.transform import Rotation

from bc_controllers import ConfigError, Controller, Robot
from bc_controllers._binding import GroupLayout
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_msgs.msg import ControlMode

MakeChunk = Callable[..., ActionChunk]
OFFSET = np.array([0.01, -0.012, 0.008, 0.015, -0.02, 0.01, 0.03])
SPEED = np.array([0.05, -0.04, 0.03, 0.06, -0.1, 0.08, 0.1])
FREE = 300  # periods in which a rate limit is left behind


@pytest.fixture
def model(robot: Robot) -> Model:
    return Model(robot)


@pytest.fixture
def make(robot: Robot) -> Callable[..., Controller]:
    """make(output, pose=False, **attributes of cartesian): a Panda with that output."""

    def build(output: str, pose: bool = False, **cartesian: object) -> Controller:
        config = robot.controller
        config.output = output
        for name, value in cartesian.items():
            setattr(config.cartesian, name, value)
        if pose:
            tool = GroupLayout("tool", int(Space.CARTESIAN_POSE), [], robot.tcp, robot.base_frame)
            config.groups = [tool, config.groups[1]]
        return Controller(config, str(robot.urdf))

    return build


def pose_error(reference: Array, pose: Array) -> Array:
    turn = Rotation.from_quat(reference[3:]) * Rotation.from_quat(pose[3:]).inv()
    return np.concatenate([reference[:3] - pose[:3], turn.as_rotvec()])


def left_jacobian_inverse(vector: Array) -> Array:
    angle = float(np.linalg.norm(vector))
    cross = np.cross(np.eye(3), vector)
    cross = -cross if not np.allclose(cross @ [1, 0, 0], np.cross(vector, [1, 0, 0])) else cross
    share = 1 / angle**2 - (1 + np.cos(angle)) / (2 * angle * np.sin(angle))
    return np.asarray(np.eye(3) - 0.5 * cross + share * cross @ cross)


@pytest.mark.parametrize("frame", ["base", "tool"])
@pytest.mark.parametrize("projector", ["dynamic", "kinematic"])
def test_the_cartesian_law(
    make: Callable[..., Controller], robot: Robot, model: Model, home: Array, frame: str, projector: str
) -> None:
    """tau = J^T (K e + D de) + N (K_n (q_d - q) + D_n (dq_d - dq)) + C dq + g, with the reference standing at home."""
    stiffness = [700.0, 800.0, 900.0, 30.0, 40.0, 50.0]
    ratio = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    controller = make(
        "cartesian_impedance", stiffness=stiffness, damping_ratio=ratio, stiffness_frame=frame, projector=projector
    )
    loop = Loop(controller)
    loop.run(home)
    q, dq = home + OFFSET, SPEED
    torque = loop.run(q, dq, periods=FREE)

    jacobian, mass = model.jacobian(q), model.mass(q, robot.armature)
    error = pose_error(model.pose(home), model.pose(q))
    turn = np.eye(6)
    if frame == "tool":
        rotation = Rotation.from_quat(model.pose(home)[3:]).as_matrix()
        turn[:3, :3] = turn[3:, 3:] = rotation
    mobility = jacobian @ np.linalg.solve(mass, jacobian.T)
    felt = 1.0 / np.diag(turn.T @ mobility @ turn)
    spring = turn @ np.diag(stiffness) @ turn.T @ error
    spring[3:] = left_jacobian_inverse(error[3:]) @ spring[3:]
    damper = turn @ np.diag(2 * np.array(ratio) * np.sqrt(np.array(stiffness) * felt)) @ turn.T @ (-jacobian @ dq)
    posture = 10.0 * (home - q) - 2 * np.sqrt(10.0 * np.diag(mass)) * dq
    if projector == "dynamic":
        seen = np.linalg.solve(mobility, jacobian @ np.linalg.solve(mass, posture))
    else:
        seen = np.linalg.solve(jacobian @ jacobian.T, jacobian @ posture)
    expected = jacobian.T @ (spring + damper - seen) + posture + model.nonlinear(q, dq)
    np.testing.assert_allclose(torque, expected, atol=0.02)  # the projectors are damped a little
    assert controller.status().error_clipped == 0


@pytest.mark.parametrize("projector", ["dynamic", "kinematic"])
def test_posture_does_not_move_the_tool(
    make: Callable[..., Controller], robot: Robot, model: Model, home: Array, projector: str
) -> None:
    """dynamic: no acceleration of the tool; kinematic: no force that a static tool would feel."""
    jacobian = model.jacobian(home)
    null = np.linalg.svd(jacobian)[2][-1]
    controller = make("cartesian_impedance", stiffness=[0.0] * 6, projector=projector)
    controller.use_preset("")
    loop = Loop(controller)
    loop.run(home)
    q = home + 0.05 * null
    torque = loop.run(q, periods=FREE) - model.gravity(q)
    assert np.linalg.norm(torque) > 0.1
    jacobian, mass = model.jacobian(q), model.mass(q, robot.armature)
    moved = jacobian @ (np.linalg.solve(mass, torque) if projector == "dynamic" else torque)
    assert np.abs(moved).max() < 0.01 * np.linalg.norm(torque)


def test_a_free_axis_is_damped(make: Callable[..., Controller], model: Model, home: Array) -> None:
    """No stiffness, but the least damping; where the ratio asks for more, that counts alone."""
    controller = make(
        "cartesian_impedance",
        stiffness=[800.0, 800.0, 0.0, 40.0, 40.0, 40.0],
        least_damping=[10.0, 10.0, 25.0, 0.5, 0.5, 0.5],
        nullspace_stiffness=[0.0] * 7,
    )
    loop = Loop(controller)
    loop.run(home)
    dq = np.linalg.pinv(model.jacobian(home)) @ [0.0, 0.0, 0.1, 0.0, 0.0, 0.0]
    torque = loop.run(home, dq, periods=FREE) - model.nonlinear(home, dq)
    np.testing.assert_allclose(torque, model.jacobian(home).T @ [0.0, 0.0, -2.5, 0.0, 0.0, 0.0], atol=1e-6)


def test_an_axis_is_not_freed_live_without_damping(make: Callable[..., Controller]) -> None:
    controller = make("cartesian_impedance", least_damping=[0.0, 0.0, 0.0, 0.5, 0.5, 0.5])
    with pytest.raises(ConfigError, match=r"cartesian\.stiffness y is zero and cartesian\.least_damping y too"):
        controller.set_gains(cartesian_stiffness=[800.0, 0.0, 800.0, 40.0, 40.0, 40.0])
    controller.set_gains(cartesian_stiffness=[800.0, 800.0, 800.0, 40.0, 40.0, 0.0])


def test_shaped_inertia_is_what_the_tool_moves_with(
    make: Callable[..., Controller], robot: Robot, model: Model, home: Array
) -> None:
    """J M^-1 tau = Lambda_d^-1 K e: the acceleration of the shaped mass on its spring."""
    controller = make(
        "cartesian_impedance",
        inertia_shaping=True,
        stiffness=[400.0] * 3 + [20.0] * 3,
        shaped_inertia=[4.0] * 3 + [0.4] * 3,
        nullspace_stiffness=[0.0] * 7,
    )
    loop = Loop(controller)
    loop.run(home)
    q = home + 0.2 * OFFSET
    torque = loop.run(q, periods=FREE) - model.gravity(q)
    acceleration = model.jacobian(q) @ np.linalg.solve(model.mass(q, robot.armature), torque)
    error = pose_error(model.pose(home), model.pose(q))
    np.testing.assert_allclose(acceleration, error * np.repeat([100.0, 50.0], 3), atol=0.01, rtol=0.02)


@pytest.mark.parametrize("output", ["joint_impedance", "cartesian_impedance"])
def test_a_wrench_is_felt_and_dropped_when_it_is_not_renewed(
    make: Callable[..., Controller], model: Model, home: Array, output: str
) -> None:
    controller = make(output)
    loop = Loop(controller)
    loop.run(home)
    wrench = np.array([5.0, -3.0, 8.0, 0.5, 0.0, -0.3])
    for _ in range(8):
        controller.set_wrench(wrench)
        torque = loop.run(home, periods=100)
    np.testing.assert_allclose(torque - model.gravity(home), model.jacobian(home).T @ wrench, atol=1e-6)
    torque = loop.run(home, periods=1300)
    np.testing.assert_allclose(torque, model.gravity(home), atol=1e-9)
    with pytest.raises(ConfigError, match="wrench y is 31"):
        controller.set_wrench([0.0, 31.0, 0.0, 0.0, 0.0, 0.0])
    with pytest.raises(ConfigError, match="wrench x is nan"):
        controller.set_wrench([np.nan, 0.0, 0.0, 0.0, 0.0, 0.0])


def test_a_payload_is_carried(make: Callable[..., Controller], model: Model, home: Array) -> None:
    """Its weight at its centre of mass, reached gradually."""
    controller = make("joint_impedance")
    loop = Loop(controller)
    loop.run(home)
    mass, center = 2.0, np.array([0.02, 0.0, 0.05])
    controller.set_payload(mass, center)
    half = loop.run(home, periods=300) - model.gravity(home)
    full = loop.run(home, periods=1000) - model.gravity(home)
    pose = model.pose(home)
    arm = Rotation.from_quat(pose[3:]).apply(center)
    force = np.array([0.0, 0.0, mass * 9.81])
    expected = model.jacobian(home).T @ np.concatenate([force, np.cross(arm, force)])
    np.testing.assert_allclose(full, expected, atol=1e-6)
    assert 0.2 < np.linalg.norm(half) / np.linalg.norm(full) < 0.8
    with pytest.raises(ConfigError, match=r"payload\.mass is 4"):
        controller.set_payload(4.0, center)


def test_friction_goes_by_the_setpoint(robot: Robot, model: Model, home: Array, make_chunk: MakeChunk) -> None:
    config = robot.controller
    config.friction.coulomb, config.friction.viscous = [0.5] * 7, [0.2] * 7
    config.damping, config.stiffness = [0.0] * 7, [1e-3] * 7
    loop = Loop(Controller(config, str(robot.urdf)))
    loop.run(home)
    rows = np.hstack([home + 0.01 * np.arange(30)[:, None], np.full((30, 1), 0.04)])  # 0.2 rad/s
    loop.controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1))
    for i in range(1000):
        torque = loop.run(home + 1e-8 * (i % 2)) - model.gravity(home)  # never frozen
    np.testing.assert_allclose(torque, 0.5 * np.tanh(0.2 / 0.05) + 0.2 * 0.2, atol=1e-3)


def test_gains_change_at_a_limited_rate(make: Callable[..., Controller], robot: Robot, home: Array) -> None:
    controller = make("joint_impedance")
    loop = Loop(controller)
    loop.run(home)
    configured = np.array(robot.controller.stiffness)
    controller.use_preset("CO")
    seen = []
    for _ in range(1100):
        loop.run(home)
        seen.append(controller.state().gains.stiffness)
    steps = np.diff(np.vstack([configured, seen]), axis=0)
    assert np.abs(steps / configured).max() <= robot.controller.settings.most * 1e-3 * (1 + 1e-9)
    np.testing.assert_allclose(seen[-1], 0.25 * configured)
    np.testing.assert_allclose(controller.state().gains.damping, 0.75 * np.array(robot.controller.damping))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stiffness": [-1.0] * 7}, "stiffness of panda_joint1 is -1"),
        ({"stiffness": [2000.0] * 7}, "stiffness of panda_joint1 is 2000"),
        ({"damping": [np.nan] * 7}, "damping of panda_joint1 is nan"),
        ({"cartesian_damping_ratio": [-0.1] * 6}, "cartesian.damping_ratio x is -0.1"),
        ({"cartesian_stiffness": [0.0, 0.0, 1e4, 0.0, 0.0, 0.0]}, "cartesian.stiffness z is 10000"),
        ({"nullspace_damping_ratio": -1.0}, "nullspace_damping_ratio is -1"),
    ],
)
def test_gains_that_cannot_be_are_refused_and_change_nothing(
    controller: Controller, home: Array, change: dict[str, object], said: str
) -> None:
    loop = Loop(controller)
    loop.run(home)
    before = controller.state().gains.stiffness
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        controller.set_gains(**change)
    loop.run(home, periods=50)
    np.testing.assert_array_equal(controller.state().gains.stiffness, before)


def test_an_unknown_preset_is_named(controller: Controller) -> None:
    with pytest.raises(ConfigError, match="'XX' is unknown: known are CO, SO, CU, SU"):
        controller.use_preset("XX")


def test_a_pose_reaches_the_joints_of_a_position_output(
    make: Callable[..., Controller], robot: Robot, model: Model, home: Array, make_chunk: MakeChunk
) -> None:
    """Damped inverse kinematics: the commanded joints put the tool where the chunk says."""
    controller = make("position", pose=True)
    loop = Loop(controller)
    loop.run(home)
    start = np.append(model.pose(home), 0.04)
    way = np.concatenate([[0.0], np.linspace(0.0, 1.0, 29), np.ones(5)])[:, None]
    rows = np.tile(start, (35, 1))
    rows[:, :3] += way * [0.1, -0.15, 0.08]
    turn = Rotation.from_rotvec(0.6 * way * [0.6, 0.0, 0.8])
    rows[:, 3:7] = (turn * Rotation.from_quat(start[3:7])).as_quat()
    groups = (
        ActionGroup("tool", Space.CARTESIAN_POSE, (), 0, 7, robot.tcp, robot.base_frame),
        ActionGroup("gripper", Space.GRIPPER, (robot.gripper,), 7, 1),
    )
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1, groups=groups))
    q, worst = home, 0.0
    for i in range(1695):
        before, q = q, loop.run(q)  # an arm that does what it is told
        assert np.abs(q - before).max() <= max(robot.controller.velocity) * 1e-3 * (1 + 1e-5)
        if i > 0:
            worst = max(worst, float(np.linalg.norm(pose_error(controller.state().tcp_reference, model.pose(q)))))
    assert controller.state().mode == ControlMode.HUMAN
    assert worst < 1e-3
    np.testing.assert_allclose(pose_error(rows[-1, :7], model.pose(q)), 0.0, atol=1e-4)
    status = controller.status()
    assert (status.position_limited, status.error_clipped, status.kinematics_limited) == (0, 0, 0)


def test_a_position_output_stands_when_it_cannot_trust(make: Callable[..., Controller], home: Array) -> None:
    controller = make("position")
    loop = Loop(controller)
    np.testing.assert_array_equal(loop.run(home), home)
    np.testing.assert_array_equal(loop.run(np.full(7, np.nan), periods=20), home)
    assert controller.state().mode == ControlMode.STOPPED
    assert controller.status().nonfinite_inputs == 20


def test_a_position_command_does_not_run_away_from_the_arm(
    make: Callable[..., Controller], robot: Robot, home: Array, make_chunk: MakeChunk
) -> None:
    """An arm that is held back: the command leads it by joint_error at most, and comes back at the limited speed."""
    controller = make("position")
    loop = Loop(controller)
    loop.run(home)
    rows = np.hstack([home + 0.02 * np.arange(40)[:, None], np.full((40, 1), 0.04)])
    controller.submit("human", make_chunk(rows, loop.now, mode_epoch=1))
    rng = np.random.default_rng(0)
    lead = robot.controller.joint_error
    for _ in range(1900):
        held = home + rng.normal(0.0, 1e-7, 7)
        command = loop.run(held)
        assert np.all(np.abs(command - held) <= np.array(lead) + 1e-6)
    assert controller.status().error_clipped > 500
    before, last = command, PERIOD * 1e-9 * np.array(robot.controller.velocity)
    for _ in range(100):
        command = loop.run(before)
        assert np.all(np.abs(command - before) <= last * (1 + 1e-5))
        before = command
    assert controller.status().position_limited > 0


def test_the_first_command_of_every_output_is_where_the_arm_is(
    make: Callable[..., Controller], model: Model, home: Array
) -> None:
    for output, pose in (("cartesian_impedance", False), ("cartesian_impedance", True), ("joint_impedance", True)):
        controller = make(output, pose=pose)
        loop = Loop(controller)
        np.testing.assert_allclose(loop.run(home, ZERO, periods=5), model.gravity(home), atol=1e-6)
        assert controller.status().torque_rate_limited == 0
