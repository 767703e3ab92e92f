"""Bags to a checkpoint: training learns a task of two minds, and real-time chunking keeps the mind made up."""

import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from bc_core.checkpoint import load_policy, read_config
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.evaluation import evaluate
from bc_core.mask import Mask
from bc_core.policies.config import OptimiserConfig, PolicyConfig, TrainConfig
from bc_core.schema import Section
from bc_core.training.data import new_policy, read_episodes, training_set
from bc_core.training.optimise import learning_rate_factor

from .swing import EPISODE_TICKS, HUMAN, OF_LEROBOT, SHIPPED, frame_at, record, reference, settings, train

NewRecording = Callable[[int], Any]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(
    contract: Contract, tmp_path_factory: pytest.TempPathFactory, recording_at: Any
) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("training")
    for number in range(12):
        recording = recording_at(root / "bags" / f"episode_{number:06d}", number)
        record(contract, recording, side=1.0 if number % 2 else -1.0)
    summary = train([root / "bags"], contract, settings(), root / "policy")
    return root / "policy", summary


def test_summary_accounts_for_everything(trained: tuple[Path, dict[str, Any]]) -> None:
    path, summary = trained
    assert summary["episodes"] == 12
    assert summary["skipped_episodes"] == {}
    assert summary["frames"] == 11 * (EPISODE_TICKS - 1)  # one episode is held out
    assert summary["missing_chunks"] == summary["lost_messages"] == 0
    assert math.isfinite(summary["validation_loss"])
    assert summary["train_seconds"] > 0
    assert read_config(path)["training"]["frames"] == summary["frames"]


def test_both_ways_are_learnt_and_nothing_between(trained: tuple[Path, dict[str, Any]]) -> None:
    """At the fork samples go either way, each near a demonstrated end: the mean of both would be 0."""
    policy = load_policy(trained[0])
    frame = frame_at(reference(1.0), 5)
    ends = np.array([policy.infer(frame, seed=seed)[-1, 0] for seed in range(40)])
    expected = reference(1.0)[5 + policy.horizon - 1, 0]
    assert min((ends > 0).sum(), (ends < 0).sum()) >= 6
    assert (np.abs(np.abs(ends) - expected) < 0.2 * expected).mean() > 0.7


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_real_time_chunking_keeps_the_side_of_the_chunk_before(
    trained: tuple[Path, dict[str, Any]], side: float
) -> None:
    """The prefix turns to a side, the observation still stands at the fork: only guidance can tell."""
    policy = load_policy(trained[0])
    rows = reference(side)
    prefix = rows[8 : 8 + policy.horizon - 3]
    frame = frame_at(rows, 8)
    guided = np.array([policy.infer(frame, prefix, 6, 3, Mask.SOFT, 5.0, seed) for seed in range(30)])
    naive = np.array([policy.infer(frame, seed=seed) for seed in range(30)])
    assert (np.sign(naive[:, -1, 0]) != side).sum() >= 5
    assert (np.sign(guided[:, -1, 0]) == side).sum() >= 25
    naive_jump, guided_jump = (np.abs(chunks[:, 6, 0] - prefix[6, 0]).mean() for chunks in (naive, guided))
    assert guided_jump < 0.5 * naive_jump


def test_training_is_deterministic(contract: Contract, new_recording: NewRecording, tmp_path: Path) -> None:
    bags = [record(contract, new_recording(number), 1.0) for number in range(2)]
    losses = []
    for number, seed in enumerate((3, 3, 4)):
        losses.append(train(bags, contract, settings(steps=5, seed=seed), tmp_path / f"p{number}")["train_loss"])
    weights = [(tmp_path / f"p{number}" / "model.safetensors").read_bytes() for number in range(3)]
    assert losses[0] == losses[1] != losses[2]
    assert weights[0] == weights[1] != weights[2]


def test_only_the_wanted_outcomes_are_used(contract: Contract, new_recording: NewRecording, tmp_path: Path) -> None:
    record(contract, new_recording(0), 1.0, "success")
    bags = record(contract, new_recording(1), 1.0, "failure").parent
    summary = train([bags], contract, settings(steps=2), tmp_path / "policy")
    assert (summary["episodes"], summary["skipped_episodes"]) == (1, {"failure": 1})
    assert summary["validation_loss"] is None
    document = settings(steps=2)
    document["data"]["outcomes"] = ["aborted"]
    with pytest.raises(BcError, match=r"no episode to train on among 2 .*aborted.*1 success, 1 failure"):
        train([bags], contract, document, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_nothing_to_train_on(contract: Contract, new_recording: NewRecording, tmp_path: Path) -> None:
    with pytest.raises(BcError, match="no directory"):
        train([tmp_path / "absent"], contract, settings(), tmp_path / "policy")
    bags = record(contract, new_recording(0), 1.0)
    document = settings()
    document["data"]["sources"] = ["policy"]
    with pytest.raises(BcError, match="no frame at which policy commanded"):
        train([bags], contract, document, tmp_path / "policy")


def test_idle_stretches_are_left_out_or_weigh_less_where_asked_for(
    contract: Contract, new_recording: NewRecording
) -> None:
    recording = new_recording(0)
    t, start = contract.grid.time, 1000
    for tick in range(40):
        recording.joints(t(start + tick), np.zeros(7), 0.04)
    rows = np.zeros((40, 8))
    rows[20:, 0] = 0.01 * np.arange(20)  # stands for a second, then moves
    recording.mode(t(start), HUMAN, 2)
    recording.chunk("human", 1, t(start), rows, in_force=t(start))
    path = recording.close()
    sizes = []
    for idle in (None, {"seconds": 0.5}, {"seconds": 2.0}, {"seconds": 0.5, "weight": 0.25}):
        document = settings()
        document["data"] |= {"idle": idle} if idle else {}
        config = TrainConfig.from_document(document, "test")
        episodes, _ = read_episodes([path], contract, config)
        found = training_set(episodes, new_policy(episodes, contract, config), config.data)
        sizes.append((len(found), float(found.weight.sum())))
    assert sizes == [(40, 40.0), (20, 20.0), (40, 40.0), (40, 25.0)]  # the command stands still at ticks 0 to 19


def test_camera_training(contract: Contract, new_recording: NewRecording, tmp_path: Path) -> None:
    recording = new_recording(0)
    rng = np.random.default_rng(0)
    for tick in range(1000, 1029, 3):
        recording.image(contract.grid.time(tick), rng.integers(0, 256, (96, 96, 3), dtype=np.uint8))
    bags = record(contract, recording, 1.0)
    document = settings(steps=3, batch=4, noise_draws=2)
    document["policy"]["observations"] = ["arm", "camera"]
    summary = train([bags], contract, document, tmp_path / "policy")
    assert math.isfinite(summary["train_loss"])
    assert load_policy(tmp_path / "policy").streams == ("arm", "camera")


@pytest.mark.parametrize(
    ("part", "key", "value", "words"),
    [
        ("policy", "type", "akt", "did you mean act?"),
        ("policy", "horizon", 1, "policy.horizon = 1"),
        ("policy", "flow_stpes", 5, "unknown key policy.flow_stpes: did you mean flow_steps?"),
        ("policy", "observations", ["lidar"], "observes 'lidar'"),
        ("data", "sources", ["ghost"], "data.sources = 'ghost'"),
        ("training", "learning_rate", "1e-3", "training.learning_rate = '1e-3'"),
        ("training", "ema", 1.0, "training.ema = 1.0"),
    ],
)
def test_faulty_settings(
    contract: Contract, new_recording: NewRecording, tmp_path: Path, part: str, key: str, value: object, words: str
) -> None:
    bags = record(contract, new_recording(0), 1.0)
    document = deepcopy(settings())
    document[part][key] = value
    with pytest.raises(BcError) as caught:
        train([bags], contract, document, tmp_path / "policy")
    assert words in str(caught.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_configurations_are_valid(contract: Contract, tmp_path: Path, path: Path) -> None:
    config = TrainConfig.load(path)
    assert config == TrainConfig.from_document(yaml.safe_load(path.read_text()), "test")
    assert PolicyConfig.from_section(Section(config.policy.to_document(), "test")) == config.policy
    assert set(config.policy.observations) <= set(contract.observations)
    with pytest.raises(BcError, match=r"absent\.yaml"):
        TrainConfig.load(tmp_path / "absent.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_policy_trains_infers_and_is_evaluated(
    contract: Contract, new_recording: NewRecording, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From bags to a checkpoint to a chunk; the same chunk from the same seed when it is read again."""
    bags, document = record(contract, new_recording(0), 1.0), yaml.safe_load(path.read_text())
    document["policy"].update(observations=["arm", "gripper"], relations=[], n_obs_steps=1, width=32, blocks=1)
    document["policy"].update({"quantiser_steps": 2} if path.stem == "vqbet" else OF_LEROBOT.get(path.stem, {}))
    document["training"].update(steps=2, batch=4, threads=1, validation=0.0)
    summary = train([bags], contract, document, tmp_path / "policy")
    assert math.isfinite(summary["train_loss"])
    chunks = [load_policy(tmp_path / "policy").infer(frame_at(reference(1.0), 5), seed=1) for _ in range(2)]
    assert chunks[0].shape == (document["policy"]["horizon"], contract.width)
    np.testing.assert_array_equal(*chunks)
    monkeypatch.setattr(evaluate, "render_page", lambda *_: "")  # whose plots take seconds, and are tested elsewhere
    monkeypatch.setattr(evaluate, "LATENCY_CHUNKS", 2)
    found = evaluate.evaluate_checkpoint(tmp_path / "policy", [bags], seen_too=True, frames=4).document
    assert (found["policy"], found["frames"]) == (document["policy"]["type"], 4)
    assert math.isfinite(found["loss"])
    assert [error["quantity"] for error in found["errors"]] == ["arm", "gripper"]
    assert all(math.isfinite(error["mean"][0]) for error in found["errors"])


def test_learning_rate_warms_up_and_falls_to_zero() -> None:
    config = OptimiserConfig.from_section(Section(settings(steps=100, warmup=10)["training"], "test"))
    factors = [learning_rate_factor(step, config) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0)
    assert np.argmax(factors) in (9, 10)
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0.0, abs=1e-9)
