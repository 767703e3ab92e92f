"""A training run as a whole: killed and resumed, on several processes, in mixed precision, judged by what it does."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from bc_core.checkpoint import WEIGHTS_FILE, load_policy, read_config
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.policies.chunk_policy import ChunkPolicy
from bc_core.training.state import STATE_FILE
from bc_core.training.train import RUN_SUFFIX, Rollouts
from bc_core.training.train import train as train_and_show

from .swing import CONFIG, OF_LEROBOT, SHIPPED, record, settings, train

NewRecording = Callable[[int], Any]
LAST = 14


class Killed(BaseException):
    """Nothing in training may catch this: as good as a kill."""


@pytest.fixture
def bags(contract: Contract, new_recording: NewRecording) -> list[Path]:
    return [record(contract, new_recording(number), 1.0 if number % 2 else -1.0) for number in range(4)]


def small(kind: str = "flow", **training: Any) -> dict[str, Any]:
    """A shipped configuration with dropout, tiny."""
    document: dict[str, Any] = yaml.safe_load((CONFIG.parent / f"{kind}.yaml").read_text())
    document["policy"].update(
        observations=["arm", "gripper"], relations=[], n_obs_steps=1, horizon=6, width=32, blocks=1, dropout=0.2
    )
    document["policy"].update({"quantiser_steps": 5} if kind == "vqbet" else OF_LEROBOT.get(kind, {}))
    document["training"].update(
        steps=LAST, batch=16, warmup=3, threads=1, validation=0.25, save_every=4, observation_noise=0.02
    )
    document["training"].update(training)
    return document


def killed_at(step: int) -> Callable[[ChunkPolicy, int], float]:
    """A roll-out during which the process dies; before it, scores that rise and fall."""

    def score(_: ChunkPolicy, done: int) -> float:
        if done >= step:
            raise Killed
        return {5: 0.5, 10: 0.25}.get(done, 0.0)

    return score


@pytest.mark.parametrize("kind", ["flow", "vqbet", "fast"])
def test_a_killed_run_goes_on_to_the_same_weights_bit_for_bit(
    contract: Contract, bags: list[Path], tmp_path: Path, kind: str
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    judge = Rollouts(5, killed_at(100))
    expected = train(bags, contract, small(kind), whole, rollouts=judge)
    with pytest.raises(Killed):
        train(bags, contract, small(kind), broken, rollouts=Rollouts(5, killed_at(10)))
    assert not broken.exists()
    assert (tmp_path / f"broken{RUN_SUFFIX}" / STATE_FILE).is_file()
    torch.manual_seed(99)  # what a new process would have is something else anyway
    summary = train(bags, contract, small(kind), broken, rollouts=judge, resume=True)
    assert summary["train_loss"] == expected["train_loss"]
    assert summary["validation_loss"] == expected["validation_loss"]
    assert summary["rollout_scores"] == expected["rollout_scores"]
    assert (broken / WEIGHTS_FILE).read_bytes() == (whole / WEIGHTS_FILE).read_bytes()
    assert not (tmp_path / f"broken{RUN_SUFFIX}" / STATE_FILE).exists()  # it is finished


def test_a_resumed_run_has_the_curves_of_one_that_was_not_killed(
    contract: Contract, bags: list[Path], tmp_path: Path
) -> None:
    """Killed by the system, in the midst of a step's work: the same steps, each once, with the same values."""
    document = small(steps=40)
    train(bags, contract, document, tmp_path / "whole")
    (tmp_path / "settings.json").write_text(json.dumps(document))
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump(dict(contract.document)))
    program = (
        "import json, os, signal, sys\nfrom pathlib import Path\nfrom bc_core.contract import Contract\n"
        "from bc_core.training.train import Rollouts, train\n"
        "root = Path(sys.argv[1])\n"
        "score = lambda policy, step: os.kill(os.getpid(), signal.SIGKILL)\n"
        "train([root / 'bags'], Contract.load(root / 'contract.yaml'),\n"
        "    json.loads((root / 'settings.json').read_text()), root / 'broken', rollouts=Rollouts(26, score))\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, timeout=120, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    time.sleep(1.0)  # TensorBoard orders files by the second in which they were begun
    train(bags, contract, document, tmp_path / "broken", resume=True)
    whole, broken = (curves(tmp_path / f"{name}{RUN_SUFFIX}") for name in ("whole", "broken"))
    assert broken == whole
    assert [step for step, _ in whole["loss/train"]] == [10, 20, 30, 40]
    assert [step for step, _ in whole["loss/validation"]] == list(range(2, 41, 2))
    assert max(rate for _, rate in whole["learning_rate"]) <= document["training"]["learning_rate"]
    weights = [(tmp_path / name / WEIGHTS_FILE).read_bytes() for name in ("whole", "broken")]
    assert weights[0] == weights[1]


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a run: steps and values, by name."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder)).Reload()
    return {name: [(event.step, event.value) for event in found.Scalars(name)] for name in found.Tags()["scalars"]}


def test_a_run_is_resumed_only_with_its_own_settings_and_data(
    contract: Contract, bags: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(BcError, match=r"no unfinished training in .*policy\.run.*without --resume"):
        train(bags, contract, small(), tmp_path / "policy", resume=True)
    with pytest.raises(Killed):
        train(bags, contract, small(), tmp_path / "policy", rollouts=Rollouts(5, killed_at(5)))
    with pytest.raises(BcError, match=r"training\.batch = 16, now it is 8: set it back"):
        train(bags, contract, small(batch=8), tmp_path / "policy", resume=True)
    with pytest.raises(BcError, match="of other frames"):
        train(bags[:3], contract, small(), tmp_path / "policy", resume=True)
    train(bags[:3], contract, small(), tmp_path / "policy", resume=None)  # does not fit: begun anew, the old one kept
    aside = tmp_path / f"policy{RUN_SUFFIX}.before-1"
    assert (aside / STATE_FILE).is_file() and (tmp_path / "policy").is_dir()
    state = tmp_path / f"policy{RUN_SUFFIX}" / STATE_FILE
    state.write_bytes((aside / STATE_FILE).read_bytes()[:100])
    with pytest.raises(BcError, match="cannot be read"):
        train(bags, contract, small(), tmp_path / "policy", resume=True)
    state.write_bytes((aside / STATE_FILE).read_bytes())
    assert train(bags, contract, small(), tmp_path / "policy", resume=None)["steps"] == LAST
    assert len(list(tmp_path.glob("*.before-*"))) == 1  # gone on with


def test_the_weights_that_do_best_are_kept(contract: Contract, bags: list[Path], tmp_path: Path) -> None:
    """Of equal scores the latest; the policy that is judged is the one that is kept."""
    judged: dict[int, np.ndarray] = {}
    scores = {4: 0.25, 8: 0.75, 12: 0.75, LAST: 0.5}

    def score(policy: ChunkPolicy, done: int) -> float:
        judged[done] = policy.network.observation.weight.numpy().copy()
        return scores[done]

    summary = train(bags, contract, small(), tmp_path / "policy", rollouts=Rollouts(4, score))
    assert summary["rollout_scores"] == list(scores.items())
    kept = load_policy(tmp_path / "policy").network.observation.weight.numpy()
    np.testing.assert_array_equal(kept, judged[12])
    assert not np.array_equal(kept, judged[8])


@pytest.mark.parametrize("kind", ["flow", "implicit", "vqbet"])
def test_a_warm_start_learns_what_a_new_policy_would(
    contract: Contract, bags: list[Path], tmp_path: Path, kind: str
) -> None:
    """From the weights of a checkpoint, and away from them; what is fitted beforehand stays as it is."""
    document = small(kind, steps=2, validation=0.0)
    train(bags, contract, document, tmp_path / "first")
    train(bags, contract, document, tmp_path / "second", start=tmp_path / "first")
    first, second = (load_policy(tmp_path / name, trainable=True).network for name in ("first", "second"))
    assert first.training
    before, after = (dict(network.named_parameters()) for network in (first, second))
    moved = {name: (after[name] - before[name]).abs().max().item() for name in before}
    fixed = {name for name, parameter in before.items() if not parameter.requires_grad}
    assert moved["observation.weight"] > 0.0
    assert max(moved.values()) < 0.02  # a step or two of training: not other weights
    assert all(moved[name] == 0.0 for name in fixed)
    assert bool(fixed) == (kind == "vqbet")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_head_trains_in_mixed_precision(contract: Contract, bags: list[Path], tmp_path: Path, path: Path) -> None:
    """bfloat16 inside, float32 weights outside, and a loss that is that of float32 but for rounding."""
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        document = small(path.stem, precision=precision, steps=2)
        document["policy"]["dropout"] = 0.0
        losses.append(train(bags, contract, document, tmp_path / precision)["train_loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.1, abs=0.05)
    weights = load_file(tmp_path / "bf16-mixed" / WEIGHTS_FILE)
    assert {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()} == {torch.float32}


def test_two_processes_share_the_batch_and_write_one_checkpoint(
    contract: Contract, bags: list[Path], tmp_path: Path
) -> None:
    """The first step's loss is the mean of two halves of the batch that one process would have taken."""
    document = small(steps=1, observation_noise=0.0)
    document["policy"].update(type="regression", loss="l2", dropout=0.0)
    document["policy"].pop("flow_steps")
    alone = train(bags, contract, document, tmp_path / "alone")
    (tmp_path / "settings.json").write_text(json.dumps(document))
    (tmp_path / "contract.yaml").write_text(yaml.safe_dump(dict(contract.document)))
    program = tmp_path / "train.py"
    program.write_text(
        "import json, sys\nfrom pathlib import Path\nfrom bc_core.contract import Contract\n"
        "from bc_core.training.hardware import Hardware\nfrom bc_core.training.train import train\n"
        "root = Path(sys.argv[1])\n"
        "summary = train([root / 'bags'], Contract.load(root / 'contract.yaml'),\n"
        "    json.loads((root / 'settings.json').read_text()), root / 'pair', page=False,\n"
        "    hardware=Hardware('cpu', 2))\n"
        "print('finished' if summary else 'helped', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)], env=os.environ | {"MASTER_ADDR": "127.0.0.1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["finished", "helped"]
    pair = read_config(tmp_path / "pair")["training"]
    assert pair["train_loss"] == pytest.approx(alone["train_loss"], rel=1e-5)
    weights = [load_file(tmp_path / name / WEIGHTS_FILE) for name in ("alone", "pair")]
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=1e-3, atol=1e-5)


def test_a_page_shows_the_run(contract: Contract, bags: list[Path], tmp_path: Path) -> None:
    rollouts = Rollouts(10, lambda policy, step: step / 20)
    train_and_show(bags, contract, settings(steps=20), tmp_path / "policy", rollouts=rollouts)
    page = (tmp_path / "policy" / "summary.html").read_text()
    for alt in ("Loss over steps", "Error over the rows", "Sample chunks", "Action statistics", "Feature statistics"):
        assert f'alt="{alt}' in page
    assert page.count("data:image/svg+xml;base64,") == 5
    assert "circled step" in page and "http" not in page.replace("http://www.w3.org", "")
