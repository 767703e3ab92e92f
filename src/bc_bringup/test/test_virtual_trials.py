"""A policy alone in virtual time: what `bcros train --rollouts` chooses by."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from bc_bringup.virtual.cell import VirtualCell
from bc_bringup.virtual.demonstrations import demonstrate
from bc_bringup.virtual.practice import Practice, World
from bc_bringup.virtual.streams import VirtualStreams
from bc_bringup.virtual.student import Student
from bc_bringup.virtual.trials import VirtualTask
from bc_core.checkpoint import load_policy
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.dataset import read_episode
from bc_core.errors import BcError
from bc_core.frames import Frame
from bc_core.grid import NANOSECONDS
from bc_core.mask import Mask
from bc_core.policies.base import Policy
from bc_core.training.train import train
from bc_msgs.msg import ChunkAck
from bc_sim.schedule import Schedule
from bc_sim.simulation import PERIOD_NS, Simulation
from bc_teleop.settings import load_settings

CONFIG = Path(__file__).parents[3] / "config"
STREAMS = ("arm", "gripper", "tcp", "object")


def load_task(contract: str) -> VirtualTask:
    return VirtualTask.load(
        CONFIG / "robots" / "panda.yaml",
        CONFIG / "contracts" / f"{contract}.yaml",
        CONFIG / "tasks" / "conveyor_pick.yaml",
        CONFIG / "teleop" / "intervening.yaml",
    )


@pytest.fixture(scope="module")
def task() -> VirtualTask:
    return load_task("panda_conveyor")


class Standing(Policy):
    """Stays where it is, and remembers what it saw."""

    def __init__(self, contract: Contract, streams: tuple[str, ...] = STREAMS) -> None:
        self.contract, self.streams, self.n_obs_steps = contract, streams, 2
        self.horizon, self.width, self.masks = 12, contract.width, frozenset({Mask.FREE})
        self.frames: list[Frame] = []

    def infer(self, frame: Frame, *_: object, **__: object) -> Array:
        self.frames.append(frame)
        return np.repeat(np.append(frame.values["arm"][-1], 0.04)[None], self.horizon, axis=0)


def test_a_policy_that_stands_solves_nothing_and_sees_every_scene(task: VirtualTask) -> None:
    policy, told = Standing(task.contract), list[int]()
    assert task.play(policy, range(5, 7), told.append) == [False, False]
    assert told == [1, 2]
    steps = np.diff([frame.tick for frame in policy.frames])
    assert len(steps) > 20 and np.count_nonzero(steps != 8) <= 1  # rows executed; but for the change of scene
    cubes = np.array([frame.values["object"][-1, :3] for frame in policy.frames])
    assert len(np.unique(cubes[:, 0])) == len(cubes)  # it rides on the belt
    first = policy.frames[0].values["arm"]
    np.testing.assert_allclose(first[0], first[1], atol=1e-3)  # no history from before the reset


class Tracing(Policy):
    """Commands poses: from where the tool is first seen along a curve that turns it. Remembers what it saw."""

    def __init__(self, contract: Contract) -> None:
        self.contract, self.streams, self.n_obs_steps = contract, STREAMS, 2
        self.horizon, self.width, self.masks = 12, contract.width, frozenset({Mask.FREE})
        self.frames: list[Frame] = []

    def planned(self, ticks: Array) -> Array:
        """The pose of the tool at these ticks, shape (len(ticks), 7)."""
        first = self.frames[0]
        start = first.values["tcp"][-1]
        phase = 2 * np.pi * (ticks - first.tick)[:, None] / 80  # a turn in 4 s
        moved = start[:3] + np.hstack([0.05 * (np.cos(phase) - 1), 0.05 * np.sin(phase), 0.03 * np.sin(phase)])
        turned = Rotation.from_rotvec(np.sin(phase) * [0.0, 0.1, 0.4]) * Rotation.from_quat(start[3:])
        return np.hstack([moved, turned.as_quat()])

    def infer(self, frame: Frame, *_: object, **__: object) -> Array:
        self.frames.append(frame)
        return np.insert(self.planned(frame.tick + np.arange(self.horizon)), 7, 0.04, axis=1)


@pytest.mark.parametrize("output", ["joint_impedance", "cartesian_impedance", "position"])
def test_a_policy_of_poses_drives_the_tool_along_them(output: str) -> None:
    task = load_task("panda_conveyor_pose")
    task.robot.controller.output = output
    policy = Tracing(task.contract)
    assert task.play(policy, range(5, 6)) == [False]
    ticks = np.array([frame.tick for frame in policy.frames])
    assert len(ticks) > 10 and np.ptp(ticks) > 80  # more than the whole curve
    seen = np.array([frame.values["tcp"][-1] for frame in policy.frames])
    planned = policy.planned(ticks)
    turned = Rotation.from_quat(seen[:, 3:]) * Rotation.from_quat(planned[:, 3:]).inv()
    assert np.ptp(planned, axis=0)[:3].min() > 0.03
    assert np.linalg.norm(seen[:, :3] - planned[:, :3], axis=1).max() < 0.005
    assert turned.magnitude().max() < 0.02


def test_pictures_are_those_of_the_contracts_rule(task: VirtualTask) -> None:
    """15 a second, and the newest that is not younger than the tick; the cube is where the picture shows it."""
    policy = Standing(task.contract, ("arm", "object", "camera"))
    assert task.play(policy, range(5, 6)) == [False]
    grid, period = task.contract.grid, NANOSECONDS / task.task.camera.rate
    schedule = Schedule({"camera": task.task.camera.rate})
    for frame in policy.frames:
        newest = frame.stamps["camera"][-1]
        assert 0 <= grid.time(frame.tick) - newest < period
        assert schedule.due(newest - PERIOD_NS, newest)
    times = np.array([frame.stamps["object"][-1] for frame in policy.frames])
    np.testing.assert_array_equal(times, [grid.time(frame.tick) for frame in policy.frames])  # of the tick itself
    columns = [red_columns(frame.values["camera"][-1]) for frame in policy.frames]
    seen = [(frame.values["object"][-1, 1], mean) for frame, mean in zip(policy.frames, columns, strict=True) if mean]
    along, across = np.array(seen).T
    assert len(seen) > 10 and np.corrcoef(along, across)[0, 1] > 0.99


def red_columns(image: np.ndarray) -> float | None:
    """Mean column of what is red; None: nothing is."""
    wide = image.astype(int)
    columns = np.nonzero((wide[..., 0] > 120) & (wide[..., 1] < 60) & (wide[..., 2] < 60))[1]
    return float(columns.mean()) if len(columns) else None


@pytest.fixture(scope="module")
def world(task: VirtualTask) -> World:
    return World(task.robot, task.contract, task.task, load_settings(CONFIG / "teleop" / "scripted.yaml", "scripted"))


def test_the_bag_of_an_episode_gives_the_very_frames_that_the_policy_saw(world: World, tmp_path: Path) -> None:
    policy = Standing(world.contract, ("arm", "tcp", "camera"))
    with Practice(world, policy) as practice:
        assert [played.outcome for played in practice.play(tmp_path, [7], {})] == ["failure"]
    episode = read_episode(tmp_path / "episode_000000", world.contract, policy.streams, policy.n_obs_steps)
    assert len(policy.frames) > 10
    for frame in policy.frames:
        for stream, value in frame.values.items():
            np.testing.assert_array_equal(episode.values[stream][frame.tick - episode.first_tick], value)


def test_demonstrations_show_the_scene_that_a_policy_sees(world: World, task: VirtualTask, tmp_path: Path) -> None:
    (played,) = demonstrate(world, tmp_path, [7], {}, camera=True)
    assert played.outcome == "success"
    episode = read_episode(tmp_path / "episode_000000", world.contract, ("object", "camera"), 2)
    assert (episode.has_frame & (episode.source == "human")).sum() > 50
    policy = Standing(world.contract, ("arm", "object", "camera"))
    task.play(policy, range(7, 8))
    first = policy.frames[0]
    along = episode.values["object"][:, -1, 1]
    same = int(np.argmin(np.abs(along - first.values["object"][-1, 1])))  # the belt runs alike, whoever drives
    np.testing.assert_allclose(episode.values["object"][same], first.values["object"], atol=1e-6)
    difference = np.abs(episode.values["camera"][same].astype(int) - first.values["camera"])[:, 48:]
    assert np.mean(difference > 8) < 0.01  # the belt; above it the arm has begun to move


def test_demonstrated_in_poses_a_policy_learns_poses_and_drives_by_them(world: World, tmp_path: Path) -> None:
    posed = load_task("panda_conveyor_pose")
    (played,) = demonstrate(
        World(posed.robot, posed.contract, posed.task, world.hand), tmp_path / "bags", [7], {}, camera=False
    )
    assert played.outcome == "success"
    episode = read_episode(tmp_path / "bags" / "episode_000000", posed.contract, ("tcp",), 1)
    driven = episode.has_frame & (episode.source == "human") & episode.has_command
    assert driven.sum() > 50
    seen, commanded = episode.values["tcp"][driven, -1], episode.commands[driven]
    assert np.linalg.norm(seen[:, :3] - commanded[:, :3], axis=1).max() < 0.03  # a hand is ahead of the tool
    document = yaml.safe_load((CONFIG / "policies" / "regression.yaml").read_text())
    document["policy"].update(width=32, blocks=1)
    document["training"].update(steps=20, warmup=2, threads=1, validation=0.0)
    train([tmp_path / "bags"], posed.contract, document, tmp_path / "policy", page=False)
    with posed.stage(load_policy(tmp_path / "policy")) as stage:
        stage.reset(7)
        stage.episodes.run(resume=True)
        acks = [ack for ack in stage.episodes.cell.acks if ack.source == "policy"]
    refused = [ack.detail for ack in acks if ack.verdict == ChunkAck.REFUSED and ack.reason != ChunkAck.FOREIGN_EPOCH]
    assert len(acks) > 10 and not refused  # foreign: the one on its way when the episode ends


def test_what_is_not_simulated_is_refused(task: VirtualTask) -> None:
    cell = VirtualCell(Simulation(task.robot, task.task, 0))
    policy = Standing(task.contract, ("arm", "camera"))
    with pytest.raises(BcError, match=r"observes 'camera'.* there is no camera/image_raw"):
        Student(policy, task.contract, cell, VirtualStreams(cell, task.contract.grid))
