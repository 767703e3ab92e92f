"""Between the rows: continuous velocity, of joints and on SO(3), and the same curve as in bc_core."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.transform import Rotation

from bc_controllers import Arbiter, ControllerConfig
from bc_controllers._binding import GroupLayout
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_msgs.msg import ControlMode

Array = npt.NDArray[np.float64]
MakeChunk = Callable[..., ActionChunk]
START, PERIOD, DT = 10_000_000_000, 1_000_000, 50_000_000
POSE = (
    ActionGroup("tool", Space.CARTESIAN_POSE, (), 0, 7, "panda_hand_tcp", "panda_link0"),
    ActionGroup("gripper", Space.GRIPPER, ("panda_gripper",), 7, 1),
)
PLACE = np.array([0.4, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0])


@pytest.fixture
def pose_arbiter(config: ControllerConfig) -> Arbiter:
    """A layout of one pose and a gripper, standing at PLACE."""
    config.joints = config.joint_names
    config.groups = [
        GroupLayout("tool", Space.CARTESIAN_POSE, [], "panda_hand_tcp", "panda_link0"),
        GroupLayout("gripper", Space.GRIPPER, ["panda_gripper"]),
    ]
    arbiter = Arbiter(config, PLACE.tolist(), 0.04)
    arbiter.advance(START)
    return arbiter


def trace(arbiter: Arbiter, seconds: float, begin_ns: int = START) -> Array:
    return np.array([arbiter.advance(begin_ns + i * PERIOD) for i in range(1, round(seconds * 1000) + 1)])


def turning(rows: int, angle: float, seed: int = 0) -> Array:
    """Rows (rows, 8) that begin at PLACE with two equal ones, and turn by about `angle` [rad] in each step."""
    rng = np.random.default_rng(seed)
    axis = np.array([0.6, 0.0, 0.8])
    made = np.empty((rows, 8))
    rotation, position = Rotation.from_quat(PLACE[3:]), PLACE[:3].copy()
    for i in range(rows):
        made[i] = [*position, *rotation.as_quat(), 0.04]
        if i > 1:
            axis = axis + rng.normal(0.0, 0.2, 3)
            rotation = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)) * rotation
            position = position + 0.2 * angle * axis / np.linalg.norm(axis)
    return made


def angular_velocities(quaternions: Array) -> Array:
    rotations = Rotation.from_quat(quaternions)
    return np.asarray((rotations[1:] * rotations[:-1].inv()).as_rotvec()) / 1e-3


def test_joint_velocity_has_no_step_at_the_rows(arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    """A corner of 0.2 rad/s between rows was a step of the damping torque; the curve takes an interval."""
    rows = np.full((12, 8), 0.04)
    rows[:, :7] = 0.1 + 0.01 * np.array([0, 0, 1, 2, 2, 2, 1, 0, 1, 0, 0, 0])[:, None]
    arbiter.submit("human", make_chunk(rows, START, mode_epoch=1))
    path = trace(arbiter, 0.55)
    velocity = np.diff(path[:, :7], axis=0) / 1e-3
    assert np.abs(velocity).max() > 0.2
    assert np.abs(np.diff(velocity, axis=0)).max() < 6 * 0.2 / 50 * 1.05  # cubic: six slopes per interval at most
    np.testing.assert_allclose(path[49::50, :7], rows[1:, :7], atol=1e-12)
    assert path[:, :7].max() <= 0.12 + 1e-12 and path[:, :7].min() >= 0.1 - 1e-12  # between its rows
    assert (arbiter.status().velocity_limited, arbiter.status().acceleration_limited) == (0, 0)


def test_a_pose_is_followed_as_python_samples_it(pose_arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    chunk = make_chunk(turning(14, 0.04), START, mode_epoch=1, groups=POSE)
    pose_arbiter.submit("human", chunk)
    for time in range(START, chunk.end_ns + 1, 7 * PERIOD):
        row, expected = pose_arbiter.advance(time), chunk.sample(time)
        np.testing.assert_allclose(row[:3], expected[:3], atol=1e-12)
        assert abs(row[3:7] @ expected[3:7]) == pytest.approx(1.0, abs=1e-14)
    assert pose_arbiter.mode == ControlMode.HUMAN
    assert pose_arbiter.status().acceleration_limited == 0


def test_angular_velocity_has_no_step_at_the_rows(pose_arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    rows = turning(14, 0.04)
    rows[1::2, 3:7] *= -1.0  # the same rotations from the other hemisphere
    pose_arbiter.submit("human", make_chunk(rows, START, mode_epoch=1, groups=POSE))
    path = trace(pose_arbiter, 0.65)
    angular = angular_velocities(path[:, 3:7])
    assert np.linalg.norm(angular, axis=1).max() > 0.7
    steps = np.linalg.norm(np.diff(angular, axis=0), axis=1)
    assert steps.max() < 6 * 0.8 / 50 * 1.2
    met = Rotation.from_quat(path[49::50, 3:7]) * Rotation.from_quat(rows[1:, 3:7]).inv()
    assert np.abs(met.magnitude()).max() < 1e-9


def test_jumps_of_10_cm_and_90_degrees_keep_to_every_limit(
    pose_arbiter: Arbiter, config: ControllerConfig, make_chunk: MakeChunk
) -> None:
    place = np.append(PLACE, 0.04)
    pose_arbiter.submit("human", make_chunk(np.tile(place, (20, 1)), START, mode_epoch=1, groups=POSE))
    pose_arbiter.advance(START + PERIOD)
    jumped = place.copy()
    jumped[:3] += [0.1, 0.0, 0.0]
    jumped[3:7] = (Rotation.from_rotvec([0.0, np.pi / 2, 0.0]) * Rotation.from_quat(PLACE[3:])).as_quat()
    pose_arbiter.submit("human", make_chunk(np.tile(jumped, (40, 1)), START, mode_epoch=2, groups=POSE))
    path = np.vstack([place, trace(pose_arbiter, 1.9, START + PERIOD)])
    ack = pose_arbiter.poll_acks()[-1]
    assert (ack.raw_jump, ack.raw_jump_rotation) == (pytest.approx(0.1), pytest.approx(np.pi / 2))
    space = config.workspace
    linear, angular = np.diff(path[:, :3], axis=0) / 1e-3, angular_velocities(path[:, 3:7])
    for velocity, fastest, most in (
        (linear, space.linear_velocity, space.linear_acceleration),
        (angular, space.angular_velocity, space.angular_acceleration),
    ):
        assert np.linalg.norm(velocity, axis=1).max() <= fastest
        assert np.linalg.norm(np.diff(velocity, axis=0) / 1e-3, axis=1).max() <= most * 1.05
    np.testing.assert_allclose(path[-1, :3], jumped[:3], atol=1e-12)
    assert abs(path[-1, 3:7] @ jumped[3:7]) == pytest.approx(1.0, abs=1e-12)
    assert pose_arbiter.status().acceleration_limited == 0


def test_a_pose_stops_and_stands(pose_arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    chunk = make_chunk(turning(6, 0.05), START, mode_epoch=1, groups=POSE)
    pose_arbiter.submit("human", chunk)
    path = trace(pose_arbiter, 1.5)
    angular = angular_velocities(path[:, 3:7])
    assert np.linalg.norm(np.diff(angular, axis=0), axis=1).max() < 12.0 * 1e-3 * 10
    np.testing.assert_array_equal(path[-1], path[-2])
    assert pose_arbiter.mode == ControlMode.HOLD


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scale": 0.9}, "norm 0.9"),
        ({"scale": np.nan}, "nan"),
        ({"tip": "panda_hand"}, "commands 'panda_hand' in 'panda_link0', the robot 'panda_hand_tcp'"),
    ],
)
def test_a_pose_that_is_none_is_refused(
    pose_arbiter: Arbiter, make_chunk: MakeChunk, change: dict[str, float | str], said: str
) -> None:
    rows = turning(6, 0.05)
    rows[2, 3:7] *= float(change.get("scale", 1.0))
    tip = str(change.get("tip", "panda_hand_tcp"))
    groups = (ActionGroup("tool", Space.CARTESIAN_POSE, (), 0, 7, tip, "panda_link0"), POSE[1])
    pose_arbiter.submit("human", make_chunk(rows, START, mode_epoch=1, groups=groups))
    pose_arbiter.advance(START + PERIOD)
    (ack,) = pose_arbiter.poll_acks()
    assert said in ack.detail


def test_rows_outside_the_box_are_clamped_to_it(pose_arbiter: Arbiter, make_chunk: MakeChunk) -> None:
    rows = np.tile(np.append(PLACE, 0.04), (20, 1))
    rows[5:, 0] = 1.5
    pose_arbiter.submit("human", make_chunk(rows, START, mode_epoch=1, groups=POSE))
    assert trace(pose_arbiter, 0.95)[:, 0].max() <= 0.9
    assert pose_arbiter.poll_acks()[0].clamped == 15
