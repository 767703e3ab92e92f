from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bc_controllers import Robot
from bc_core.errors import BcError
from bc_teleop.command import Pose
from bc_teleop.ik import DifferentialIk

DT = 0.05


def drive(ik: DifferentialIk, q: np.ndarray, linear: list[float], angular: list[float], steps: int) -> list[np.ndarray]:
    """Joints while the tool is driven at a constant twist, each target taken from the joints reached."""
    joints = [q]
    for _ in range(steps):
        pose = ik.forward(joints[-1])
        turn = Rotation.from_rotvec(np.array(angular) * DT)
        target = Pose(pose.position + np.array(linear) * DT, turn * pose.rotation)
        joints.append(ik.step(joints[-1], target, DT))
    return joints


def test_follows_a_twist(ik: DifferentialIk, robot: Robot) -> None:
    home = np.array(robot.home)
    start = ik.forward(home)
    end = ik.forward(drive(ik, home, [0.1, -0.05, -0.1], [0.0, 0.0, 0.5], 20)[-1])
    np.testing.assert_allclose(end.position - start.position, [0.1, -0.05, -0.1], atol=2e-3)
    np.testing.assert_allclose((end.rotation * start.rotation.inv()).as_rotvec(), [0.0, 0.0, 0.5], atol=1e-2)


@pytest.mark.parametrize(
    "direction", [[0.8, 0.0, 0.0], [-0.8, 0.0, 0.0], [0.0, 0.8, 0.0], [0.0, 0.0, -0.8], [0, 0, 0.8]]
)
def test_pushed_against_its_limits_it_keeps_them(ik: DifferentialIk, robot: Robot, direction: list[float]) -> None:
    joints = np.stack(drive(ik, np.array(robot.home), direction, [0.0, 0.0, 1.0], 120))
    assert np.all(joints >= ik.lower - 1e-6) and np.all(joints <= ik.upper + 1e-6)
    speed = np.abs(np.diff(joints, axis=0)) / DT
    assert np.all(speed <= ik.model.velocityLimit + 1e-6)
    assert speed.max() > 0.1


@pytest.mark.parametrize(
    "direction", [[0.5, 0.0, 0.0], [0.3, 0.3, 0.0], [0.0, 0.0, 0.5], [-0.5, 0.0, 0.0], [0.5, 0.0, 0.5], [0, 0, -0.5]]
)
def test_at_the_end_of_its_reach_the_arm_comes_to_rest_and_comes_back(
    ik: DifferentialIk, robot: Robot, direction: list[float]
) -> None:
    """Stretched out, folded up or on joint limits: near what it cannot do it neither swings about nor gets stuck."""
    joints = drive(ik, np.array(robot.home), direction, [0.0, 0.0, 0.0], 160)
    speed = np.diff(joints[-21:], axis=0) / DT
    assert np.abs(speed).max() < 0.3  # where the tool hardly moves any more, the arm creeps into a better posture
    assert not np.any((speed[1:] * speed[:-1] < 0.0) & (np.abs(speed[1:]) > 0.05))
    there = ik.forward(joints[-1]).position
    homeward = -0.4 * np.array(direction)
    back = ik.forward(drive(ik, joints[-1], homeward.tolist(), [0.0, 0.0, 0.0], 40)[-1]).position
    assert (back - there) @ homeward > 0.8 * 40 * DT * homeward @ homeward


def test_a_reference_beyond_a_limit_is_led_back_without_a_step(ik: DifferentialIk, robot: Robot) -> None:
    q = np.array(robot.home)
    q[3] = ik.upper[3] + 0.3
    following = ik.step(q, ik.forward(q), DT)
    assert following[3] < q[3]
    assert abs(following[3] - q[3]) <= ik.model.velocityLimit[3] * DT + 1e-9


def test_twist_is_the_derivative_of_the_pose(ik: DifferentialIk, robot: Robot) -> None:
    q, dq = np.array(robot.home), np.linspace(-0.5, 0.5, 7)
    linear, angular = ik.twist(q, dq)
    before, after = ik.forward(q - 1e-6 * dq), ik.forward(q + 1e-6 * dq)
    np.testing.assert_allclose(linear, (after.position - before.position) / 2e-6, atol=1e-6)
    np.testing.assert_allclose(angular, (after.rotation * before.rotation.inv()).as_rotvec() / 2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"urdf": Path("nowhere.urdf")}, "nowhere.urdf"),
        ({"tip": "panda_tool"}, "panda_tool"),
        ({"joints": ("panda_joint1", "elbow")}, "elbow"),
        ({"joints": ("panda_joint2", "panda_joint1")}, "panda_joint1, panda_joint2"),
    ],
)
def test_a_wrong_name_is_an_error_that_names_it(robot: Robot, change: dict[str, object], message: str) -> None:
    arguments = {"urdf": robot.urdf, "joints": robot.arm, "tip": robot.tcp} | change
    with pytest.raises(BcError, match=message):
        DifferentialIk(**arguments, posture=np.zeros(len(arguments["joints"])))
