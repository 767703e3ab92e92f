"""A second run goes on where the first was stopped, and never mixes results."""

import json
from pathlib import Path
from typing import Any

import pytest

from bc_bringup.commands import demo, rollout
from bc_bringup.commands.common import Setup
from bc_bringup.episodes import records
from bc_core.errors import BcError


def write(directory: Path, number: int, **info: Any) -> Path:
    path = directory / f"episode_{number:06d}"
    path.mkdir(parents=True)
    (path / "episode.json").write_text(json.dumps({"state": "complete", "outcome": "success", **info}))
    return path


def test_finished_are_those_with_a_verdict_once_per_seed(tmp_path: Path) -> None:
    write(tmp_path, 0, seed=5, outcome="failure")
    write(tmp_path, 1, seed=3)
    write(tmp_path, 2, seed=4, outcome="aborted")
    write(tmp_path, 3, seed=6, state="interrupted")
    write(tmp_path, 4, seed=7, state="recording", outcome="unlabelled")
    write(tmp_path, 5, seed=5)
    done = records.finished(tmp_path)
    assert [(record.seed, record.outcome) for record in done] == [(3, "success"), (5, "failure")]
    assert records.remaining(range(3, 8), done) == [4, 6, 7]


def test_a_directory_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert records.finished(tmp_path / "nix") == []


def test_results_of_another_checkpoint_are_refused(tmp_path: Path) -> None:
    write(tmp_path, 0, seed=1, metadata={"checkpoint": "abc", "mode": "rtc"})
    done = records.finished(tmp_path)
    records.refuse_other(done, {"checkpoint": "abc"})
    with pytest.raises(BcError, match=r"episode_000000 was recorded with checkpoint 'abc', but this run has 'xyz'"):
        records.refuse_other(done, {"mode": "rtc", "checkpoint": "xyz"})


def test_a_checkpoint_that_is_not_there_is_named_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BcError, match=r"no checkpoint in '.*nix' .* train one with bcros train"):
        rollout.rollout(Setup(), tmp_path / "nix", tmp_path, "rtc", 1)


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Training that only notes on which episodes it was called."""
    calls: list[list[str]] = []

    def train(bags: list[Path], contract: str, config: dict[str, Any], out: Path, *_: Any, **__: Any) -> dict[str, Any]:
        out.mkdir(exist_ok=True)
        (out / rollout.WEIGHTS).write_text(str(len(calls)))
        calls.append([path.name for path in bags])
        return {}

    monkeypatch.setattr(demo.train, "train", train)
    monkeypatch.setattr(demo.train, "policy_config", lambda name, training: {"name": name, "training": training})
    return calls


def test_the_demo_trains_on_successes_once_and_again_when_something_changed(
    tmp_path: Path, trained: list[list[str]]
) -> None:
    for number, outcome in enumerate(("success", "failure", "success")):
        write(tmp_path / "episodes", number, seed=number, outcome=outcome)
    size = demo.Size(3, 1, "flow", {})
    for _ in range(2):
        assert demo.train_if_needed(tmp_path, size, Setup()) == tmp_path / "checkpoint"
    assert trained == [["episode_000000", "episode_000002"]]
    (tmp_path / "rollout" / "rtc").mkdir(parents=True)
    demo.train_if_needed(tmp_path, demo.Size(3, 1, "flow", {"steps": 5}), Setup())
    write(tmp_path / "episodes", 3, seed=3)
    demo.train_if_needed(tmp_path, demo.Size(3, 1, "flow", {"steps": 5}), Setup())
    assert trained[1:] == [["episode_000000", "episode_000002"], ["episode_000000", "episode_000002", "episode_000003"]]
    assert (tmp_path / "rollout.before-1" / "rtc").is_dir()
    assert not (tmp_path / "rollout").exists()


def test_the_demo_needs_a_success(tmp_path: Path, trained: list[list[str]]) -> None:
    write(tmp_path / "episodes", 0, seed=0, outcome="failure")
    with pytest.raises(BcError, match="no successful episode in"):
        demo.train_if_needed(tmp_path, demo.Size(1, 1, "flow", {}), Setup())


def test_sizes_are_read_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "demo.yaml"
    file.write_text("full: {episodes: 5, trials: 2, policy: flow, training: {steps: 9}}\nquick: {episodes: 0}\n")
    assert demo.load_size(file, "full") == demo.Size(5, 2, "flow", {"steps": 9})
    with pytest.raises(BcError, match=r"quick.episodes = 0"):
        demo.load_size(file, "quick")


def test_a_smoke_run_leaves_a_longer_run_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        write(tmp_path / "out" / "demo" / "episodes", seed, seed=seed)
    assert demo.default_root(demo.Size(3, 1, "flow", {})) == Path("out/demo")
    assert demo.default_root(demo.Size(2, 1, "flow", {})) == Path("out/demo-quick")
