"""python -m benchmarks.encoders: runs what is missing, writes out/bench/encoders.json, its picture and its page."""

import argparse
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from bc_core.report.statistics import wilson
from bc_core.training.progress import progress_bar
from benchmarks.command import make_parser, write_results
from benchmarks.encoders import report, verdict
from benchmarks.encoders.arms import ARMS, OF_LEVEL
from benchmarks.encoders.code import made_by
from benchmarks.encoders.driving import drive
from benchmarks.encoders.learning import collect, demonstrated, learn, teach_encoder
from benchmarks.encoders.plan import BUDGETS, JUDGED, LOOKS, Budget, Learner, Pretraining, learners, trials
from benchmarks.pool import run_all
from benchmarks.provenance import provenance
from benchmarks.rtc.cells import Results


def main() -> int:
    arguments = _arguments()
    console = Console(stderr=True)
    budget = BUDGETS[arguments.level]
    folder = Path(arguments.out) / "encoders"
    results = Results(folder / "cells", repr(budget), made_by)
    all_learners, wanted = learners(OF_LEVEL[arguments.level], budget), arguments.only.split(",")
    every = [learner for learner in all_learners if any(part in learner.name for part in wanted)]
    try:
        if not arguments.report:
            _run(every, budget, folder, results, arguments.jobs)
    except KeyboardInterrupt:
        console.print("interrupted; what is finished is kept, run again to go on")
        return 130
    rows = [row for learner in every for row in _rows(learner, budget, results)]
    document = {
        **provenance(f"make bench-encoders{'' if arguments.level == 'gate' else f' {arguments.level.upper()}=1'}"),
        "level": arguments.level,
        "budget": asdict(budget),
        "demonstrated": demonstrated(folder / "episodes", max(budget.episodes)),
        "pretraining": results.get(Pretraining("mae")),
        "seeds": [JUDGED, JUDGED + budget.trials - 1],
        "looks": {name: None if look is None else asdict(look) for name, look in LOOKS.items()},
        "expected": sum(len(trials(learner, budget)) for learner in all_learners),
        "cells": rows,
        "pairs": verdict.pairs(rows, budget.episodes),
        "claims": verdict.claims(rows, budget.episodes),
    }
    write_results(console, "encoders", document, folder.parent, arguments.publish, report.write)
    return 0


def _run(every: list[Learner], budget: Budget, folder: Path, results: Results, workers: int) -> None:
    """Demonstrations, then encoders, policies and trials, each in processes; what finishes is on disk at once."""
    demonstrations, checkpoints = folder / "episodes", folder / "checkpoints" / _size(budget)
    with progress_bar("demonstrations", max(budget.episodes)) as update:
        collect(demonstrations, max(budget.episodes), update)
    commit = provenance("")["commit"]

    def keep(job: Any, result: dict[str, Any]) -> None:
        results.put(job, {**result, "commit": commit})

    encode = partial(teach_encoder, budget=budget, demonstrations=demonstrations, checkpoints=checkpoints)
    encoders = [Pretraining(arm) for arm in dict.fromkeys(job.arm for job in every) if ARMS[arm].pretrained]
    run_all("encoders", [job for job in encoders if results.get(job) is None], encode, keep, workers)
    train = partial(learn, budget=budget, demonstrations=demonstrations, checkpoints=checkpoints)
    untrained = [job for job in every if results.get(job) is None]
    run_all("policies", untrained, train, keep, workers)
    unjudged = [job for learner in every for job in trials(learner, budget) if results.get(job) is None]
    run_all("trials", unjudged, partial(drive, budget=budget, checkpoints=checkpoints), keep, workers)


def _size(budget: Budget) -> str:
    """Levels of one size share what was trained."""
    return next(name for name, known in BUDGETS.items() if known == budget)


def _rows(learner: Learner, budget: Budget, results: Results) -> list[dict[str, Any]]:
    """A row for every look in which the policy was judged."""
    trained, rows = results.get(learner), list[dict[str, Any]]()
    if trained is None:
        return rows
    for job in trials(learner, budget):
        judged = results.get(job)
        if judged is None:
            continue
        rate = wilson(judged["solved"].count("1"), len(judged["solved"]))
        rows.append({**asdict(learner), "look": job.look, "rate": rate.rate, "wilson_low": rate.low,
                     "wilson_high": rate.high, **trained, **judged})  # fmt: skip
    return rows


def _arguments() -> argparse.Namespace:
    parser = make_parser("encoders", __doc__)
    parser.add_argument("--level", choices=tuple(BUDGETS), default="gate")
    parser.add_argument("--only", default="", help="only policies with one of these in their name: explicit_,mae_10_")
    parser.add_argument("--report", action="store_true", help="run nothing: show what is there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
