"""The cells of the benchmark: which there are, and running one: demonstrate, train, drive."""

import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

import bc_core
from bc_core.report.statistics import wilson
from bc_core.strategies.registry import STRATEGIES
from benchmarks.policies.heads import ARMS
from benchmarks.policies.learning import Budget, Student, demonstrate, learn
from benchmarks.policies.tasks import CARELESS, TASKS, ExactPushT, JudgedPushT, Remembering
from benchmarks.rtc import delays
from benchmarks.rtc.rollout import Arm as Chunking
from benchmarks.rtc.rollout import Rollout
from benchmarks.rtc.tasks.base import Task

JUDGED = 90_000_000  # seed of the episodes that all policies are judged on
CHUNKS = {"fork": (8, 8), "conveyor": (8, 4), "pusht": (12, 8), "peg": (8, 4), "catch": (8, 8), "balance": (8, 4)}
"""Rows H of a chunk and how many of them are executed, by task."""
LONGER = {"conveyor": 1.5, "peg": 2.0, "pusht": 2.5}
"""Training steps of a task, relative to the budget's."""
LENGTHS = (1, 2, 4, 8, 16, 32)
SHARES = (0.0, 0.2, 0.4)
HISTORIES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Cell:
    """One policy on one task. horizon, executed: of chunks. history: ticks that it sees. careless: share of
    demonstrations that end badly. patience: times the usual training steps. seed: of training."""

    task: str
    arm: str
    horizon: int
    executed: int
    history: int = 1
    careless: float = 0.0
    patience: float = 1.0
    seed: int = 0

    @property
    def name(self) -> str:
        changed = f"_k{self.history}_b{self.careless:g}_p{self.patience:g}_seed{self.seed}"
        return f"{self.task}_{self.arm}_h{self.horizon}_s{self.executed}{changed}"


def compared(task: str, seed: int = 0, arms: tuple[str, ...] = tuple(ARMS)) -> list[Cell]:
    """Every head on a task."""
    return [Cell(task, arm, *CHUNKS[task], seed=seed) for arm in arms]


def claimed(seed: int = 0) -> list[Cell]:
    """What the lecture's claims beside the first need; the fork is there already."""
    rows = [Cell("catch", "flow", rows, rows, seed=seed) for rows in LENGTHS]
    styles = [Cell("fork_scripted", arm, *CHUNKS["fork"], seed=seed) for arm in ("act", "act_plain")]
    bad = [
        Cell("fork_left", arm, *CHUNKS["fork"], careless=share, seed=seed)
        for share in SHARES
        for arm in ("l2", "l1", "mixture", "act", "diffusion", "flow")
    ]
    seen = [Cell("balance", arm, *CHUNKS["balance"], history=k, seed=seed) for arm in ("l2", "flow") for k in HISTORIES]
    return [*rows, *styles, *bad, *seen]


def cells(level: str, seeds: int) -> list[Cell]:
    """quick: some of everything. gate and full: every head on four tasks, and the claims, of so many training seeds;
    full: and policies for Push-T that are trained for long."""
    if level == "quick":
        few = ("l2", "bins", "chain", "mixture", "act", "flow")
        return [
            *compared("fork", arms=few),
            *compared("conveyor", arms=("l2", "flow")),
            *compared("pusht", arms=("flow",)),
        ]
    found = []
    for seed in range(seeds):
        found += [*compared("fork", seed), *claimed(seed)]
        found += [cell for task in ("conveyor", "peg", "pusht") for cell in compared(task, seed)]
    if level == "full":
        found += [Cell("pusht", arm, *CHUNKS["pusht"], patience=8.0) for arm in ("diffusion", "flow")]
    return found


def run(cell: Cell, budget: Budget) -> dict[str, Any]:
    """The cell's row, and `episodes`, one character by episode, 1 where it was solved."""
    task = _remembering(TASKS[cell.task], cell.history)
    careless = CARELESS.get(cell.task)
    data = demonstrate(task, None if careless is None else _remembering(careless, cell.history), cell.careless, 0)
    steps = round(budget.steps * LONGER.get(cell.task, 1.0) * cell.patience)
    student = learn(
        ARMS[cell.arm], data, cell.horizon, Budget(steps, budget.batch, budget.width, budget.blocks), cell.seed
    )
    judged = JudgedPushT() if isinstance(TASKS[cell.task], ExactPushT) else TASKS[cell.task]
    solved, overlap, seconds = drive(_remembering(judged, cell.history), student, cell, budget.episodes)
    rate = wilson(int(solved.sum()), len(solved))
    return {
        **asdict(cell),
        "n": budget.episodes,
        "demonstrations": len(data.length),
        "steps": steps,
        "solved": rate.rate,
        "wilson_low": rate.low,
        "wilson_high": rate.high,
        "overlap": overlap,
        "held_out": student.held_out,
        "parameters": student.parameters,
        "train_cpu_seconds": student.cpu_seconds,
        "drive_cpu_seconds": seconds,
        "episodes": "".join("1" if good else "0" for good in solved.tolist()),
    }


@torch.no_grad()
def drive(task: Task, student: Student, cell: Cell, episodes: int) -> tuple[torch.Tensor, float | None, float]:
    """Who was solved (E,); of Push-T the mean over episodes of the largest overlap, relative to what counts as
    solved and at most 1 (the published measure); CPU seconds."""
    generator = torch.Generator().manual_seed(JUDGED + 1)
    chunking = Chunking(
        STRATEGIES["naive"], cell.horizon, cell.executed, lambda observation, _: student.chunks(observation, generator)
    )
    rollout = Rollout(task, chunking, delays.constant(episodes, task.ticks + 1, 0), JUDGED)
    begun, best = time.process_time(), torch.zeros(episodes)

    def look(_: float) -> None:
        if isinstance(task, JudgedPushT):
            torch.maximum(best, task.overlap(rollout.state), out=best)

    measures = rollout.run(look)
    share = (best / JudgedPushT.COVERED).clamp(max=1.0).mean().item() if isinstance(task, JudgedPushT) else None
    return measures.solved, share, time.process_time() - begun


def _remembering(task: Task, history: int) -> Task:
    return task if history == 1 else Remembering(task, history)


@cache
def sources() -> bytes:
    """All that decides what a cell gives."""
    here, core = Path(__file__).parent, Path(bc_core.__file__).parent
    files = [here / f"{name}.py" for name in ("cells", "fork", "heads", "learning", "peg", "tasks")]
    files += [here.parent / "rtc" / f"{name}.py" for name in ("demonstrations", "rollout")]
    files += [here.parent / "rtc" / "tasks" / f"{name}.py" for name in ("balance", "catch", "conveyor", "pusht")]
    files += sorted((core / "policies" / "heads").glob("*.py"))
    files += [core / "policies" / f"{name}.py" for name in ("network", "transformer", "trunks", "unet")]
    files += [core / "training" / "optimise.py", core / "guidance.py", core / "strategies" / "diffusion.py"]
    return b"".join(path.read_bytes() for path in files)
