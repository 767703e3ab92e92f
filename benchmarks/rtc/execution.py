"""Running the benchmark's jobs in processes: first the networks they need, then the jobs, each kept as it ends."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.pool import one_quiet_thread
from benchmarks.rtc import cells, jitter
from benchmarks.rtc.arms import ARMS
from benchmarks.rtc.cells import Cell
from benchmarks.rtc.checkpoints import Store
from benchmarks.rtc.jitter import JitterCell
from benchmarks.rtc.tasks import TASKS
from benchmarks.rtc.training import Budget, Kind

Job = Cell | JitterCell


def run_jobs(
    jobs: Sequence[Job],
    keep: Callable[[Job, dict[str, Any]], None],
    checkpoints: Path,
    budget: Budget,
    workers: int,
    console: Console,
) -> None:
    """First the networks that the jobs need, then the jobs in their order; each result is kept as it comes."""
    if not jobs:
        return
    needed = _networks(jobs)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
    )
    context = get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=one_quiet_thread)
    try:
        with Progress(*columns, console=console, speed_estimate_period=600.0) as progress:
            for stage in (0, 1):  # corrections are trained on chunks of the conditioned policy
                now = [key for key in needed if (key[2] is Kind.CORRECTION) == stage]
                training = [pool.submit(_train, str(checkpoints), budget, *key) for key in now]
                _follow(training, progress, "networks" if stage == 0 else "corrections", lambda _: None)
            runs = [pool.submit(_cell, str(checkpoints), budget, job) for job in jobs]
            _follow(runs, progress, "cells", lambda done: keep(*done))
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _follow(futures: Sequence[Future[Any]], progress: Progress, name: str, then: Callable[[Any], None]) -> None:
    if not futures:
        return
    bar = progress.add_task(name, total=len(futures))
    for future in as_completed(futures):
        then(future.result())
        progress.advance(bar)


def _networks(jobs: Sequence[Job]) -> list[tuple[str, int, Kind]]:
    keys = {
        (job.task, _horizon(job), kind)
        for job in jobs
        for kind in ARMS[job.arm].kinds | ({Kind.CONDITIONED} if Kind.CORRECTION in ARMS[job.arm].kinds else set())
    }
    return sorted(keys)


def _horizon(job: Job) -> int:
    return job.horizon if isinstance(job, Cell) else jitter.HORIZON


@cache
def _store(checkpoints: str, budget: Budget) -> Store:
    return Store(Path(checkpoints), budget, lambda what, share: None)


def _train(checkpoints: str, budget: Budget, task: str, horizon: int, kind: Kind) -> None:
    _store(checkpoints, budget).load(TASKS[task], horizon, {kind})


def _cell(checkpoints: str, budget: Budget, job: Job) -> tuple[Job, dict[str, Any]]:
    policies = _store(checkpoints, budget).load(TASKS[job.task], _horizon(job), ARMS[job.arm].kinds)
    result = cells.run(job, policies) if isinstance(job, Cell) else jitter.run(job, policies)
    return job, result
