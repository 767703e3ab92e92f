"""The cells of the benchmark: which there are, running one, and keeping its result on disk."""

import ast
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
BLOCK = 500  # episodes run together; of two cells the shorter has the first blocks of the longer one
GATE_TASKS, OTHER_TASKS = ("slalom", "catch"), ("conveyor", "balance", "pusht")
GATE_ARMS = ("naive", "ensemble", "rtc", "rtc_faded", "rtc_paper", "rtc_hard", "conditioned", "foresight")
SWEPT_ARMS = ("naive", "ensemble", "rtc", "rtc_faded", "rtc_paper", "rtc_hard", "conditioned", "foresight")
FULL_EPISODES = 500
LONGER_ARMS = ("naive", "rtc", "rtc_hard", "conditioned", "foresight")  # at H = 16
OTHER_ARMS = ("naive", "rtc", "rtc_paper", "conditioned", "foresight")  # on the tasks beside the gate's
BETA_ARMS = ("rtc_beta1", "rtc_beta3", "rtc_beta10")
DIFFUSION_ARMS = ("naive_diffusion", "rtc_diffusion", "naive_ddpm", "rtc_ddpm")
REST_ARMS = ("sync", "rtc_linear", "rtc_foresight", "corrected", "regression", "regression_prefix")


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


def gate_episodes(task: str, arm: str, d: int) -> int:
    """Of a cell of the gate: more at d = 0 and 1, where differences are small."""
    if d == 0:
        return {"catch": 2000, "slalom": 1000}.get(task, FULL_EPISODES)
    return 2000 if d == 1 and arm in ("naive", "rtc", "rtc_faded") else FULL_EPISODES


def by_delay(
    episodes: int,
    tasks: tuple[str, ...] = GATE_TASKS,
    arms: tuple[str, ...] = GATE_ARMS,
    horizon: int = 8,
    delays_: tuple[int, ...] = (0, 1, 2, 3, 4),
) -> list[Cell]:
    """d with s = max(d, 1)."""
    return [Cell(task, arm, horizon, d, max(d, 1), episodes) for task in tasks for d in delays_ for arm in arms]


def gate(episodes: int | None = None) -> list[Cell]:
    """What `make bench-rtc` runs. episodes: of every cell, in the place of gate_episodes."""
    return [replace(cell, n=episodes or gate_episodes(cell.task, cell.arm, cell.d)) for cell in by_delay(0)]


def full(episodes: int | None = None) -> list[Cell]:
    """The gate, then all else in the order of what it is worth to a run that is cut short.

    episodes: of every cell, in the place of gate_episodes and FULL_EPISODES. BID draws 32 chunks for one: it runs at
    d >= 1 only.
    """
    cells, episodes = gate(episodes), episodes or FULL_EPISODES
    cells += [Cell(task, arm, 8, 1, s, episodes) for task in GATE_TASKS for s in range(2, 8) for arm in SWEPT_ARMS]
    cells += by_delay(episodes, arms=LONGER_ARMS, horizon=16, delays_=tuple(range(9)))
    cells += by_delay(episodes, arms=BETA_ARMS, delays_=(1, 2, 3, 4))
    cells += by_delay(episodes, OTHER_TASKS, OTHER_ARMS)
    cells += by_delay(episodes, ("balance",), ("rtc_faded",))  # of these tasks the one that counts
    cells += by_delay(episodes, (*GATE_TASKS, "balance"), ("rtc_on_path",), delays_=(1, 2, 3, 4))
    cells += by_delay(episodes, arms=("bid",), delays_=(1, 2, 3, 4))
    cells += by_delay(episodes, arms=DIFFUSION_ARMS)
    cells += by_delay(episodes, arms=REST_ARMS)
    return cells


def run(cell: Cell, policies: PolicySet) -> dict[str, Any]:
    """The cell's result: its row of rtc.json, and `episodes`, one character by episode, 1 where it was solved."""
    task = TASKS[cell.task]
    arm = ARMS[cell.arm].build(policies, cell.horizon, cell.s, SEED + 1)
    blocks = []
    with torch.no_grad():
        for block in range(0, cell.n, BLOCK):
            waiting = delays.constant(min(BLOCK, cell.n - block), task.ticks + 1, cell.d)
            blocks.append(Rollout(task, arm, waiting, SEED + block).run())
    solved = torch.cat([block.solved for block in blocks])
    return {**row(cell, blocks), "episodes": "".join("1" if one else "0" for one in solved.tolist())}


def row(cell: Cell, blocks: Sequence[Measures]) -> dict[str, Any]:
    rate = wilson(sum(int(block.solved.sum()) for block in blocks), cell.n)
    jumps = torch.cat([jump for block in blocks for jump in (*block.jumps, torch.zeros(0))])
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
        "jerk": torch.cat([block.jerk for block in blocks]).mean().item(),
        "starved": sum(block.starved for block in blocks),
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
    """All that decides what a job gives: arm and strategy without titles, the code without comments and layout."""
    arm = ARMS[job.arm]
    strategy = STRATEGIES[arm.strategy]
    decides = (SEED, BLOCK, arm.kind, arm.sampler, strategy.mask, strategy.chaining, sorted(strategy.skills))
    return repr(decides).encode() + _sources(job.task)


@cache
def _sources(task: str) -> bytes:
    here, core = Path(__file__).parent, Path(bc_core.__file__).parent
    ours = ("rollout", "policies", "networks", "training", "demonstrations", "correction", "delays", "jitter")
    files = [here / f"{name}.py" for name in ours]
    files += [here / "tasks" / "base.py", here / "tasks" / f"{task}.py"]
    algorithms = ("sampling", "conditioning", "diffusion", "ensembling", "bidirectional")
    files += [core / "strategies" / f"{name}.py" for name in algorithms]
    files += [core / "guidance.py", core / "mask.py", core / "delay.py", core / "splice.py"]
    return "".join(map(_code, files)).encode()


def _code(path: Path) -> str:
    """The syntax tree of a module without its docstrings."""
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)
