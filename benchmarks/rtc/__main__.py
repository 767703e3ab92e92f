"""python -m benchmarks.rtc: trains what is missing, runs the cells that are missing, writes out/bench/rtc.json."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.command import DOCS, make_parser
from benchmarks.provenance import provenance
from benchmarks.rtc import cells, jitter, plots, published, report, verdict
from benchmarks.rtc.cells import Cell, Results
from benchmarks.rtc.execution import Job, run_jobs
from benchmarks.rtc.published import Published
from benchmarks.rtc.training import Budget

QUICK_EPISODES = 40
QUICK_BUDGET = Budget(steps=150, batch=128, width=64)


def main() -> int:
    arguments = _arguments()
    console = Console(stderr=True)
    budget = QUICK_BUDGET if arguments.level == "quick" else Budget()
    jobs = [job for job in _jobs(arguments.level, arguments.episodes) if re.search(arguments.only, job.name)]
    folder = Path(arguments.out)
    results = Results(folder / "rtc" / "cells", repr(budget))
    missing = [] if arguments.report else [job for job in jobs if results.get(job) is None]
    missing = [job for job in missing if not (arguments.skip and re.search(arguments.skip, job.name))]
    console.print(f"{len(jobs)} cells, {len(missing)} of them to run")
    commit = provenance("")["commit"]

    def keep(job: Job, result: dict[str, Any]) -> None:
        results.put(job, {**result, "commit": commit})

    try:
        run_jobs(missing, keep, folder / "rtc" / "checkpoints", budget, arguments.jobs, console)
    except KeyboardInterrupt:
        console.print("interrupted; what is finished is kept, run again to go on")
        return 130
    before = Published(DOCS / "rtc.json") if arguments.publish else None
    rows, shaken = found_rows(jobs, results, before)
    document = _document(rows, shaken, len(jobs), arguments.level)
    path = folder / "rtc.json"
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    written = DOCS if arguments.publish else folder
    if arguments.publish:
        published.write(DOCS / "rtc.json", rows, shaken)
    plots.write(document, written)
    (written / "rtc.md").write_text(report.page(document), encoding="utf-8")
    console.print(f"{path}, {written / 'rtc.md'}")
    for text, reached in document["goals"]:
        console.print(f"{'reached' if reached else 'MISSED '}  {text}", highlight=False, soft_wrap=True)
    enough = arguments.level == "quick" or all(reached for _, reached in document["goals"])
    return 0 if enough else 1


def _arguments() -> argparse.Namespace:
    parser = make_parser("rtc", __doc__)
    parser.add_argument("--level", choices=("quick", "gate", "full"), default="gate")
    parser.add_argument("--episodes", type=int, default=None, help="per cell")
    parser.add_argument("--only", default="", help="run and show only cells whose name has this pattern, as ^catch_rtc")
    parser.add_argument("--skip", default="", help="leave out cells whose name has this pattern, as _bid_")
    parser.add_argument("--report", action="store_true", help="run nothing: show what is there")
    arguments = parser.parse_args()
    if arguments.publish and (arguments.level != "full" or arguments.only or arguments.episodes):
        parser.error("--publish is of all of FULL: give --level full, and neither --only nor --episodes")
    return arguments


def _jobs(level: str, episodes: int | None) -> list[Job]:
    if level == "quick":
        some = cells.by_delay(episodes or QUICK_EPISODES)
        return [cell for cell in some if cell.d in (0, 4)] + jitter.grid(episodes or QUICK_EPISODES)[:4]
    if level == "gate":
        return list(cells.gate(episodes))
    return [*cells.full(episodes), *jitter.grid(episodes or cells.FULL_EPISODES)]


def found_rows(
    jobs: Sequence[Job], results: Results, before: Published | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Results of cells and of cells under jitter. before: what fills in for a cell that this code has not run."""
    rows, shaken = list[dict[str, Any]](), list[dict[str, Any]]()
    for job in jobs:
        row = results.get(job)
        if isinstance(job, Cell):
            if row is None and before is not None:
                row = before.cell(job.task, job.arm, job.horizon, job.d, job.s)
            rows += [row] if row is not None else []
        else:
            if row is None and before is not None:
                row = before.shaken(job.task, job.arm, job.process, job.estimator)
            shaken += [row] if row is not None else []
    return rows, shaken


def _document(
    rows: Sequence[dict[str, Any]], shaken: Sequence[dict[str, Any]], planned: int, level: str
) -> dict[str, Any]:
    found = verdict.verdict(rows)
    return {
        **provenance(f"make bench-rtc{'' if level == 'gate' else f' {level.upper()}=1'}"),
        "level": level,
        "planned": planned,
        "run": len(rows) + len(shaken),
        "commits": Counter(row["commit"] for row in [*rows, *shaken]),
        "cells": [_public(row) for row in rows],
        "pairs": verdict.pairs(rows),
        "jitter": [_public(row) for row in shaken],
        "verdict": found,
        "goals": verdict.goals(found),
    }


def _public(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "episodes"}


if __name__ == "__main__":
    sys.exit(main())
