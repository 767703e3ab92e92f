"""Demonstrations, once for all, and training a policy on the first of them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bc_bringup import resources
from bc_bringup.commands.common import Setup
from bc_bringup.dagger.simulated import load_world
from bc_bringup.episodes import records
from bc_bringup.virtual.demonstrations import OPERATOR, demonstrate
from bc_core.contract import Contract
from bc_core.errors import BcError
from bc_core.training.train import train
from benchmarks.encoders.arms import ARMS, configuration
from benchmarks.encoders.plan import TASK, Budget, Learner


def collect(folder: Path, count: int, update: Callable[[int, str], None]) -> float:
    """Demonstrations of the scenes 0 to count - 1 with the camera, those that are missing; share that succeeded."""
    setup, metadata = Setup(task=TASK), {"device": OPERATOR, "task": TASK}
    done = records.finished(folder)
    records.refuse_other(done, metadata)
    missing = records.remaining(range(count), done)
    begun = count - len(missing)
    for index, played in enumerate(demonstrate(load_world(setup), folder, missing, metadata, camera=True)):
        update(begun + index + 1, played.outcome)
    found = [record for record in records.finished(folder) if record.seed < count]
    return sum(record.outcome == "success" for record in found) / count


def learn(learner: Learner, budget: Budget, demonstrations: Path, checkpoints: Path) -> dict[str, Any]:
    """Train and keep the checkpoint; what it took. Only demonstrations that succeeded are imitated."""
    bags = [record.path for record in records.finished(demonstrations) if record.seed < learner.episodes]
    if len(bags) != learner.episodes:
        raise BcError(f"{demonstrations} holds {len(bags)} of the first {learner.episodes} demonstrations")
    contract = Contract.load(resources.config_path("contract", Setup.contract))
    begun = time.process_time()
    config = configuration(ARMS[learner.arm], budget, learner.seed)
    summary = train(bags, contract, config, checkpoints / learner.name, page=False)
    return {
        "train_cpu_seconds": time.process_time() - begun,
        **{key: summary[key] for key in ("train_seconds", "read_seconds", "frames", "train_loss", "parameters")},
    }
