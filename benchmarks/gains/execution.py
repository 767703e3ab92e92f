"""Running the study's cells in processes, each kept as it ends."""

from functools import partial
from pathlib import Path

from benchmarks.gains.cells import Budget, run, stages
from benchmarks.pool import run_all
from benchmarks.rtc.cells import Results


def run_cells(budget: Budget, results: Results, folder: Path, workers: int) -> None:
    """Those that are missing; what finishes is on disk at once."""
    every = stages(budget)
    for number, stage in enumerate(every):
        missing = [cell for cell in stage if results.get(cell) is None]
        title = f"stage {number + 1} of {len(every)}"
        run_all(title, missing, partial(run, budget=budget, folder=folder), results.put, workers)
