"""python -m benchmarks.dagger: runs what is missing, writes out/bench/dagger.json, its pictures and its page."""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from benchmarks.command import make_parser, write_results
from benchmarks.dagger import report, verdict
from benchmarks.dagger.execution import Job, run_jobs, sources
from benchmarks.dagger.learners import ARMS, Plan
from benchmarks.provenance import provenance
from benchmarks.rtc.cells import Results

SEEDS = 5  # independent repetitions: other demonstrations, other initial weights, other states visited
QUICK_SEEDS, QUICK = 2, Plan(rounds=2, episodes=60, longest=300, steps=100)


def main() -> int:
    arguments = _arguments()
    console = Console(stderr=True)
    plan = QUICK if arguments.quick else Plan()
    seeds = range(arguments.seeds or (QUICK_SEEDS if arguments.quick else SEEDS))
    jobs = [Job(arm, seed) for seed in seeds for arm in ARMS if arguments.only in arm]
    folder = Path(arguments.out)
    results = Results(folder / "dagger", repr(plan), lambda _: sources())
    missing = [job for job in jobs if results.get(job) is None]
    console.print(f"{len(jobs)} runs, {len(jobs) - len(missing)} of them there already")
    try:
        run_jobs(missing, plan, results, arguments.jobs)
    except KeyboardInterrupt:
        console.print("interrupted; what is finished is kept, run again to go on")
        return 130
    runs = [result for job in jobs if (result := results.get(job)) is not None]
    document = {
        **provenance(f"make bench-dagger{' QUICK=1' if arguments.quick else ''}"),
        "plan": asdict(plan),
        "runs": runs,
        **verdict.summary(runs),
    }
    write_results(console, "dagger", document, folder, arguments.publish, report.write)
    for text, reached in document["goals"]:
        console.print(f"{'reached' if reached else 'MISSED '}  {text}", highlight=False, soft_wrap=True)
    return 0 if arguments.quick or all(reached for _, reached in document["goals"]) else 1


def _arguments() -> argparse.Namespace:
    parser = make_parser("dagger", __doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run; its figures mean nothing")
    parser.add_argument("--seeds", type=int, default=0, help=f"repetitions ({SEEDS})")
    parser.add_argument("--only", default="", help="run and show only arms with this in their name")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
