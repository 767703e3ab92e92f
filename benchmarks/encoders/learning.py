"""Demonstrations, once for all, and training a policy on the first of them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bc_bringup import resources
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.simulated import load_world
from bc_bringup.episodes import records
from bc_bringup.virtual.demonstrations import OPERATOR, demonstrate
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.pretraining.config import PretrainConfig
from bc_core.pretraining.pretrain import pretrain
from bc_core.training.state import STATE_FILE
from bc_core.training.train import RUN_SUFFIX, train
from benchmarks.encoders.arms import ARMS, HISTORY, OWN, Arm
from benchmarks.encoders.plan import TASK, Budget, Learner, Pretraining


def collect(folder: Path, count: int, update: Callable[[int, str], None]) -> None:
    """Demonstrations of the scenes 0 to count - 1 with the camera: those that are missing."""
    setup, metadata = Setup(task=TASK), {"device": OPERATOR, "task": TASK}
    done = records.finished(folder)
    records.refuse_other(done, metadata)
    missing = records.remaining(range(count), done)
    for index, played in enumerate(demonstrate(load_world(setup), folder, missing, metadata, camera=True)):
        update(count - len(missing) + index + 1, played.outcome)


def demonstrated(folder: Path, count: int) -> float:
    """Share of the demonstrations that succeeded."""
    found = [record for record in records.finished(folder) if record.seed < count]
    return sum(record.outcome == "success" for record in found) / max(1, len(found))


def teach_encoder(job: Pretraining, budget: Budget, demonstrations: Path, checkpoints: Path) -> dict[str, Any]:
    """Pre-train on the pictures of all demonstrations, whatever came of them, and keep the encoder; what it took.

    Goes on with a run that was interrupted.
    """
    config = PretrainConfig.load(Path(__file__).parent / f"{job.arm}.yaml", steps=budget.pretraining)
    folder = checkpoints / job.name
    took = _stopwatch(folder)
    summary = pretrain(bags_of(demonstrations, max(budget.episodes)), contract(), config, folder, resume=None)
    return {
        "cpu_seconds": took(),
        **{key: summary[key] for key in ("seconds", "images", "steps", "train_loss", "validation_loss")},
    }


def learn(learner: Learner, budget: Budget, demonstrations: Path, checkpoints: Path) -> dict[str, Any]:
    """Train and keep the checkpoint; what it took. Only demonstrations that succeeded are imitated.

    Goes on with a run that was interrupted.
    """
    arm, folder = ARMS[learner.arm], checkpoints / learner.name
    took = _stopwatch(folder)
    config = configuration(arm, budget, learner.seed)
    if arm.pretrained:
        config["policy"]["vision"]["camera"]["path"] = str(checkpoints / Pretraining(learner.arm).name)
    bags = bags_of(demonstrations, learner.episodes)
    summary = train(bags, contract(), config, folder, page=False, resume=None)
    return {
        "train_cpu_seconds": took(),
        **{key: summary[key] for key in ("train_seconds", "read_seconds", "frames", "train_loss", "parameters")},
    }


def _stopwatch(checkpoint: Path) -> Callable[[], float | None]:
    """CPU seconds from now on; None where a run is gone on with, for nobody knows what it took before."""
    goes_on = (checkpoint.with_name(checkpoint.name + RUN_SUFFIX) / STATE_FILE).is_file()
    begun = time.process_time()
    return lambda: None if goes_on else time.process_time() - begun


def contract() -> Contract:
    return Contract.load(resources.config_path("contract", Setup.contract))


def bags_of(demonstrations: Path, count: int) -> list[Path]:
    """The first so many. BcError: some are missing."""
    bags = [record.path for record in records.finished(demonstrations) if record.seed < count]
    if len(bags) != count:
        raise BcError(f"{demonstrations} holds {len(bags)} of the first {count} demonstrations: run the benchmark anew")
    return bags


def configuration(arm: Arm, budget: Budget, seed: int) -> dict[str, Any]:
    """config/policies/flow.yaml with what the arm sees.

    Two ticks lie between the oldest and the newest of HISTORY pictures, so that they are never one and the same: the
    camera is slower than the grid.
    """
    document: dict[str, Any] = yaml.safe_load(Path(resources.config_path("policy", "flow")).read_text(encoding="utf-8"))
    policy, training = document["policy"], document["training"]
    policy["n_obs_steps"] = HISTORY
    policy["observations"] = [*OWN, "object" if arm.vision is None else "camera"]
    if arm.vision is not None:
        policy["relations"] = []
        policy["vision"] = {"camera": dict(arm.vision)}
    training.update(
        steps=budget.steps, batch=budget.batch, noise_draws=4, warmup=budget.steps // 20, ema=0.99, validation=0.0,
        seed=seed, threads=1, save_every=max(1, budget.steps // 8),
    )  # fmt: skip
    return document
