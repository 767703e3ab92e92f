"""Running the benchmark's jobs in processes, each kept as it ends."""

import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch

import bc_core
from bc_core.training.progress import progress_bar
from benchmarks.dagger.learners import Plan, learn
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
    if not jobs:
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_worker)
    try:
        with progress_bar("runs", len(jobs)) as update:
            futures = {pool.submit(learn, job.arm, job.seed, plan): job for job in jobs}
            for done, future in enumerate(as_completed(futures)):
                results.put(futures[future], future.result())
                update(done + 1, futures[future].name)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # end at once and quietly: the parent reports
    torch.set_num_threads(1)


@cache
def sources() -> bytes:
    """All that decides what a run gives."""
    here, core = Path(__file__).parent, Path(bc_core.__file__).parent
    files = [here / name for name in ("driving.py", "lane.py", "learners.py")]
    shared = ("demonstrations", "networks", "policies", "rollout", "training")
    files += [here.parent / "rtc" / f"{name}.py" for name in shared]
    files += [core / "dagger" / "gate.py", core / "dagger" / "mixture.py", core / "strategies" / "sampling.py"]
    return b"".join(path.read_bytes() for path in files)
