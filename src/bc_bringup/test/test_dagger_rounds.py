"""Rounds on disk: what a plan may say, what is not repeated, and how rounds are compared. No graph is started."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bc_bringup import resources
from bc_bringup.commands import rollout, train
from bc_bringup.commands.common import Setup
from bc_bringup.dagger import rounds
from bc_bringup.dagger.operator import Operator
from bc_bringup.dagger.plan import Plan, Round, load_plan
from bc_bringup.episodes import records, session
from bc_bringup.launching.expand import expand
from bc_bringup.launching.substitution import Context
from bc_core.dagger.curve import format_table, gain, intervention_rate, write_curve
from bc_core.errors import BcError
from bc_core.policies.config import TrainConfig

CONFIG = Path(__file__).parents[3] / "config"
MODES = tuple(rollout.MODES)


def write_plan(path: Path, **changes: Any) -> Path:
    document = yaml.safe_load((CONFIG / "dagger.yaml").read_text())
    path.write_text(yaml.safe_dump({**document, **changes}))
    return path


def test_the_shipped_plan_is_sound_and_its_data_section_fits_the_policy() -> None:
    plan = load_plan(CONFIG / "dagger.yaml", MODES)
    document = yaml.safe_load((CONFIG / "policies" / f"{plan.policy}.yaml").read_text())
    document["data"].update(plan.data)
    weights = TrainConfig.from_document(document, "plan").data.weights
    assert weights.before == 0.0 and weights.intervention > weights.policy
    assert plan.asking is None


def test_the_shipped_plan_of_an_expert_that_is_asked_trains_on_its_labels() -> None:
    plan = load_plan(CONFIG / "dagger_simulated.yaml", MODES)
    assert plan.asking is not None and [plan.asking.beta.of(number) for number in range(3)] == [1.0, 0.0, 0.0]
    document = yaml.safe_load((CONFIG / "policies" / f"{plan.policy}.yaml").read_text())
    document["data"].update(plan.data)
    data = TrainConfig.from_document(document, "plan").data
    assert data.sources == ("human", "label") and data.weights.label > 0.0
    assert plan.asking.rows >= document["policy"]["horizon"]


@pytest.mark.parametrize(
    ("changes", "message"), [({"start": "cold"}, "start"), ({"trials": 0}, "trials"), ({"rounds": 3}, "rounds")]
)
def test_a_wrong_plan_is_one_clear_error(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BcError, match=message):
        load_plan(write_plan(tmp_path / "plan.yaml", **changes), MODES)


class World:
    """Sessions and training that write what the real ones write, and count what they were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sessions: list[session.Session] = []
        self.trained: list[tuple[int, dict[str, Any], Path | None]] = []
        monkeypatch.setattr(session, "run", self.run)
        monkeypatch.setattr(train, "train", self.train)
        monkeypatch.setattr(Operator, "account", lambda self, driven: CORRECTED)

    def run(self, asked: session.Session) -> list[records.Record]:
        self.sessions.append(asked)
        for seed in asked.seeds:
            write_episode(asked.directory, seed)
        return [record for record in records.finished(asked.directory) if record.seed in asked.seeds]

    def train(
        self, bags: list[Path], contract: str, config: dict[str, Any], out: Path, start: Path | None = None, **_: Any
    ) -> dict[str, Any]:
        self.trained.append((len(bags), config, start))
        out.mkdir(parents=True, exist_ok=True)
        (out / rollout.WEIGHTS).write_text(f"{len(bags)} episodes, training {len(self.trained)}")
        return {"frames": 100 * len(bags), "train_loss": 0.5}


CORRECTED = {"episodes": 2, "successes": 2, "with_intervention": 1, "interventions": 1} | {
    "expert_rows": 20,
    "share": 0.2,
}


def write_episode(folder: Path, seed: int, outcome: str = "success") -> None:
    path = folder / f"episode_{seed:06d}"
    path.mkdir(parents=True, exist_ok=True)
    info = {"state": "complete", "outcome": outcome, "seed": seed, "metadata": {}}
    (path / "episode.json").write_text(json.dumps(info))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


@pytest.fixture
def demonstrations(tmp_path: Path) -> Path:
    for seed in range(3):
        write_episode(tmp_path / "demonstrations", seed)
    return tmp_path / "demonstrations"


def plan(**changes: Any) -> Plan:
    values: dict[str, Any] = {
        "episodes": 2, "trials": 4, "mode": "no_delay", "policy": "flow", "start": "scratch", "warm_steps": 7,
        "data": {"sources": ["human", "policy"]},
    }  # fmt: skip
    return Plan(**values | changes)


def run(plan: Plan, this: Round, demonstrations: Path) -> dict[str, Any]:
    return rounds.run_round(Setup(), plan, this, demonstrations, Operator(Setup(), plan, "intervening"))


def test_in_every_graph_of_a_round_the_arm_is_moved_back_if_that_is_wished(
    world: World, demonstrations: Path, tmp_path: Path
) -> None:
    setup = Setup(reset="motion")
    for number in range(2):
        this = Round(tmp_path / "dagger", number)
        rounds.run_round(setup, plan(), this, demonstrations, Operator(setup, plan(), "intervening"))
    assert [asked.launch_file for asked in world.sessions] == ["rollout", "dagger", "rollout"]
    for asked in world.sessions:
        context = Context(resources.InstalledPackages())
        graph = expand(resources.launch_path(asked.launch_file), dict(asked.arguments), context).processes
        (planner,) = [process for process in graph if process.node_name == "/planner"]
        assert planner.parameters[0]["after_episode"] == asked.return_to == "start"


def test_each_round_drives_with_the_policy_before_and_trains_on_everything(
    world: World, demonstrations: Path, tmp_path: Path
) -> None:
    root = tmp_path / "dagger"
    for number in range(3):
        run(plan(), Round(root, number), demonstrations)
    assert [count for count, _, _ in world.trained] == [3, 5, 7]
    assert all(config["data"]["sources"] == ["human", "policy"] for _, config, _ in world.trained)
    driven = [asked for asked in world.sessions if asked.launch_file == "dagger"]
    assert [asked.arguments["checkpoint"] for asked in driven] == [
        str(Round(root, number).checkpoint.resolve()) for number in (0, 1)
    ]
    assert not set(driven[0].seeds) & set(driven[1].seeds)
    judged = [asked for asked in world.sessions if asked.launch_file == "rollout"]
    assert len(judged) == 3 and len({tuple(asked.seeds) for asked in judged}) == 1  # all on the same scenes


def test_an_operator_at_the_keyboard_is_waited_for(world: World, demonstrations: Path, tmp_path: Path) -> None:
    here = Operator(Setup(), plan(), "keyboard")
    rounds.run_round(Setup(), plan(), Round(tmp_path, 0), demonstrations, here)
    here.drive(Round(tmp_path, 1))
    asked = world.sessions[-1]
    assert (asked.arguments["device"], asked.metadata["device"]) == ("none", "keyboard")
    assert asked.by_hand == {"/teleop": "bcros teleop --device keyboard"}


def test_a_second_run_repeats_nothing(world: World, demonstrations: Path, tmp_path: Path) -> None:
    root = tmp_path / "dagger"
    for _ in range(2):
        for number in range(2):
            run(plan(), Round(root, number), demonstrations)
    assert len(world.trained) == 2
    assert json.loads(Round(root, 1).account.read_text())["frames"] == 500  # known from the first run


def test_other_labels_beside_the_same_bags_train_anew(world: World, demonstrations: Path, tmp_path: Path) -> None:
    this = Round(tmp_path / "dagger", 0)
    run(plan(), this, demonstrations)
    (demonstrations / "episode_000001" / "labels.npz").write_bytes(b"what an expert answered")
    run(plan(), this, demonstrations)
    assert len(world.trained) == 2


def test_more_demonstrations_train_anew_and_old_trials_are_set_aside(
    world: World, demonstrations: Path, tmp_path: Path
) -> None:
    this = Round(tmp_path / "dagger", 0)
    run(plan(), this, demonstrations)
    write_episode(demonstrations, 3)
    run(plan(), this, demonstrations)
    assert [count for count, _, _ in world.trained] == [3, 4]
    assert this.evaluation.with_name("evaluation.before-1").is_dir()


def test_a_warm_start_goes_on_from_the_round_before(world: World, demonstrations: Path, tmp_path: Path) -> None:
    root = tmp_path / "dagger"
    for number in range(2):
        run(plan(start="warm"), Round(root, number), demonstrations)
    (_, _, first), (_, config, second) = world.trained
    assert (first, second) == (None, Round(root, 0).checkpoint)
    assert config["training"]["steps"] == 7


def test_no_demonstrations_is_said(tmp_path: Path) -> None:
    with pytest.raises(BcError, match="bcros collect"):
        rounds.demonstrations_of(tmp_path)


def accounts() -> list[dict[str, Any]]:
    outcomes = [[False, False, True, False], [True, True, True, False]]
    return [
        {
            "round": number, "episodes": 3 + number, "frames": 10, "train_loss": 0.1,
            "corrected": CORRECTED if number else None,
            "trials": {str(seed): success for seed, success in enumerate(trials)},
        }
        for number, trials in enumerate(outcomes)
    ]  # fmt: skip


def test_the_table_compares_on_the_same_scenes() -> None:
    first, second = accounts()
    assert gain(first, first) == "-"
    assert gain(second, first).startswith("+50 (")
    assert intervention_rate(second) == 0.2 and intervention_rate(first) is None
    assert "20.0 %" in format_table([first, second]).splitlines()[2]


def test_the_curve_is_a_picture_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        write_curve(accounts(), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()
