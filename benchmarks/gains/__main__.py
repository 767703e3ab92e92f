"""python -m benchmarks.gains: runs the cells that are missing, writes out/bench/gains.json, picture and page."""

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.command import make_parser, write_results
from benchmarks.gains import cells, report, verdict
from benchmarks.gains.cells import Budget
from benchmarks.gains.execution import results_of, run_cells
from benchmarks.provenance import provenance

BUDGETS = {
    "quick": Budget("conveyor_fast", "flow", repetitions=1, demonstrations=3, steps=60, trials=3, crossed=0),
    "full": Budget("conveyor_fast", "flow", repetitions=4, demonstrations=30, steps=800, trials=50, crossed=15),
}


def main() -> int:
    arguments = _arguments()
    console = Console(stderr=True)
    budget, folder = BUDGETS[arguments.level], Path(arguments.out)
    made = folder / "gains" / arguments.level
    results = results_of(budget, made)
    wanted = [cell for stage in cells.stages(budget) for cell in stage]
    missing = sum(results.get(cell) is None for cell in wanted)
    console.print(f"{len(wanted)} cells, {missing} of them missing; what they make lies in {made}")
    try:
        if not arguments.report:
            run_cells(budget, made, arguments.jobs)
    except KeyboardInterrupt:
        console.print("interrupted; what is finished is kept, run again to go on")
        return 130
    rows = [row for cell in wanted if (row := results.get(cell)) is not None]
    if not rows:
        console.print("there is nothing to report: run it without --report")
        return 1
    document = {
        **provenance(f"make bench-gains{' QUICK=1' if arguments.level == 'quick' else ''}"),
        "load": os.getloadavg()[0],
        "level": arguments.level,
        "budget": asdict(budget),
        "expected": len(wanted),
        "cells": rows,
        **verdict.summary(rows),
    }
    write_results(console, "gains", document, folder, arguments.publish, report.write)
    return 0


def _arguments() -> argparse.Namespace:
    parser = make_parser("gains", __doc__)
    parser.add_argument("--level", choices=tuple(BUDGETS), default="full", help="quick: its figures mean nothing")
    parser.add_argument("--report", action="store_true", help="run nothing: show what is there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
