"""The cells of the study: which there are, and running one: demonstrate, train, drive."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import bc_bringup
import bc_core
import bc_sim
import bc_teleop
from bc_bringup import resources
from bc_bringup.commands.train import policy_config
from bc_core.checkpoint import load_policy
from bc_core.contract import Contract
from bc_core.report.statistics import wilson
from bc_core.training.train import train
from benchmarks.gains.motion import Motion
from benchmarks.gains.world import CONTRACT, HAND, PRESETS, ROBOT, Episode, demonstrate, drive

DEMONSTRATED, SCENES = (
    10_000,
    1_000,
)  # first scene of a repetition's demonstrations is a multiple of this; at most so many
JUDGED = 2_000_000  # first scene of all roll-outs
DEMONSTRATE, TRAIN, DRIVE = "demonstrate", "train", "drive"


@dataclass(frozen=True)
class Budget:
    """repetitions: each with demonstrations, initial weights and batches of its own. demonstrations: that succeeded.
    trials: of every policy under the preset of its demonstrations; crossed: under each of the others, in the first of
    the same scenes.
    """

    task: str
    policy: str
    repetitions: int
    demonstrations: int
    steps: int
    trials: int
    crossed: int


@dataclass(frozen=True)
class Cell:
    """preset: of the demonstrations. driven: of the roll-out; "" elsewhere."""

    kind: str
    preset: str
    repetition: int
    driven: str = ""

    @property
    def task(self) -> str:
        return self.kind

    @property
    def arm(self) -> str:
        return self.preset

    @property
    def name(self) -> str:
        return "_".join(filter(None, (self.kind, self.preset, str(self.repetition), self.driven)))


def stages(budget: Budget) -> list[list[Cell]]:
    """Cells that may run side by side, stage by stage: a stage needs what those before it have made. Repetition by
    repetition, and what is driven under other presets last, so that a run that is cut short says something.
    """
    found, crossed = [], []
    for repetition in range(budget.repetitions):
        found += [[Cell(kind, preset, repetition) for preset in PRESETS] for kind in (DEMONSTRATE, TRAIN)]
        found.append([Cell(DRIVE, preset, repetition, preset) for preset in PRESETS])
        crossed += [Cell(DRIVE, a, repetition, b) for a in PRESETS for b in PRESETS if a != b]
    return [*found, crossed] if budget.crossed else found


def trials(preset: str, driven: str, budget: Budget) -> int:
    """Scenes in which a policy that learned under one preset is driven under another, or the same."""
    return budget.trials if preset == driven else budget.crossed


def run(cell: Cell, budget: Budget, folder: Path) -> dict[str, Any]:
    """The cell's row. What it makes lies in `folder`; a cell needs what the kind before it has made there."""
    name = f"{cell.preset}_{cell.repetition}"
    episodes, checkpoint = folder / "episodes" / name, folder / "policies" / name
    if cell.kind == DEMONSTRATE:
        first = DEMONSTRATED * (1 + cell.repetition)
        found = demonstrate(cell.preset, budget.task, range(first, first + SCENES), budget.demonstrations, episodes)
        return {**asdict(cell), **row(found)}
    if cell.kind == TRAIN:
        config = policy_config(budget.policy, {"steps": budget.steps, "seed": cell.repetition, "threads": 1})
        contract = Contract.load(resources.config_path("contract", CONTRACT))
        summary = train([episodes], contract, config, checkpoint, page=False)
        return {
            **asdict(cell),
            **{key: summary[key] for key in ("episodes", "frames", "train_loss", "validation_loss")},
        }
    scenes = range(JUDGED, JUDGED + trials(cell.preset, cell.driven, budget))
    return {**asdict(cell), **row(list(drive(cell.driven, budget.task, load_policy(checkpoint), scenes)))}


def row(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Success with its Wilson interval, and the episodes: `solved`, one character each, 1 where it was; seconds, and
    each measure of Motion, medians over the episodes that were solved and have one.
    """
    good = [episode for episode in episodes if episode.solved and episode.motion is not None]
    rate = wilson(sum(episode.solved for episode in episodes), len(episodes))
    measured = {
        name: float(np.median([getattr(episode.motion, name) for episode in good])) if good else None
        for name in Motion.__dataclass_fields__
    }
    return {
        "n": len(episodes),
        "rate": rate.rate,
        "wilson_low": rate.low,
        "wilson_high": rate.high,
        "solved": "".join("1" if episode.solved else "0" for episode in episodes),
        **measured,
    }


@cache
def sources() -> bytes:
    """What decides what a cell gives, but for compiled code: after a change of that, remove out/bench/gains."""
    here = Path(__file__).parent
    bringup, core, sim, teleop = (Path(m.__path__[0]) for m in (bc_bringup, bc_core, bc_sim, bc_teleop))
    files = [here / "cells.py", here / "world.py", here / "motion.py"]
    files += sorted((bringup / "virtual").glob("*.py"))
    files += [core / "dataset.py", core / "encoding.py", core / "normalisation.py", core / "scheduler.py"]
    files += [core / "policies" / f"{name}.py" for name in ("chunk_policy", "features", "network", "trunks")]
    files += [core / "policies" / "heads" / "flow.py", core / "training" / "optimise.py", core / "training" / "data.py"]
    files += [sim / f"{name}.py" for name in ("scene", "simulation", "task")]
    files += [teleop / f"{name}.py" for name in ("courses", "ik", "limiter", "session")]
    files += sorted((teleop / "devices").glob("*.py"))
    named = (("robot", ROBOT), ("contract", CONTRACT), ("teleop", HAND))
    files += [resources.config_path(kind, name) for kind, name in named]
    files += sorted(resources.config_path("task", "conveyor_pick").parent.glob("*.yaml"))
    files += sorted(resources.config_path("policy", "flow").parent.glob("*.yaml"))
    return b"".join(path.read_bytes() for path in files)
