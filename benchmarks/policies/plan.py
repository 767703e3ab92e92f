"""Which cells a level has: those of every head and claim, and what the first answers made worth asking."""

from benchmarks.policies import cells
from benchmarks.policies.cells import CHUNKS, HISTORIES, LENGTHS, Cell

PATIENT = 3.0
SEEDS = {"quick": 1, "gate": 1, "full": 3}
"""Of training, unless another number is asked for."""
OF_HISTORY = 3
"""At least so many: what a loss tells of history has no interval but that over trainings."""


def planned(level: str, seeds: int | None = None) -> list[Cell]:
    """Chunk length on the fork too, since on catch single rows already solve everything; and bins trained for longer,
    since after the usual steps the autoregressive ones have not learnt enough to be compared."""
    seeds = seeds or SEEDS[level]
    found = cells.cells(level, seeds)
    if level == "quick":
        return found
    chunks = CHUNKS["balance"]
    found += [Cell("balance", "l2", *chunks, history=k, seed=s) for s in range(OF_HISTORY) for k in HISTORIES]
    for seed in range(seeds):
        found += [Cell("fork", "flow", rows, rows, seed=seed) for rows in LENGTHS]
        found += [Cell("fork", arm, *CHUNKS["fork"], patience=PATIENT, seed=seed) for arm in ("bins", "chain")]
    return list(dict.fromkeys(found))
