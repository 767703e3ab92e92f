"""Running the benchmark's jobs in processes, each kept as it ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import bc_core
from benchmarks.dagger.learners import Plan, learn
from benchmarks.pool import run_all
from benchmarks.rtc.cells import Results


@dataclass(frozen=True)
class Job:
    """One arm with one seed."""

    arm: str
    seed: int
    task = "lane"

    @property
    def name(self) -> str:
        return f"{self.arm}_{self.seed}"


def run_jobs(jobs: Sequence[Job], plan: Plan, results: Results, workers: int) -> None:
    """What finishes is on disk at once."""
    run_all("runs", jobs, partial(_learn, plan=plan), results.put, workers)


def _learn(job: Job, plan: Plan) -> dict[str, Any]:
    return learn(job.arm, job.seed, plan)


@cache
def sources() -> bytes:
    """All that decides what a run gives."""
    here, core = Path(__file__).parent, Path(bc_core.__file__).parent
    files = [here / name for name in ("driving.py", "lane.py", "learners.py")]
    shared = ("demonstrations", "networks", "policies", "rollout", "training")
    files += [here.parent / "rtc" / f"{name}.py" for name in shared]
    files += [core / "dagger" / "gate.py", core / "dagger" / "mixture.py", core / "strategies" / "sampling.py"]
    return b"".join(path.read_bytes() for path in files)
