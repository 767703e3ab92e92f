"""The cells of the benchmark: which there are, running one, and keeping its result on disk."""

import ast
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch

import bc_core
from bc_core.report.statistics import wilson
from bc_core.strategies.registry import STRATEGIES
from benchmarks.rtc import delays
from benchmarks.rtc.arms import ARMS
from benchmarks.rtc.policies import PolicySet
from benchmarks.rtc.rollout import Measures, Rollout
from benchmarks.rtc.tasks import TASKS

SEED = 20_260_101
GATE_TASKS = ("slalom", "catch")
GATE_ARMS = ("naive", "ensemble", "rtc", "conditioned", "foresight")


@dataclass(frozen=True)
class Cell:
    """One task, one arm, one delay d [ticks]; s: least rows between requests; n: episodes."""

    task: str
    arm: str
    horizon: int
    d: int
    s: int
    n: int

    @property
    def name(self) -> str:
        return f"{self.task}_{self.arm}_h{self.horizon}_d{self.d}_s{self.s}_n{self.n}"


def gate(episodes: int, tasks: tuple[str, ...] = GATE_TASKS, arms: tuple[str, ...] = GATE_ARMS) -> list[Cell]:
    """d = 0 ... 4 with s = max(d, 1), H = 8."""
    return [Cell(task, arm, 8, d, max(d, 1), episodes) for task in tasks for d in range(5) for arm in arms]


def full(episodes: int) -> list[Cell]:
    """Every task and strategy; d = 1 with s = 1 ... 7; H = 16 with d up to 8."""
    arms = tuple(ARMS)
    cells = gate(episodes, tuple(TASKS), arms)
    sweep = ("naive", "ensemble", "rtc", "rtc_hard", "conditioned", "foresight")
    cells += [Cell(task, arm, 8, 1, s, episodes) for task in GATE_TASKS for s in range(2, 8) for arm in sweep]
    longer = ("naive", "ensemble", "rtc", "rtc_hard", "conditioned", "foresight")
    cells += [Cell(task, arm, 16, d, max(d, 1), episodes) for task in GATE_TASKS for d in range(9) for arm in longer]
    return cells


def run(cell: Cell, policies: PolicySet) -> dict[str, Any]:
    """The cell's result: its row of rtc.json, and `episodes`, one character by episode, 1 where it was solved."""
    task = TASKS[cell.task]
    arm = ARMS[cell.arm].build(policies, cell.horizon, cell.s, SEED + 1)
    waiting = delays.constant(cell.n, task.ticks + 1, cell.d)
    with torch.no_grad():
        measures = Rollout(task, arm, waiting, SEED).run()
    return {**row(cell, measures), "episodes": "".join("1" if solved else "0" for solved in measures.solved.tolist())}


def row(cell: Cell, measures: Measures) -> dict[str, Any]:
    rate = wilson(int(measures.solved.sum()), cell.n)
    jumps = torch.cat(measures.jumps) if measures.jumps else torch.zeros(0)
    return {
        "task": cell.task,
        "strategy": cell.arm,
        "H": cell.horizon,
        "d": cell.d,
        "s": cell.s,
        "n": cell.n,
        "solved": rate.rate,
        "wilson_low": rate.low,
        "wilson_high": rate.high,
        "jump": jumps.mean().item() if len(jumps) else None,
        "jerk": measures.jerk.mean().item(),
        "starved": measures.starved,
    }


class Job(Protocol):
    """A cell of any kind: one run of one task."""

    @property
    def task(self) -> str: ...

    @property
    def arm(self) -> str: ...

    @property
    def name(self) -> str: ...


class Results:
    """Results by job under `folder`; a file is named after the code that made it, so none outlives a change.

    code: job -> that code; None: this benchmark's.
    """

    def __init__(self, folder: Path, settings: str, code: "Callable[[Job], bytes] | None" = None) -> None:
        self.folder = folder
        self._settings = settings.encode()
        self._code = code or made_by
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, job: "Job") -> dict[str, Any] | None:
        path = self._path(job)
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def put(self, job: "Job", result: dict[str, Any]) -> None:
        path = self._path(job)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(result), encoding="utf-8")
        partial.rename(path)

    def _path(self, job: "Job") -> Path:
        code = hashlib.sha256(self._settings + self._code(job)).hexdigest()[:12]
        return self.folder / f"{job.name}_{code}.json"


def made_by(job: Job) -> bytes:
    """All that decides what a job gives: its arm and strategy, and the code that runs, less comments and layout."""
    arm = ARMS[job.arm]
    return repr((SEED, arm, STRATEGIES[arm.strategy])).encode() + _sources(job.task)


@cache
def _sources(task: str) -> bytes:
    here, core = Path(__file__).parent, Path(bc_core.__file__).parent
    ours = ("rollout", "policies", "networks", "training", "demonstrations", "correction", "delays", "jitter")
    files = [here / f"{name}.py" for name in ours]
    files += [here / "tasks" / "base.py", here / "tasks" / f"{task}.py"]
    algorithms = ("sampling", "conditioning", "diffusion", "ensembling", "bidirectional")
    files += [core / "strategies" / f"{name}.py" for name in algorithms]
    files += [core / "guidance.py", core / "mask.py", core / "delay.py"]
    return "".join(map(_code, files)).encode()


def _code(path: Path) -> str:
    """The syntax tree of a module without its docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
