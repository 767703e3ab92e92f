"""Jobs of a benchmark in processes of one thread each; what finishes is handed over at once."""

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, Protocol, TypeVar

import torch

from bc_core.training.progress import progress_bar


class Named(Protocol):
    @property
    def name(self) -> str: ...


Job = TypeVar("Job", bound=Named)


def run_all(
    title: str, jobs: Sequence[Job], work: Callable[[Job], Any], keep: Callable[[Job, Any], None], workers: int
) -> None:
    """keep(job, work(job)) for every job, in the order in which they finish; work must pickle."""
    if not jobs:
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=one_quiet_thread)
    try:
        with progress_bar(title, len(jobs)) as update:
            futures = {pool.submit(work, job): job for job in jobs}
            for done, future in enumerate(as_completed(futures)):
                keep(futures[future], future.result())
                update(done + 1, futures[future].name)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def one_quiet_thread() -> None:
    """Initialiser of a worker: it ends at once and quietly when interrupted, the parent reports."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    torch.set_num_threads(1)
