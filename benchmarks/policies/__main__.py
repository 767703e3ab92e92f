"""python -m benchmarks.policies: runs the cells that are missing, writes out/bench/policies.json and its page."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.command import make_parser, write_results
from benchmarks.policies import cells, report, verdict
from benchmarks.policies.execution import compiled, latencies, run_cells
from benchmarks.policies.learning import Budget
from benchmarks.policies.plan import planned
from benchmarks.provenance import provenance
from benchmarks.rtc.cells import Results

BUDGETS = {
    "quick": Budget(steps=60, width=48, blocks=1, episodes=20),
    "gate": Budget(steps=1000),
    "full": Budget(steps=2500, width=128, episodes=500),
}


def main() -> int:
    arguments = _arguments()
    console = Console(stderr=True)
    budget, folder = BUDGETS[arguments.level], Path(arguments.out)
    results = Results(folder / "policies", repr(budget), lambda _: cells.sources())
    every = planned(arguments.level, arguments.seeds)
    wanted = list(dict.fromkeys(cell for part in arguments.only.split(",") for cell in every if part in cell.name))
    missing = [] if arguments.report else [cell for cell in wanted if results.get(cell) is None]
    console.print(f"{len(wanted)} cells, {len(missing)} of them to run")
    try:
        run_cells(missing, budget, results, arguments.jobs)
    except KeyboardInterrupt:
        console.print("interrupted; what is finished is kept, run again to go on")
        return 130
    rows = [row for cell in wanted if (row := results.get(cell)) is not None]
    timing = folder / "policies" / f"latency_{arguments.level}.json"
    if arguments.latency:
        measured = {"seconds": latencies(budget), "compiled": compiled(budget) if arguments.compile else {}}
        timing.write_text(json.dumps({**provenance("--latency"), **measured}), encoding="utf-8")
    document = {
        **provenance(f"make bench-policies{'' if arguments.level == 'gate' else f' {arguments.level.upper()}=1'}"),
        "level": arguments.level,
        "budget": asdict(budget),
        "expected": len(wanted),
        "cells": [{key: value for key, value in row.items() if key != "episodes"} for row in rows],
        "pairs": verdict.pairs(rows),
        "claims": verdict.claims(rows),
        "latency": json.loads(timing.read_text(encoding="utf-8")) if timing.exists() else None,
    }
    write_results(console, "policies", document, folder, arguments.publish, report.write)
    return 0


def _arguments() -> argparse.Namespace:
    parser = make_parser("policies", __doc__)
    parser.add_argument("--level", choices=tuple(BUDGETS), default="gate")
    parser.add_argument("--only", default="", help="only cells with one of these in their name, as fork_,catch_")
    parser.add_argument("--seeds", type=int, help="training seeds of every cell (1, of full 3)")
    parser.add_argument("--report", action="store_true", help="run nothing: show what is there")
    parser.add_argument("--latency", action="store_true", help="measure inference too")
    parser.add_argument("--compile", action="store_true", help="and that of compiled heads (with --latency)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
