"""Seeded resets and the judgement of conveyor_pick, on states written by hand and on a grasp that physics makes."""

import dataclasses

import mujoco
import numpy as np
import pytest

from bc_controllers import Robot
from bc_core.errors import BcError
from bc_sim import scene as scenes
from bc_sim.scene import Scene
from bc_sim.task import ConveyorPick, TaskOutcome, draw_start, grasped, write_start
from bc_sim.task_config import TaskConfig


@pytest.fixture()
def scene(robot: Robot, task: TaskConfig) -> Scene:
    return scenes.build(robot, task)


def put_cube(scene: Scene, x: float, y: float, z: float) -> None:
    scene.data.qpos[scene.ids.cube_qpos : scene.ids.cube_qpos + 3] = [x, y, z]
    mujoco.mj_forward(scene.model, scene.data)


def put_cube_between_fingers(scene: Scene, task: TaskConfig) -> None:
    """The cube at the tool centre point, turned with the hand, with the fingers closed on it."""
    data, ids = scene.data, scene.ids
    rotation = data.site_xmat[ids.tcp_site]
    mujoco.mju_mat2Quat(data.qpos[ids.cube_qpos + 3 : ids.cube_qpos + 7], rotation)
    data.qpos[list(ids.finger_qpos)] = task.cube.edge / 2 - 1e-4
    put_cube(scene, *data.site_xpos[ids.tcp_site])


def judge_at(task: ConveyorPick, scene: Scene, time: float) -> TaskOutcome:
    scene.data.time = time
    return task.evaluate(scene.data)


def test_the_same_seed_gives_the_same_scene_and_others_other_ones(task: TaskConfig) -> None:
    first, again, other = draw_start(task, 7), draw_start(task, 7), draw_start(task, 8)
    np.testing.assert_array_equal(first.arm, again.arm)
    np.testing.assert_array_equal(first.cube_position, again.cube_position)
    assert (first.cube_yaw, first.belt_speed) == (again.cube_yaw, again.belt_speed)
    assert first.belt_speed != other.belt_speed
    assert first.cube_yaw != other.cube_yaw


def test_starts_fill_their_ranges(task: TaskConfig) -> None:
    starts = [draw_start(task, seed) for seed in range(300)]
    ranges = task.randomisation
    for values, (low, high) in (
        ([start.belt_speed for start in starts], ranges.belt_speed),
        ([start.cube_position[0] - task.belt.centre_x for start in starts], ranges.lateral_offset),
        ([task.belt.spawn_y - start.cube_position[1] for start in starts], ranges.upstream),
        ([start.cube_yaw - np.pi / 2 for start in starts], ranges.yaw),
    ):
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high


def test_a_reset_leaves_no_trace_of_what_was_before(task: TaskConfig, scene: Scene) -> None:
    judge = ConveyorPick(task, scene.ids)
    judge.reset(scene, 5)
    fresh = (scene.data.qpos.copy(), scene.data.qvel.copy(), scene.data.ctrl.copy())
    for _ in range(300):
        mujoco.mj_step(scene.model, scene.data)
    time = scene.data.time
    judge.reset(scene, 5)
    for before, after in zip(fresh, (scene.data.qpos, scene.data.qvel, scene.data.ctrl), strict=True):
        np.testing.assert_array_equal(before, after)
    assert scene.data.time == time
    assert judge.evaluate(scene.data).elapsed == 0.0


def test_success_needs_lift_and_grasp_and_time(task: TaskConfig, scene: Scene) -> None:
    judge = ConveyorPick(task, scene.ids)
    judge.reset(scene, 1)
    put_cube_between_fingers(scene, task)  # far above the belt: the start pose is
    assert grasped(scene.data, scene.ids)
    assert judge_at(judge, scene, 1.0).detail == "lifted"
    assert not judge_at(judge, scene, 1.0 + task.success.hold - 0.05).success
    outcome = judge_at(judge, scene, 1.0 + task.success.hold)
    assert outcome.success
    assert not outcome.failure


def test_a_slip_starts_the_clock_anew(task: TaskConfig, scene: Scene) -> None:
    judge = ConveyorPick(task, scene.ids)
    judge.reset(scene, 1)
    put_cube_between_fingers(scene, task)
    judge_at(judge, scene, 1.0)
    put_cube(scene, 0.5, 0.0, task.ride_height)
    assert judge_at(judge, scene, 1.3).detail == ""
    put_cube_between_fingers(scene, task)
    judge_at(judge, scene, 1.35)
    assert not judge_at(judge, scene, 1.0 + task.success.hold).success
    assert judge_at(judge, scene, 1.35 + task.success.hold).success


def test_a_cube_in_the_air_that_nobody_holds_is_no_success(task: TaskConfig, scene: Scene) -> None:
    judge = ConveyorPick(task, scene.ids)
    judge.reset(scene, 1)
    put_cube(scene, 0.5, -0.3, task.ride_height + 2 * task.success.lift)
    for time in np.arange(0.5, 3.0, 0.05):
        assert not judge_at(judge, scene, float(time)).success


@pytest.mark.parametrize(
    ("position", "time", "detail"),
    [
        ((0.5, 10.0, 0.12), 1.0, "out of reach"),
        ((0.2, 0.0, 0.02), 1.0, "fell off the belt"),
        ((0.5, 0.0, 0.12), 600.0, "time limit of 8.0 s"),
    ],
)
def test_failures(
    task: TaskConfig, scene: Scene, position: tuple[float, float, float], time: float, detail: str
) -> None:
    judge = ConveyorPick(dataclasses.replace(task, time_limit=8.0), scene.ids)
    judge.reset(scene, 1)
    assert not judge_at(judge, scene, 0.5).finished
    put_cube(scene, *position)
    outcome = judge_at(judge, scene, time)
    assert outcome.failure
    assert not outcome.success
    assert detail in outcome.detail
    put_cube(scene, 0.5, 0.0, task.ride_height)
    assert judge_at(judge, scene, time + 1.0).failure, "an outcome is final"
    judge.reset(scene, 2)
    assert not judge.evaluate(scene.data).finished


def test_a_start_pose_of_another_robot_is_refused(task: TaskConfig, scene: Scene) -> None:
    start = dataclasses.replace(draw_start(task, 0), arm=np.zeros(6))
    with pytest.raises(BcError, match=r"start.arm has 6 joints, but the robot has 7"):
        write_start(scene, start)


def test_fingers_hold_the_cube_against_gravity_and_a_shake(task: TaskConfig, scene: Scene) -> None:
    """The grasp itself: 3 s in closed fingers on an arm that is shaken; the cube must not creep 2 mm."""
    model, data, ids = scene.model, scene.data, scene.ids
    judge = ConveyorPick(task, ids)
    home = judge.reset(scene, 1).arm
    put_cube_between_fingers(scene, task)
    offset = data.xpos[ids.cube_body] - data.site_xpos[ids.tcp_site]
    data.ctrl[list(ids.finger_actuators)] = 0.0
    arm_qpos, arm_qvel = list(ids.arm_qpos), list(ids.arm_qvel)
    shake = np.array([1.0, 0.6, 0.0, 0.6, 0.0, 0.6, 0.0])
    for step in range(3000):
        reference = home + 0.1 * shake * np.sin(2 * np.pi * 1.0 * step * 1e-3)
        torque = 600.0 * (reference - data.qpos[arm_qpos]) - 30.0 * data.qvel[arm_qvel]
        data.ctrl[list(ids.arm_actuators)] = torque + data.qfrc_bias[arm_qvel]
        mujoco.mj_step(model, data)
    mujoco.mj_forward(model, data)
    assert grasped(data, ids)
    assert np.linalg.norm(data.xpos[ids.cube_body] - data.site_xpos[ids.tcp_site] - offset) < 0.002
    forces = data.actuator_force[list(ids.finger_actuators)]
    np.testing.assert_allclose(forces, -35.0)
