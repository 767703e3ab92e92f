"""Every output against MuJoCo: tracking, contact, payload, singular poses, pushes, jumps, changes of mode."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from closed_loop import Cell, panda
from scipy.spatial.transform import Rotation

from bc_msgs.msg import ControlMode
from bc_msgs.srv import ChangeMode

Array = npt.NDArray[np.float64]
IMPEDANCES = ("joint_impedance", "cartesian_impedance")
PRESETS = ("CO", "SO", "CU", "SU")
ENDS = {"CO": (1e-5, 5e-5), "SO": (1e-6, 1e-6), "CU": (3e-3, 0.015), "SU": (1e-4, 5e-4)}
"""What a step of Cartesian impedance may miss after 4.9 s, by preset: [m], [rad]."""


def cell(
    output: str,
    pose: bool = False,
    preset: str = "",
    load: float = 0.0,
    wall: float | None = None,
    free_z: float | None = None,
    friction: float = 0.0,
) -> Cell:
    """free_z: the tool has no stiffness along z, and this damping [N s/m]."""
    robot = panda()
    robot.controller.settings.preset = preset
    if free_z is not None:
        cartesian = robot.controller.cartesian
        cartesian.stiffness = [800.0, 800.0, 0.0, 40.0, 40.0, 40.0]
        cartesian.least_damping = [10.0, 10.0, free_z, 0.5, 0.5, 0.5]
    return Cell(robot, output, pose, load, wall, friction)


def torque_limits_acted(made: Cell) -> int:
    status = made.controller.status()
    return int(status.torque_limited + status.torque_rate_limited)


@dataclass
class Tracking:
    tool: float  # distance from its reference along the sine, root of the mean square [m]
    overshoot: float  # of the step, beyond its end, as a share of it
    end: float  # distance of the tool from where the step sent it, 4.9 s after it began [m]
    end_turn: float  # [rad]


def track(output: str, preset: str, pose: bool) -> Tracking:
    """A sine of 0.5 Hz, 4 cm or 0.1 rad, then a step of 5 cm or 0.1 rad of joint 1 (6 cm at the tool)."""
    made = cell(output, pose, preset)
    time = 0.05 * np.arange(42)
    wave = 0.5 * (1 - np.cos(np.pi * time))  # begins and ends at a stand
    if pose:
        made.send(made.moved(0.04 * wave[:, None] * [1.0, 1.0, -1.0], 0.2 * wave[:, None] * [0.0, 0.0, 1.0]))
    else:
        made.send(made.start + 0.1 * wave[:, None] * np.array([1.0, 1.0, 1.0, -1.0, 1.0, 1.0, 1.0]))
    states = made.run(2050, every=5)
    tool = [np.linalg.norm(state.tcp[:3] - state.tcp_reference[:3]) for state in states]
    if pose:
        target = made.moved(np.tile([0.0, 0.05, 0.0], (100, 1)))
    else:
        target = np.tile(made.start + 0.1 * np.eye(7)[0], (100, 1))
    begin = made.state.tcp[1]
    made.send(target)
    states = made.run(4900, every=5)
    last = states[-1]
    way = [(state.tcp[1] - begin) / (last.tcp_reference[1] - begin) for state in states]
    np.testing.assert_allclose(last.tcp_reference if pose else last.position_reference, target[-1], atol=1e-9)
    turned = Rotation.from_quat(last.tcp[3:]) * Rotation.from_quat(last.tcp_reference[3:]).inv()
    assert made.controller.status().kinematics_limited == 0
    return Tracking(
        tool=float(np.sqrt(np.mean(np.square(tool)))),
        overshoot=max(way) - 1.0,
        end=float(np.linalg.norm(last.tcp[:3] - last.tcp_reference[:3])),
        end_turn=float(turned.magnitude()),
    )


@pytest.fixture(scope="module")
def tracked() -> dict[tuple[str, str], Tracking]:
    made = {
        (output, preset): track(output, preset, output != "joint_impedance")
        for output in IMPEDANCES
        for preset in PRESETS
    }
    made["position", ""] = track("position", "", True)
    return made


def test_a_sine_is_tracked_by_every_output_and_preset(tracked: dict[tuple[str, str], Tracking]) -> None:
    for (output, preset), tracking in tracked.items():
        most = {"S": 0.004, "C": 0.012, "": 0.002}[preset[:1]]
        assert tracking.tool < most, (output, preset, tracking)


def test_a_step_overshoots_little_and_ends_where_it_was_sent(tracked: dict[tuple[str, str], Tracking]) -> None:
    """By every output and preset. The arm has no friction and a mass that the model knows: nothing holds it off the
    end, and what is left of the Cartesian underdamped ones still rings."""
    for (output, preset), tracking in tracked.items():
        overshoot = {"O": 0.12, "U": 0.35, "": 0.02}[preset[1:]]
        end, turn = ENDS[preset] if output == "cartesian_impedance" else (1e-6, 1e-6)
        assert tracking.overshoot < overshoot, (output, preset, tracking)
        assert tracking.end < end and tracking.end_turn < turn, (output, preset, tracking)


@pytest.mark.parametrize("preset", ["CO", "SO"])
def test_friction_that_nobody_compensates_leaves_its_torque_over_the_stiffness(preset: str) -> None:
    """An impedance has no integrator: a joint sticks where its spring pulls no more than the friction holds."""
    friction = 1.0  # [Nm] in every joint
    made = cell("joint_impedance", preset=preset, friction=friction)
    made.send(np.tile(made.start + 0.1 * np.eye(7)[0], (100, 1)))
    made.run(4900, every=4900)
    state = made.state
    error = np.abs(np.array(state.position_reference) - np.array(state.position))
    assert np.abs(state.velocity).max() < 1e-3
    assert np.all(error * np.array(state.gains.stiffness) <= friction * 1.02), error
    assert error.max() > 1e-4


def test_presets_differ_as_they_are_named(tracked: dict[tuple[str, str], Tracking]) -> None:
    """Stiff ones are nearer to the reference, underdamped ones overshoot a step more."""
    for output in IMPEDANCES:
        for damping in "OU":
            assert tracked[output, "S" + damping].tool < tracked[output, "C" + damping].tool
        for stiffness in "CS":
            over, under = tracked[output, stiffness + "O"].overshoot, tracked[output, stiffness + "U"].overshoot
            assert under > over and over < 0.12, (output, stiffness, over, under)


@pytest.mark.parametrize("preset", ["", "CO"])
def test_a_wall_is_pressed_with_stiffness_times_penetration(preset: str) -> None:
    made = cell("cartesian_impedance", True, preset, wall=0.02)
    made.send(made.moved(np.linspace(0.0, 0.045, 20)[:, None] * [1.0, 0.0, 0.0]))
    made.run(3500, every=500)
    state = made.state
    penetration = state.tcp_reference[0] - state.tcp[0]
    force = made.wall_force()
    assert penetration > 0.015
    assert force == pytest.approx(state.gains.cartesian_stiffness[0] * state.stiffness_scale * penetration, rel=0.05)


@pytest.mark.parametrize("output", IMPEDANCES)
def test_a_payload_that_is_known_does_not_pull_the_arm_down(output: str) -> None:
    made = cell(output, output == "cartesian_impedance", load=1.5)
    made.run(2000, every=2000)
    sag = made.state.tcp_reference[2] - made.state.tcp[2]
    made.controller.set_payload(1.5, [0.0, 0.0, 0.0])
    made.run(4000, every=4000)
    assert sag > 0.004
    assert abs(made.state.tcp_reference[2] - made.state.tcp[2]) < 0.001


@pytest.mark.parametrize("output", ["cartesian_impedance", "position"])
def test_a_stretched_arm_is_no_place_to_lose_control(output: str) -> None:
    """A pose out of reach: the arm stretches towards it, stays quiet there, and comes back."""
    made = cell(output, True)
    way = np.concatenate([np.linspace(0.0, 0.45, 30), np.full(10, 0.45), np.linspace(0.45, 0.0, 30), np.zeros(15)])
    made.send(made.moved(way[:, None] * [1.0, 0.0, 0.3]))
    states = made.run(5500, every=5)
    assert max(float(np.abs(state.velocity).max()) for state in states) < 2.0
    assert max(float(state.tcp[0]) for state in states) > made.start[0] + 0.2
    assert np.linalg.norm(made.state.tcp[:3] - made.start[:3]) < 0.003
    limits = np.array(made.robot.controller.torque)
    assert all(np.all(np.abs(state.effort) <= limits) for state in states)
    assert made.controller.status().nonfinite_commands == 0


def test_a_push_moves_the_tool_as_far_as_its_stiffness_says() -> None:
    made = cell("cartesian_impedance", True)
    for axis in range(3):
        made.push(15.0 * np.eye(3)[axis])
        made.run(1500, every=1500)
        moved = made.state.tcp[:3] - made.start[:3]
        assert moved[axis] == pytest.approx(15.0 / 800.0, rel=0.12), axis  # the hand also tilts a little
    made.push(np.zeros(3))
    made.run(2500, every=2500)
    np.testing.assert_allclose(made.state.tcp[:3], made.start[:3], atol=5e-4)


def test_a_free_axis_moves_no_faster_than_its_damping_lets_it() -> None:
    """Without stiffness along z a push drives the tool at force / damping; the others hold; it rests but for what the
    posture pulls through its damped projector (0.3 N).
    """
    made = cell("cartesian_impedance", True, free_z=80.0)
    made.push(np.array([0.0, 0.0, 8.0]))
    speeds = np.gradient([state.tcp[2] for state in made.run(1500, every=10)], 0.01)
    assert speeds.max() < 8.0 / 80.0 + 1e-3
    assert speeds[-30:] == pytest.approx(8.0 / 80.0, rel=0.1)
    made.push(np.zeros(3))
    made.run(1000, every=1000)
    before = made.state.tcp
    made.run(500, every=500)
    moved = made.state.tcp[:3] - made.start[:3]
    assert moved[2] > 0.1 and np.abs(moved[:2]).max() < 0.01
    np.testing.assert_allclose(made.state.tcp[:3], before[:3], atol=0.5 * 0.4 / 80.0)


@pytest.mark.parametrize("output", IMPEDANCES)
@pytest.mark.parametrize("preset", ["SU", "CO"])
def test_pushes_get_back_no_more_than_they_gave(output: str, preset: str) -> None:
    """Passivity at the hand with a reference that stands: the work of any push stays above what the arm moves with."""
    made = cell(output, output == "cartesian_impedance", preset)
    rng = np.random.default_rng(3)
    work, least, excess = 0.0, 0.0, 0.0
    for step in range(2400):
        if step % 150 == 0:
            made.push(rng.uniform(-15.0, 15.0, 3) if step < 1800 else np.zeros(3))
        before = made.hand_position()
        made.plant.advance(1)
        work += float(made.data.xfrc_applied[made.hand, :3] @ (made.hand_position() - before))
        least = min(least, work)
        excess = max(excess, made.kinetic_energy() - work) if step % 5 == 0 else excess
    assert least > -0.002 and excess < 0.005  # J; the largest kinetic energy is some 0.2 J
    assert torque_limits_acted(made) <= 10  # a force that sets in is a step
    made.plant.advance(1800)  # the posture comes back slowly: 56 mJ are left 0.6 s after the last push, 0.1 mJ now
    assert made.kinetic_energy() < 1e-3


@pytest.mark.parametrize(
    ("output", "pose"), [("cartesian_impedance", True), ("joint_impedance", True), ("position", True)]
)
def test_a_jump_of_10_cm_and_90_degrees_keeps_to_every_limit(output: str, pose: bool) -> None:
    made = cell(output, pose)
    turn = np.tile([0.0, 0.0, np.pi / 2], (60, 1))
    made.send(made.moved(np.zeros((4, 3))))
    made.run(20)
    made.send(made.moved(np.tile([0.06, 0.0, -0.08], (60, 1)), turn))
    config = made.robot.controller
    states = made.run(2900)
    reference = np.array([state.tcp_reference for state in states])
    linear = np.diff(reference[:, :3], axis=0) / 1e-3
    turned = Rotation.from_quat(reference[1:, 3:]) * Rotation.from_quat(reference[:-1, 3:]).inv()
    assert np.linalg.norm(linear, axis=1).max() <= config.workspace.linear_velocity * (1 + 1e-6)
    assert turned.magnitude().max() / 1e-3 <= config.workspace.angular_velocity * (1 + 1e-6)
    joints = np.array([state.position_reference for state in states])
    assert np.all(np.abs(np.diff(joints, axis=0)) / 1e-3 <= np.array(config.velocity) * (1 + 1e-5))
    if output != "position":
        torque = np.array([state.effort for state in states])
        assert np.all(np.abs(torque) <= np.array(config.torque))
        assert np.abs(np.diff(torque, axis=0)).max() <= config.torque_rate * 1e-3 * (1 + 1e-9)
    acks = made.controller.poll_acks()
    assert acks[-1].raw_jump == pytest.approx(0.1, abs=1e-3)
    assert acks[-1].raw_jump_rotation == pytest.approx(np.pi / 2, abs=1e-3)
    error = Rotation.from_quat(states[-1].tcp[3:]) * Rotation.from_quat(reference[-1, 3:]).inv()
    assert np.linalg.norm(states[-1].tcp[:3] - reference[-1, :3]) < 0.004
    assert error.magnitude() < 0.03


@pytest.mark.parametrize("output", [*IMPEDANCES, "position"])
def test_a_thousand_changes_of_mode_need_no_limiter(output: str) -> None:
    """Requests and chunks at random, by senders that begin where the reference is: no step is left to the limiter."""
    total = 1000 // 3 + 1
    made = cell(output)
    rng = np.random.default_rng(11)
    changes = 0
    source_of = {ControlMode.POLICY: "policy", ControlMode.PLANNER: "planner", ControlMode.HUMAN: "human"}
    while changes < total:
        if rng.uniform() < 0.7:
            made.controller.change_mode(int(rng.integers(1, 6)), "test")
            made.plant.advance(1)
        state = made.state
        human = state.mode not in (ControlMode.STOPPED, ControlMode.HUMAN) and rng.uniform() < 0.3
        source = "human" if human else source_of.get(state.mode)
        if source is not None:
            drift = (
                rng.uniform(-0.3, 0.3, 7)
                if np.abs(state.position_reference - made.start).max() < 0.3
                else (made.start - state.position_reference)
            )
            ahead = 0.05 * np.arange(4)[:, None]
            rows = state.position_reference + ahead * (0.5 * state.velocity_reference + 0.5 * drift)
            identity = {"human": 3, "policy": 1, "planner": 2}[source]
            made.send(rows, source, producer_id=identity, release=bool(rng.uniform() < 0.3))
        made.plant.advance(int(rng.integers(5, 40)))
        changes += len(made.controller.poll_modes())
        made.controller.poll_acks()
        made.controller.poll_results()
    status = made.controller.status()
    assert status.chunks_in_force > 50
    assert (status.torque_limited, status.torque_rate_limited, status.position_limited) == (0, 0, 0)
    assert (status.velocity_limited, status.acceleration_limited, status.error_clipped) == (0, 0, 0)


def test_stopped_and_reset_in_motion_is_smooth() -> None:
    made = cell("cartesian_impedance", True)
    made.send(made.moved(np.linspace(0.0, 0.2, 20)[:, None] * [0.0, 1.0, 0.0]))
    made.run(500, every=500)
    made.controller.change_mode(ChangeMode.Request.STOP, "test")
    states = made.run(1000)
    assert states[-1].mode == ControlMode.STOPPED
    speed = np.linalg.norm(np.diff([state.tcp_reference[:3] for state in states], axis=0), axis=1) / 1e-3
    assert speed[-1] == 0.0 and np.all(np.diff(speed) <= 1e-9)
    assert torque_limits_acted(made) == 0
