"""The benchmark of what a policy sees: its verdicts, and one small policy through all of it."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # benchmarks are run from the checkout, not installed

from bc_core.policies.config import TrainConfig
from benchmarks.encoders import verdict
from benchmarks.encoders.arms import ARMS, OF_LEVEL
from benchmarks.encoders.driving import drive
from benchmarks.encoders.learning import collect, configuration, demonstrated, learn, teach_encoder
from benchmarks.encoders.plan import (
    BUDGETS,
    LIGHT,
    PLAIN,
    TEXTURE,
    Budget,
    Learner,
    Pretraining,
    Trials,
    learners,
    trials,
)

SIZES, SCENES = (10, 50, 200), 40


def row(arm: str, episodes: int, solved: int, look: str = PLAIN) -> dict[str, Any]:
    """Of 40 scenes the first so many are solved."""
    return {"arm": arm, "episodes": episodes, "look": look, "solved": "1" * solved + "0" * (SCENES - solved)}


def claims(rows: list[dict[str, Any]]) -> list[str]:
    return [claim["verdict"] for claim in verdict.claims(rows, SIZES)]


def test_claims_are_open_where_nothing_was_run() -> None:
    assert set(claims([])) == {verdict.OPEN}


def test_sample_efficiency_is_confirmed_refuted_or_open_by_the_paired_intervals() -> None:
    ahead = [row("explicit", n, 36) for n in SIZES] + [
        row("scratch", 10, 2),
        row("scratch", 50, 10),
        row("scratch", 200, 30),
    ]
    assert claims(ahead)[0] == verdict.CONFIRMED
    assert claims(ahead)[3] == verdict.CONFIRMED  # pictures gain by more demonstrations
    behind = [row("explicit", n, 4) for n in SIZES] + [row("scratch", n, 36) for n in SIZES]
    assert claims(behind)[0] == verdict.REFUTED
    assert claims(behind)[3] == verdict.OPEN
    level = [row("explicit", n, 36) for n in SIZES] + [row("scratch", n, 35) for n in SIZES]
    assert claims(level)[0] == verdict.OPEN
    crossing = [row("explicit", n, 20) for n in SIZES] + [row("scratch", 10, 2), row("scratch", 50, 38)]
    assert claims(crossing)[0] == verdict.MIXED


def test_robustness_is_judged_against_the_look_of_the_demonstrations() -> None:
    steady = [row("explicit", 200, 38, look) for look in (PLAIN, LIGHT, TEXTURE)]
    assert claims(steady)[4] == verdict.CONFIRMED
    blinded = [row("explicit", 200, 38), row("explicit", 200, 38, LIGHT), row("explicit", 200, 3, TEXTURE)]
    assert claims(blinded)[4] == verdict.REFUTED


def test_differences_are_paired_by_scene() -> None:
    one, other = row("explicit", 10, 20), row("scratch", 10, 20)
    other["solved"] = other["solved"][::-1]
    result = verdict.difference(one, other)
    assert result is not None and (result.only_a, result.only_b) == (20, 20)


@pytest.mark.parametrize("level", BUDGETS)
def test_every_policy_is_judged_as_demonstrated_and_the_last_ones_in_changed_looks_too(level: str) -> None:
    budget, arms = BUDGETS[level], OF_LEVEL[level]
    jobs = [job for learner in learners(arms, budget) for job in trials(learner, budget)]
    assert len({job.name for job in jobs}) == len(jobs) == len(arms) * (len(budget.episodes) + 2)


@pytest.mark.parametrize("arm", ARMS)
def test_the_object_is_hidden_from_all_but_the_explicit_one(arm: str) -> None:
    document = configuration(ARMS[arm], BUDGETS["gate"], 0)
    if ARMS[arm].pretrained:
        document["policy"]["vision"]["camera"]["path"] = "out/mae"
    policy = TrainConfig.from_document(document, arm).policy
    assert ("object" in policy.observations) == (arm == "explicit") == (not policy.vision.encoders)
    assert (policy.relations != ()) == (arm == "explicit")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two demonstrations."""
    folder, done = tmp_path_factory.mktemp("bench"), list[int]()
    collect(folder / "episodes", 2, lambda count, _: done.append(count))
    collect(folder / "episodes", 2, lambda count, _: done.append(count))  # nothing is missing
    assert done == [1, 2] and demonstrated(folder / "episodes", 2) == 1.0
    return folder


@pytest.mark.parametrize("arm", ["mae", "scratch"])
def test_a_policy_with_a_camera_is_taught_and_judged_in_every_look(folder: Path, arm: str) -> None:
    budget = Budget(episodes=(2,), steps=2, batch=4, pretraining=2, trials=1)
    at, learner = (budget, folder / "episodes", folder / "checkpoints"), Learner(arm, 2)
    if ARMS[arm].pretrained:
        assert teach_encoder(Pretraining(arm), *at)["images"] > 20
    assert learn(learner, *at)["frames"] > 100
    for look in (PLAIN, TEXTURE):
        assert drive(Trials(learner, look), budget, folder / "checkpoints")["solved"] in ("0", "1")


def test_a_policy_whose_training_was_interrupted_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget, learner = Budget(episodes=(2,), steps=16, batch=4, pretraining=2, trials=1), Learner("explicit", 2)
    whole = learn(learner, budget, folder / "episodes", tmp_path / "whole")
    assert whole["train_cpu_seconds"] > 0.0

    def killed(_: Any, done: int, *__: Any) -> None:
        if done == 11:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("bc_core.training.curves.Board.step", killed)
        with pytest.raises(KeyboardInterrupt):
            learn(learner, budget, folder / "episodes", tmp_path / "part")
    resumed = learn(learner, budget, folder / "episodes", tmp_path / "part")
    assert resumed["train_loss"] == whole["train_loss"]
    assert resumed["train_cpu_seconds"] is None  # of the last part only it would be known
