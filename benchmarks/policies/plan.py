"""Which cells a level has: those of every head and claim, and what the first answers made worth asking."""

from benchmarks.policies import cells
from benchmarks.policies.cells import CHUNKS, LENGTHS, Cell

PATIENT = 3.0


def planned(level: str) -> list[Cell]:
    """Chunk length on the fork too, since on catch single rows already solve everything; and bins trained for longer,
    since after the usual steps the autoregressive ones have not learnt enough to be compared."""
    found = cells.cells(level)
    if level == "quick":
        return found
    for seed in range(1 if level == "gate" else 3):
        found += [Cell("fork", "flow", rows, rows, seed=seed) for rows in LENGTHS]
        found += [Cell("fork", arm, *CHUNKS["fork"], patience=PATIENT, seed=seed) for arm in ("bins", "chain")]
    return list(dict.fromkeys(found))
