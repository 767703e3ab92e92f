"""An expert that is asked: its answers solve the task, they are kept beside the bag, and a bag gives them again."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from bc_bringup.cli import main
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.plan import Asking, Plan, Round
from bc_bringup.dagger.simulated import Simulated
from bc_bringup.virtual.expert import SimulatedExpert
from bc_bringup.virtual.labelling import label_bag, ticks_of
from bc_bringup.virtual.operator import drifting_policy
from bc_bringup.virtual.practice import Practice, Teacher, World
from bc_bringup.virtual.restore import restore, scenes
from bc_controllers import load_robot
from bc_core.bags import open_episode, read_info
from bc_core.checkpoint import load_policy
from bc_core.chunks import Array
from bc_core.contract import Contract
from bc_core.dagger.asked import LABELS_FILE, AskedLabels, read_labels
from bc_core.dagger.mixture import Beta, RowBudget
from bc_core.dataset import read_episode
from bc_core.errors import BcError
from bc_core.frames import Frame
from bc_core.mask import Mask
from bc_core.policies.base import Policy
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.policies.config import TrainConfig
from bc_core.training.data import new_policy, read_episodes, training_set
from bc_sim.task_config import load_task
from bc_teleop.settings import load_settings

CONFIG = Path(__file__).parents[3] / "config"
FLOW = CONFIG / "policies" / "flow.yaml"
HORIZON = 24


@pytest.fixture(scope="module")
def world() -> World:
    torch.set_num_threads(1)
    return World(
        load_robot(CONFIG / "robots" / "panda.yaml"),
        Contract.load(CONFIG / "contracts" / "panda_conveyor.yaml"),
        load_task(CONFIG / "tasks" / "conveyor_pick.yaml"),
        load_settings(CONFIG / "teleop" / "scripted.yaml", "scripted"),
    )


@pytest.fixture(scope="module")
def expert(world: World) -> SimulatedExpert:
    return SimulatedExpert(world.robot, world.contract, world.task, world.hand)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> ChunkPolicy:
    """It has learnt nothing: it turns the first joint."""
    folder = tmp_path_factory.mktemp("student") / "checkpoint"
    return load_policy(drifting_policy(CONFIG / "contracts" / "panda_conveyor.yaml", FLOW, folder))


def practise(
    world: World, expert: SimulatedExpert, student: Policy, folder: Path, rows: int, number: int, seed: int
) -> tuple[Path, AskedLabels]:
    """One episode of a round with an expert that is asked; its bag and labels."""
    teacher = Teacher(expert, RowBudget(rows), Beta(), number)
    played = list(Practice(world, student, teacher).play(folder, [seed], {"round": "1"}))
    assert [each.seed for each in played] == [seed]
    bag = folder / "episode_000000"
    labels = read_labels(bag, world.contract)
    assert labels is not None and labels.expert_rows == teacher.budget.spent <= rows
    assert read_info(bag)["outcome"] == played[0].outcome
    return bag, labels


@pytest.fixture(scope="module")
def taught(
    world: World, expert: SimulatedExpert, student: ChunkPolicy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, AskedLabels]:
    """The expert drives whenever it is asked: beta_0 = 1."""
    return practise(world, expert, student, tmp_path_factory.mktemp("taught"), 100 * HORIZON, number=0, seed=3)


def test_asked_again_and_again_the_expert_arrives(taught: tuple[Path, AskedLabels], world: World) -> None:
    """Each of its answers begins from the state alone: none undoes what those before were about."""
    bag, labels = taught
    assert read_info(bag)["outcome"] == "success"
    assert labels.provenance["drove"] == len(labels) >= 6
    assert labels.provenance["expert"] == "scripted" and labels.provenance["contract"] == "panda_conveyor"
    commands = read_episode(bag, world.contract, ("arm",), 1)
    first = labels.ticks - commands.first_tick
    apart = np.abs(labels.rows[:, 0, :7] - commands.commands[first, :7])
    assert np.nanmax(apart[1:]) < 0.02  # an answer begins where the reference is: what was in force at that tick


def test_a_bag_gives_the_answers_of_the_episode_again(
    taught: tuple[Path, AskedLabels], world: World, expert: SimulatedExpert
) -> None:
    bag, live = taught
    chosen = [int(tick) for tick in live.ticks[1:-1:2]]  # far from the cube, above it, with the fingers around it
    found = label_bag(bag, world.contract, expert, chosen, HORIZON, {})
    assert found.ticks.tolist() == chosen and found.provenance["restored"]
    for tick, rows, valid in zip(found.ticks, found.rows, found.valid, strict=True):
        index = live.ticks.tolist().index(tick)
        both = np.flatnonzero(valid & live.valid[index])[:8]
        assert len(both) == 8
        assert np.abs(rows[both, :7] - live.rows[index][both, :7]).max() < 0.002
        assert np.abs(rows[both, 7] - live.rows[index][both, 7]).max() < 0.002


class Holding(Policy):
    """Commands the pose in which it sees the tool."""

    def __init__(self, contract: Contract) -> None:
        self.contract, self.streams, self.n_obs_steps = contract, ("tcp",), 1
        self.horizon, self.width, self.masks = HORIZON, contract.width, frozenset({Mask.FREE})

    def infer(self, frame: Frame, *_: object, **__: object) -> Array:
        return np.repeat(np.append(frame.values["tcp"][-1], 0.08)[None], HORIZON, axis=0)


def test_of_a_contract_of_poses_the_answers_are_poses_and_arrive(world: World, tmp_path: Path) -> None:
    contract = Contract.load(CONFIG / "contracts" / "panda_conveyor_pose.yaml")
    robot = load_robot(CONFIG / "robots" / "panda.yaml", contract.groups)
    posed = World(robot, contract, world.task, world.hand)
    asked = SimulatedExpert(robot, contract, world.task, world.hand)
    bag, labels = practise(posed, asked, Holding(contract), tmp_path, 100 * HORIZON, number=0, seed=3)
    assert read_info(bag)["outcome"] == "success"
    np.testing.assert_allclose(np.linalg.norm(labels.rows[:, :, 3:7], axis=-1), 1.0, atol=1e-6)
    commands = read_episode(bag, contract, ("tcp",), 1)
    first = labels.ticks - commands.first_tick
    apart = np.linalg.norm(labels.rows[:, 0, :3] - commands.commands[first, :3], axis=1)
    assert len(labels) >= 6 and np.nanmax(apart[1:]) < 0.02


def test_scenes_are_not_restored_for_a_contract_of_poses(
    taught: tuple[Path, AskedLabels], world: World, expert: SimulatedExpert
) -> None:
    posed = Contract.load(CONFIG / "contracts" / "panda_conveyor_pose.yaml")
    bag, live = taught
    (scene,) = scenes(open_episode(bag), world.contract, [int(live.ticks[1])], world.robot.arm)
    with pytest.raises(BcError, match=r"'panda_conveyor_pose' commands the pose of the tool.*restored joint by joint"):
        restore(expert.simulation, scene, posed)


@pytest.fixture(scope="module")
def untaught(
    world: World, expert: SimulatedExpert, student: ChunkPolicy, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, AskedLabels]:
    """The student drives, and the expert may be asked twice."""
    return practise(world, expert, student, tmp_path_factory.mktemp("untaught"), 2 * HORIZON + 5, number=1, seed=4)


def test_the_budget_ends_the_asking_and_the_student_drives_on(untaught: tuple[Path, AskedLabels], world: World) -> None:
    bag, labels = untaught
    assert len(labels) == 2 and labels.provenance["drove"] == 0
    info = read_info(bag)
    assert (info["outcome"], info["seed"]) == ("failure", 4)
    source = read_episode(bag, world.contract, ("arm",), 1).source
    assert "human" not in source and (source == "policy").sum() > 60
    assert ticks_of(bag, world.contract, 1, ("human",)) == []


def test_bags_are_labelled_from_the_command_line_once(
    untaught: tuple[Path, AskedLabels], world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = Path(shutil.copytree(untaught[0], tmp_path / "episode_000000"))
    (bag / LABELS_FILE).unlink()
    command = ["label", str(tmp_path), "--every", "30", "--horizon", "6", "--rows", "15"]
    for said in ("2 labels of 6 rows beside 1 of 1 bags", "0 labels of 6 rows beside 0 of 1 bags\n1 bags had labels"):
        assert main(command) == 0
        assert said in capsys.readouterr().out
    labels = read_labels(bag, world.contract)
    assert labels is not None and labels.rows.shape == (2, 6, 8) and np.diff(labels.ticks).tolist() == [30]
    assert labels.provenance["restored"] and labels.provenance["sources"] == ["policy"]


def test_labels_of_a_failed_episode_are_what_is_trained_on(untaught: tuple[Path, AskedLabels], world: World) -> None:
    """To the row: the targets in the training set are the expert's answers, and nothing of the student's is."""
    bag, labels = untaught
    document = {
        **yaml.safe_load(FLOW.read_text()),
        "data": {"sources": ["human", "label"], "outcomes": ["success"], "pad_end": True},
    }
    document["data"]["weights"] = {"label": 2.5}
    config = TrainConfig.from_document(document, "test")
    episodes, account = read_episodes([bag], world.contract, config)
    assert account.labels == len(labels) == 2
    data = training_set(episodes, policy := new_policy(episodes, world.contract, config), config.data)
    assert len(data) == 2 and data.weight.tolist() == [2.5] * 2 and bool(data.valid.all())
    ticks = labels.ticks - episodes[0].first_tick
    newest = {stream: values[ticks][:, -1] for stream, values in episodes[0].values.items()}
    encoded = policy.action_normaliser.denormalise(data.actions.double().numpy())
    for index in range(2):
        rows = policy.encoder.decode(encoded[index], {stream: value[index] for stream, value in newest.items()})
        np.testing.assert_allclose(rows, labels.rows[index, : policy.horizon], atol=1e-5)


def test_a_round_goes_on_with_the_rows_that_are_left(
    world: World, student: ChunkPolicy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this = Round(tmp_path, 1)
    drifting_policy(CONFIG / "contracts" / "panda_conveyor.yaml", FLOW, this.before.checkpoint)
    plan = Plan(3, 2, "no_delay", "flow", "scratch", 1, {}, asking=Asking(2 * HORIZON, Beta()))
    monkeypatch.setattr(Simulated, "world", world)
    simulated = Simulated(Setup(), plan)
    first = simulated.drive(this)
    assert simulated.account(first)["expert_rows"] == 2 * HORIZON
    assert len(first) == 1  # the rows were used up in the first of three episodes
    assert [record.path for record in simulated.drive(this)] == [record.path for record in first]
