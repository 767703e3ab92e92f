"""The jitter arm: delays that vary, and estimators that must foretell them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bc_core.delay import DelayEstimator, JacobsonKarels, Quantile, WindowMax
from bc_core.report.statistics import wilson
from benchmarks.rtc import cells, delays
from benchmarks.rtc.arms import ARMS
from benchmarks.rtc.delays import Delays
from benchmarks.rtc.policies import PolicySet
from benchmarks.rtc.rollout import Rollout
from benchmarks.rtc.tasks import TASKS

HORIZON = 8
LARGEST = 4  # the largest d with d <= s <= H - d

PROCESSES: dict[str, Callable[[int, int], Delays]] = {
    "spikes": lambda episodes, requests: delays.spike_mixture(episodes, requests, 1, LARGEST, 0.05, cells.SEED),
    "ar1": lambda episodes, requests: delays.autoregressive(episodes, requests, 2.0, 0.8, 0.9, LARGEST, cells.SEED),
}

INITIAL, WINDOW = 2, 20  # of the estimators, in ticks and chunks

ORACLE = "oracle"  # knows each delay in advance
ESTIMATORS: dict[str, Callable[[], DelayEstimator]] = {
    "window_max": lambda: WindowMax(INITIAL, WINDOW),
    "p95": lambda: Quantile(INITIAL, WINDOW, 0.95),
    "p90": lambda: Quantile(INITIAL, WINDOW, 0.9),
    "median": lambda: Quantile(INITIAL, WINDOW, 0.5),
    "jacobson_karels_2": lambda: JacobsonKarels(INITIAL, 2.0),
    "jacobson_karels_4": lambda: JacobsonKarels(INITIAL, 4.0),
}
STRATEGIES = ("rtc", "rtc_hard", "conditioned", "foresight")


@dataclass(frozen=True)
class JitterCell:
    """One task and arm under one process of delays, foretold by one estimator; n episodes."""

    task: str
    arm: str
    process: str
    estimator: str
    n: int

    @property
    def name(self) -> str:
        return f"jitter_{self.task}_{self.arm}_{self.process}_{self.estimator}_n{self.n}"


def grid(episodes: int, tasks: tuple[str, ...] = cells.GATE_TASKS) -> list[JitterCell]:
    return [
        JitterCell(task, arm, process, name, episodes)
        for task in tasks
        for arm in STRATEGIES
        for process in PROCESSES
        for name in (*ESTIMATORS, ORACLE)
    ]


def run(cell: JitterCell, policies: PolicySet) -> dict[str, Any]:
    """Figures of one cell. missed: share of chunks whose delay was underestimated; starved: share of ticks."""
    task = TASKS[cell.task]
    arm = ARMS[cell.arm].build(policies, HORIZON, 1, cells.SEED + 1)
    waiting = PROCESSES[cell.process](cell.n, task.ticks + 1)
    estimators = None if cell.estimator == ORACLE else [ESTIMATORS[cell.estimator]() for _ in range(cell.n)]
    with torch.no_grad():
        measures = Rollout(task, arm, waiting, cells.SEED, estimators).run()
    jumps = torch.cat(measures.jumps)
    rate = wilson(int(measures.solved.sum()), cell.n)
    return {
        "task": cell.task,
        "strategy": cell.arm,
        "process": cell.process,
        "estimator": cell.estimator,
        "n": cell.n,
        "missed": measures.underestimated / max(1, measures.chunks),
        "starved": measures.starved / max(1, measures.ticks),
        "delay_mean": float(np.mean(waiting)),
        "jump": jumps.mean().item(),
        "jump_p99": float(torch.quantile(jumps, 0.99)) if len(jumps) < 2**24 else None,
        "jerk": measures.jerk.mean().item(),
        "solved": rate.rate,
        "wilson_low": rate.low,
        "wilson_high": rate.high,
        "episodes": "".join("1" if solved else "0" for solved in measures.solved.tolist()),
    }
