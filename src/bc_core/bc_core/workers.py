"""One function for many bags: here, in processes of this machine, or on a Ray cluster."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from bc_core.errors import BcError
from bc_core.optional import require

LOCAL = "local"


@dataclass(frozen=True)
class Workers:
    """Where work is done. jobs: processes of this machine; 0: one per core.

    ray: address of a Ray cluster ("auto", "HOST:PORT", "ray://..."), or "local": a Ray of this machine's own; empty:
    without Ray. All machines of a cluster must see the same files under the same paths.
    """

    jobs: int = 0
    ray: str = ""

    def results(
        self, function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], least: int = 2
    ) -> Iterator[tuple[int, Any]]:
        """(number, function(*arguments[number])) as they are done, in any order; what fails raises, and ends all.

        least: fewer are done in this process. BcError: Ray is asked for and not there.
        """
        if self.ray:
            return _on_ray(function, arguments, self.ray, self.jobs)
        jobs = min(self.jobs or os.cpu_count() or 1, len(arguments))
        if jobs <= 1 or len(arguments) < least:
            return ((number, function(*each)) for number, each in enumerate(arguments))
        return _in_processes(function, arguments, jobs)


def _in_processes(
    function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], jobs: int
) -> Iterator[tuple[int, Any]]:
    context = multiprocessing.get_context("spawn")  # threads of libraries do not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        numbers: dict[Future[Any], int] = {
            pool.submit(function, *each): number for number, each in enumerate(arguments)
        }
        try:
            for future in as_completed(numbers):
                yield numbers[future], future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _on_ray(
    function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]], address: str, jobs: int
) -> Iterator[tuple[int, Any]]:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
    ray = require("ray", "ray", "--ray")
    local = {"num_cpus": jobs or os.cpu_count(), "include_dashboard": False} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, **local)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BcError(f"no Ray at '{address}' ({error}): start one (ray start --head), or use --ray local") from error
    try:
        remote = ray.remote(function)
        numbers = {remote.remote(*each): number for number, each in enumerate(arguments)}
        waiting = list(numbers)
        while waiting:
            (done, *_), waiting = ray.wait(waiting, num_returns=1)
            try:
                yield numbers[done], ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None
    finally:
        ray.shutdown()
