"""Ways that touch nothing, in time, and every reason why there is none."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest

from bc_controllers import Robot, load_robot
from bc_core.chunks import ActionChunk, ActionGroup, Space
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.grid import Grid
from bc_planner.goal import Back, Motion, MotionError, MotionGoal, Reason, ToJoints, ToNamed, ToPose
from bc_planner.kinematics import inverse
from bc_planner.planner import MotionPlanner, Settings
from bc_planner.sampling import line_free
from bc_planner.workspace import Workspace

CONFIG = Path(__file__).resolve().parents[3] / "config"
Array = np.ndarray
DOWN = np.diag([1.0, -1.0, -1.0])  # the tool points down
WALL = ("wall", (0.4, 0.02, 1.0), (0.55, 0.15, 0.6))


def turned(start: Array, angle: float) -> Array:
    row = start.copy()
    row[0] = angle
    return row


def joints(robot: Robot, row: Array, **other: float) -> ToJoints:
    return ToJoints(positions=dict(zip(robot.arm, row[:7].tolist(), strict=True)), **other)


def curve(motion: Motion, contract: Contract) -> Array:
    """Where the controller's reference passes, every 10 ms."""
    chunk = ActionChunk(0, 5, contract.groups, motion.rows)
    return np.array([chunk.sample(time) for time in range(chunk.end_ns + 1)])


def refusal(planner: MotionPlanner, start: Array, goal: MotionGoal) -> MotionError:
    with pytest.raises(MotionError) as caught:
        planner.plan(start, goal)
    return caught.value


def test_it_goes_round_a_wall_and_keeps_clear_of_it(
    make_planner: Callable[..., MotionPlanner], robot: Robot, contract: Contract, start: Array
) -> None:
    planner = make_planner(WALL)
    here, there = turned(start, -0.5), turned(start, 0.9)
    assert not line_free(here[:7], there[:7], planner.collisions.free)  # there is something to go round
    motion = planner.plan(here, joints(robot, there))
    np.testing.assert_allclose(motion.rows[-1], there, atol=1e-9)
    np.testing.assert_array_equal(motion.rows[0], here)
    nearest = min(planner.collisions.distance(row[:7]) for row in curve(motion, contract))
    assert nearest > 0.4 * planner.collisions.clearance


def test_limits_hold_and_it_rests_at_both_ends(
    make_planner: Callable[..., MotionPlanner], robot: Robot, contract: Contract, start: Array
) -> None:
    planner, speed = make_planner(WALL), 0.6
    motion = planner.plan(turned(start, -0.5), joints(robot, turned(start, 0.9), speed=speed))
    rows, dt = motion.rows[:, :7], contract.grid.dt
    velocity = np.diff(rows, axis=0) / dt
    acceleration = np.diff(velocity, axis=0) / dt
    assert (np.abs(velocity) <= 1.001 * speed * planner.arm.velocity).all()
    assert (np.abs(acceleration) <= 1.05 * speed * planner.arm.acceleration).all()
    assert np.abs(velocity / (speed * planner.arm.velocity)).max() > 0.3  # and they are made use of
    excess = [planner.arm.tool_excess(row, rate) for row, rate in zip(rows, velocity, strict=False)]
    assert max(excess) <= 1.05 * speed
    np.testing.assert_array_equal(velocity[[0, -1]], 0.0)
    assert (rows >= planner.arm.lower - 1e-9).all() and (rows <= planner.arm.upper + 1e-9).all()


def test_home_and_back_to_the_start_with_the_gripper_open(planner: MotionPlanner, robot: Robot, start: Array) -> None:
    closed = np.append(start[:7], 0.01)
    home = planner.plan(closed, ToNamed(name="home"))
    np.testing.assert_allclose(home.rows[-1], [*robot.home, 0.01])
    back = planner.plan(home.rows[-1], ToNamed(name="start"))
    np.testing.assert_allclose(back.rows[-1], start, atol=1e-9)
    assert len(planner.plan(start, ToNamed(name="start")).rows) == 0  # nothing to do


def test_the_gripper_is_not_moved_faster_than_it_can(planner: MotionPlanner, contract: Contract, start: Array) -> None:
    motion = planner.plan(start, ToNamed(name="start", gripper=0.0, speed=0.5))
    rate = np.abs(np.diff(motion.rows[:, 7])).max() / contract.grid.dt
    assert motion.rows[-1, 7] == 0.0 and rate <= 0.5 * 0.2 + 1e-9


def test_an_approach_ends_straight_and_a_retreat_goes_back(
    planner: MotionPlanner, contract: Contract, start: Array
) -> None:
    pose = pin.SE3(DOWN, np.array([0.5, 0.15, 0.2]))
    motion = planner.plan(start, ToPose(pose=pose, straight=0.1))
    tools = [planner.arm.tool(row[:7]) for row in curve(motion, contract)]
    begun = next(index for index, tool in enumerate(tools) if tool.translation[2] < 0.2999)
    assert max(np.abs(tool.translation[:2] - pose.translation[:2]).max() for tool in tools[begun:]) < 2e-4
    assert max(np.linalg.norm(pin.log3(pose.rotation.T @ tool.rotation)) for tool in tools[begun:]) < 2e-3
    heights = np.array([tool.translation[2] for tool in tools[begun:]])
    assert abs(heights[-1] - 0.2) < 1e-4 and (np.diff(heights) < 1e-5).all()  # downwards only
    back = planner.plan(motion.rows[-1], Back(distance=0.08))
    tool = planner.arm.tool(back.end)
    np.testing.assert_allclose(tool.translation, [0.5, 0.15, 0.28], atol=1e-3)


def test_a_start_nearer_than_the_clearance_is_no_prison(
    planner: MotionPlanner, contract: Contract, start: Array
) -> None:
    low = pin.SE3(DOWN, np.array([0.5, 0.0, 0.125]))
    q, _, _ = inverse(planner.arm, low, start[:7])
    near = np.append(q, 0.08)
    distance = planner.collisions.distance(q)
    assert 0.0 < distance < planner.collisions.clearance
    motion = planner.plan(near, ToNamed(name="start"))
    nearest = min(planner.collisions.distance(row[:7]) for row in curve(motion, contract))
    assert nearest > distance - 5e-4  # but it comes no nearer


def test_a_colliding_start_is_refused_with_the_pair(
    make_planner: Callable[..., MotionPlanner], planner: MotionPlanner, start: Array
) -> None:
    crate = make_planner(("crate", (0.2, 0.2, 0.2), (0.45, 0.0, 0.3)))
    found = refusal(crate, start, ToNamed(name="home"))
    assert found.reason is Reason.START_IN_COLLISION
    assert "'panda_" in str(found) and "in 'crate'" in str(found)
    folded = start.copy()
    folded[:7] = [-1.25, -0.55, -1.57, -1.47, 2.49, 0.49, -0.48]  # the hand in the forearm
    found = refusal(planner, folded, ToNamed(name="home"))
    assert found.reason is Reason.START_IN_COLLISION and str(found).count("panda_") >= 2
    # measured in the belt, though the reference is not
    with pytest.raises(MotionError) as caught:
        low, _, _ = inverse(planner.arm, pin.SE3(DOWN, np.array([0.5, 0.0, 0.09])), start[:7])
        planner.plan(start, ToNamed(name="home"), measured=low)
    assert caught.value.reason is Reason.START_IN_COLLISION and "'belt'" in str(caught.value)


@pytest.mark.parametrize(
    ("goal", "reason", "words"),
    [
        (ToPose(pose=pin.SE3(DOWN, np.array([1.5, 0.0, 0.3]))), Reason.UNREACHABLE, "misses by"),
        (ToPose(pose=pin.SE3(DOWN, np.array([0.5, 0.0, 0.06]))), Reason.GOAL_IN_COLLISION, "in 'belt'"),
        (ToPose(pose=pin.SE3(DOWN, np.array([0.5, 0.0, 0.2])), straight=-0.1), Reason.BAD_GOAL, "above 0"),
        (Back(distance=0.7), Reason.NO_PATH, "of 700 mm"),
        (Back(distance=float("nan")), Reason.BAD_GOAL, "above 0"),
        (ToNamed(name="nowhere"), Reason.BAD_GOAL, "it has home, start"),
        (ToNamed(name="home", speed=1.5), Reason.BAD_GOAL, "speed_scale is 1.5"),
        (ToNamed(name="home", gripper=0.2), Reason.BAD_GOAL, "opening 0.2 m"),
        (ToJoints(positions={"panda_joint1": 0.0}), Reason.BAD_GOAL, "give each of panda_joint1"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    planner: MotionPlanner, start: Array, goal: MotionGoal, reason: Reason, words: str
) -> None:
    found = refusal(planner, start, goal)
    assert found.reason is reason and words in str(found)


def test_joint_limits_are_named(planner: MotionPlanner, robot: Robot, start: Array) -> None:
    beyond = start.copy()
    beyond[3] = 0.1
    found = refusal(planner, start, joints(robot, beyond))
    assert found.reason is Reason.OUT_OF_LIMITS and "panda_joint4" in str(found)
    found = refusal(planner, beyond, ToNamed(name="home"))
    assert found.reason is Reason.OUT_OF_LIMITS and "the arm stands" in str(found)


def test_a_straight_part_that_is_blocked(make_planner: Callable[..., MotionPlanner], start: Array) -> None:
    shelf = make_planner(("shelf", (0.1, 0.3, 0.02), (0.5, 0.0, 0.65)))
    found = refusal(shelf, start, Back(distance=0.15))
    assert found.reason is Reason.NO_PATH and "blocked" in str(found) and "shelf" in str(found)


def test_where_there_is_no_way_none_is_found(
    make_planner: Callable[..., MotionPlanner], robot: Robot, start: Array
) -> None:
    """Walls in the plane y = 0, in front, behind and above: the arm stands astride of them, and cannot turn."""
    planner = make_planner(
        ("front", (1.2, 0.02, 1.8), (0.8, 0.0, 0.9)),
        ("back", (1.2, 0.02, 1.8), (-0.8, 0.0, 0.9)),
        ("top", (0.5, 0.02, 1.0), (0.0, 0.0, 1.25)),
    )
    planner.settings = Settings(seconds=0.4)
    found = refusal(planner, turned(start, -0.7), joints(robot, turned(start, 0.7)))
    assert found.reason is Reason.NO_PATH and "in 0.4 s" in str(found)


def test_a_canceled_search_ends_at_once(make_planner: Callable[..., MotionPlanner], robot: Robot, start: Array) -> None:
    planner = make_planner(WALL)
    with pytest.raises(MotionError) as caught:
        planner.plan(turned(start, -0.5), joints(robot, turned(start, 0.9)), canceled=lambda: True)
    assert caught.value.reason is Reason.CANCELED


def test_an_arm_without_a_gripper(contract: Contract) -> None:
    ur5 = load_robot(CONFIG / "robots" / "ur5.yaml")
    group = ActionGroup("arm", Space.JOINT_POSITION, ur5.arm, 0, 6)
    floor = Workspace("floor", "base_link", 0.02, {}, ())
    planner = MotionPlanner(ur5, floor, (group,), Grid(20_000_000), Settings())
    row = np.add(ur5.home, [0.5, 0.2, -0.3, 0.0, 0.2, 0.1])
    motion = planner.plan(row, ToNamed(name="home"))
    np.testing.assert_allclose(motion.rows[-1], ur5.home)
    with pytest.raises(BcError, match="use files that belong together"):
        MotionPlanner(ur5, floor, contract.groups, contract.grid, Settings())
