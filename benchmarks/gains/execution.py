"""Running the study's cells in processes, each kept as it ends."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.gains.cells import Budget, Cell, run, sources, stages
from benchmarks.pool import run_all
from benchmarks.rtc.cells import Results


@dataclass(frozen=True)
class Chain:
    """Cells that need one another, in order."""

    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        return self.cells[-1].name


def results_of(budget: Budget, folder: Path) -> Results:
    return Results(folder / "cells", repr(budget), lambda _: sources())


def run_cells(budget: Budget, folder: Path, workers: int) -> None:
    """Those that are missing; what finishes is on disk at once. First each preset under itself, then under others."""
    chains: dict[tuple[str, int], list[Cell]] = {}
    crossed = []
    for cell in (cell for stage in stages(budget) for cell in stage):
        if cell.driven in ("", cell.preset):
            chains.setdefault((cell.preset, cell.repetition), []).append(cell)
        else:
            crossed.append([cell])
    results = results_of(budget, folder)
    for title, each in (("chains", list(chains.values())), ("driven under others", crossed)):
        missing = [Chain(tuple(cells)) for cells in each if any(results.get(cell) is None for cell in cells)]
        run_all(title, missing, partial(_run, budget=budget, folder=folder), lambda *_: None, workers)


def _run(chain: Chain, budget: Budget, folder: Path) -> None:
    results = results_of(budget, folder)
    for cell in chain.cells:
        if results.get(cell) is None:
            results.put(cell, run(cell, budget, folder))
