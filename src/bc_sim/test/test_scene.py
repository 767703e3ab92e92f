"""The scene against Pinocchio's reading of the same URDF, and its contacts, belt, camera and looks."""

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pinocchio
import pytest

from bc_controllers import Robot
from bc_core.contract import Contract
from bc_core.fields import extract
from bc_sim import messages
from bc_sim import scene as scenes
from bc_sim.appearance import Appearance
from bc_sim.camera import DEPTH_TOPIC, OffscreenCamera
from bc_sim.scene import Scene
from bc_sim.simulation import Simulation
from bc_sim.task import ConveyorPick
from bc_sim.task_config import Depth, TaskConfig

_CONTRACT = Path(__file__).parents[3] / "config" / "contracts" / "panda_conveyor_depth.yaml"
_DEPTH = Contract.load(_CONTRACT).observations["depth"]


@pytest.fixture()
def scene(robot: Robot, task: TaskConfig) -> Scene:
    scene = scenes.build(robot, task)
    ConveyorPick(task, scene.ids).reset(scene, seed=3)
    return scene


def test_pinocchio_and_mujoco_read_the_same_robot(robot: Robot, scene: Scene) -> None:
    """Gravity and Coriolis torque and the tool centre point agree in random states, to rounding."""
    model = pinocchio.buildModelFromUrdf(str(robot.urdf))
    data, ids = model.createData(), scene.ids
    rng = np.random.default_rng(0)
    for _ in range(20):
        q = np.concatenate([rng.uniform(model.lowerPositionLimit[:7], model.upperPositionLimit[:7]), [0.02, 0.02]])
        v = np.concatenate([rng.uniform(-1.0, 1.0, 7), [0.0, 0.0]])
        scene.data.qpos[[*ids.arm_qpos, *ids.finger_qpos]] = q
        scene.data.qvel[[*ids.arm_qvel, *ids.finger_qvel]] = v
        mujoco.mj_forward(scene.model, scene.data)
        bias = pinocchio.nonLinearEffects(model, data, q, v)
        np.testing.assert_allclose(scene.data.qfrc_bias[list(ids.arm_qvel)], bias[:7], atol=1e-6)
        pinocchio.framesForwardKinematics(model, data, q)
        tcp = data.oMf[model.getFrameId(robot.tcp)]
        np.testing.assert_allclose(scene.data.site_xpos[ids.tcp_site], tcp.translation, atol=1e-9)
        np.testing.assert_allclose(scene.data.site_xmat[ids.tcp_site].reshape(3, 3), tcp.rotation, atol=1e-9)


def test_motors_take_the_torque_the_urdf_allows_and_joints_carry_the_armature(robot: Robot, scene: Scene) -> None:
    model, ids = scene.model, scene.ids
    assert model.actuator_ctrlrange[list(ids.arm_actuators), 1].tolist() == [87.0] * 4 + [12.0] * 3
    np.testing.assert_array_equal(model.dof_armature[list(ids.arm_qvel)], robot.armature)
    scene.data.ctrl[ids.arm_actuators[2]] = 5.0
    mujoco.mj_forward(model, scene.data)
    assert scene.data.qfrc_actuator[ids.arm_qvel[2]] == 5.0


def test_the_belt_carries_the_cube_at_its_speed_without_tilting_it(task: TaskConfig, scene: Scene) -> None:
    data, ids = scene.data, scene.ids
    speed, start = data.ctrl[ids.belt_actuator], data.qpos[ids.cube_qpos : ids.cube_qpos + 7].copy()
    for _ in range(2000):
        mujoco.mj_step(scene.model, data)
    cube = data.qpos[ids.cube_qpos : ids.cube_qpos + 7]
    assert cube[1] - start[1] == pytest.approx(2.0 * speed, rel=0.005)
    assert cube[0] == pytest.approx(start[0], abs=1e-4)
    assert cube[2] == pytest.approx(task.ride_height, abs=1e-3)
    np.testing.assert_allclose(cube[3:], start[3:], atol=1e-3)


def test_the_belt_serves_the_longest_episode_at_the_highest_speed(task: TaskConfig, scene: Scene) -> None:
    travel = task.randomisation.belt_speed[1] * task.time_limit
    assert scene.model.joint("belt").range[1] >= travel


def test_the_robot_does_not_collide_with_itself_but_with_the_belt(scene: Scene) -> None:
    model, data, ids = scene.model, scene.data, scene.ids
    data.qpos[list(ids.arm_qpos)] = [0.0, 0.8, 0.0, -2.0, 0.0, 2.8, 0.8]  # hand pressed into the belt
    mujoco.mj_forward(model, data)
    pairs = [{model.body(model.geom_bodyid[geom]).name for geom in pair} for pair in data.contact.geom]
    robot_pairs = [pair for pair in pairs if any(name.startswith("panda") for name in pair)]
    assert robot_pairs
    assert all(len([name for name in pair if name.startswith("panda")]) == 1 for pair in robot_pairs)


def test_the_camera_sees_the_red_cube_where_it_is(task: TaskConfig, scene: Scene) -> None:
    """Projects the cube's centre through the camera by hand and looks for red there, and only there."""
    data, ids = scene.data, scene.ids
    data.qpos[ids.cube_qpos : ids.cube_qpos + 3] = [0.5, -0.15, task.ride_height]
    with OffscreenCamera(scene.model, task.camera) as camera:
        pixels = camera.render(data).astype(int)
    assert pixels.shape == (task.camera.height, task.camera.width, 3)
    red = (pixels[..., 0] > 120) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)
    mujoco.mj_forward(scene.model, data)
    local = data.cam_xmat[ids.camera].reshape(3, 3).T @ (data.xpos[ids.cube_body] - data.cam_xpos[ids.camera])
    focal = task.camera.height / 2 / np.tan(np.radians(task.camera.fovy) / 2)
    column = task.camera.width / 2 + focal * local[0] / -local[2]
    row = task.camera.height / 2 - focal * local[1] / -local[2]
    rows, columns = np.nonzero(red)
    assert 10 < len(rows) < 200
    assert rows.mean() == pytest.approx(row, abs=2.0)
    assert columns.mean() == pytest.approx(column, abs=2.0)


@pytest.mark.parametrize("encoding", ["16UC1", "32FC1"])
def test_depth_is_how_far_the_belt_is(task: TaskConfig, scene: Scene, encoding: str) -> None:
    """Where the camera sees the cube's top and the belt beside it, by hand: along the optical axis, not the ray."""
    data, ids = scene.data, scene.ids
    data.qpos[ids.cube_qpos : ids.cube_qpos + 3] = [0.5, -0.15, task.ride_height]
    depth = Depth(encoding, near=0.3, far=1.15)
    with OffscreenCamera(scene.model, task.camera) as camera:
        pixels, measured = camera.render(data), camera.measure(data)
        np.testing.assert_array_equal(camera.render(data), pixels)  # the camera is as it was
        sent = dict(messages.camera_images(camera, data, replace(task.camera, depth=depth), 7))
    message = sent[DEPTH_TOPIC]
    assert (message.height, message.width, message.encoding) == (96, 96, encoding)
    assert (message.header.frame_id, message.header.stamp.nanosec) == (task.camera.name, 7)
    observation = replace(_DEPTH, encoding=encoding)
    seen = extract(observation, message)[..., 0]
    mujoco.mj_forward(scene.model, data)
    axes, position = data.cam_xmat[ids.camera].reshape(3, 3), data.cam_xpos[ids.camera]
    focal = task.camera.height / 2 / np.tan(np.radians(task.camera.fovy) / 2)
    for point in ([0.5, -0.15, task.belt.top + task.cube.edge], [0.5, 0.0, task.belt.top], [0.5, 0.15, task.belt.top]):
        right, up, back = axes.T @ (np.array(point) - position)
        column, row = 47.5 + focal * right / -back, 47.5 - focal * up / -back
        assert seen[round(row), round(column)] == pytest.approx(-back, abs=0.015)  # half a pixel, on a slant
    inside = (measured >= depth.near) & (measured <= depth.far)
    assert 0.1 < inside.mean() < 0.9
    np.testing.assert_allclose(seen, np.where(inside, measured, 0.0), atol=0.0005 if encoding == "16UC1" else 0.0)


@pytest.mark.parametrize(
    "appearance",
    [
        Appearance(lamp=(-1.5, 1.5), diffuse=(0.1, 0.9), ambient=(0.1, 0.6), colour=(0.0, 0.0), patterns=False),
        Appearance(lamp=(0.0, 0.0), diffuse=(0.5, 0.5), ambient=(0.35, 0.35), colour=(-0.25, 0.25), patterns=True),
    ],
    ids=["light", "texture"],
)
def test_looks_change_every_picture_and_nothing_else(robot: Robot, task: TaskConfig, appearance: Appearance) -> None:
    """A second of physics is the same to the bit; a seed always looks the same, and another one otherwise."""
    plain, varied = (Simulation(robot, config, 3) for config in (task, replace(task, appearance=appearance)))
    pictures = []
    with (
        OffscreenCamera(plain.scene.model, task.camera) as ordinary,
        OffscreenCamera(varied.scene.model, task.camera) as other,
    ):
        for seed in (3, 4, 3):
            for simulation in (plain, varied):
                simulation.reset(seed)
                simulation.plant.advance(1000)
            data, seen = plain.new_data(), varied.new_data()
            assert plain.read(data) == varied.read(seen)
            np.testing.assert_array_equal(data.qpos, seen.qpos)
            np.testing.assert_array_equal(data.qvel, seen.qvel)
            pictures.append((ordinary.render(data).astype(int), other.render(seen).astype(int)))
    for as_built, changed in pictures:
        assert np.mean(np.abs(as_built - changed).max(axis=2) > 8) > 0.3
    assert np.mean(np.abs(pictures[0][1] - pictures[1][1]).max(axis=2) > 8) > 0.3
    first, again = pictures[0][1], pictures[2][1]
    assert np.mean(np.abs(first - again).max(axis=2) > 8) < 0.01  # but for the stripes of a belt that ran on
