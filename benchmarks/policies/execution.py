"""Running the benchmark's cells in processes, each kept as it ends; and the latency of the networks, one at a time."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch

from bc_core.policies.network import PolicyNetwork
from bc_core.policies.trunks import Size
from benchmarks.policies.cells import CHUNKS, Cell, run
from benchmarks.policies.heads import ARMS
from benchmarks.policies.learning import Budget
from benchmarks.policies.tasks import TASKS
from benchmarks.pool import run_all
from benchmarks.rtc.cells import Results

LATENCY_TASK, WARM_UP, MEASURED = "pusht", 3, 30
COMPILED = ("act", "diffusion", "diffusion_transformer", "flow", "flow_transformer")


def run_cells(cells: Sequence[Cell], budget: Budget, results: Results, workers: int) -> None:
    """What finishes is on disk at once."""
    run_all("cells", cells, partial(run, budget=budget), results.put, workers)


def latencies(budget: Budget) -> dict[str, float]:
    """Median CPU seconds of one chunk for one observation by head, one thread; untrained weights, which take as long.

    CPU time, which other work on the machine disturbs less than the clock on the wall; on an idle core both are the
    same. All but FAST, whose chunks are as long as the tokens that training found.
    """
    with _one_thread():
        return {name: _median(_network(budget, name)) for name in ARMS if ARMS[name].config.type != "fast"}


def compiled(budget: Budget) -> dict[str, dict[str, float]]:
    """The same for heads whose parts torch.compile has translated, and the CPU seconds that this took at the start."""
    found = {}
    with _one_thread():
        for name in COMPILED:
            network = _network(budget, name)
            for part in network.head.children():
                part.compile()
            begun = time.process_time()
            _chunk(network, torch.Generator().manual_seed(0))
            first = time.process_time() - begun
            found[name] = {"seconds": _median(network), "first": first}
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _network(budget: Budget, name: str) -> PolicyNetwork:
    task = TASKS[LATENCY_TASK]
    size = Size(CHUNKS[LATENCY_TASK][0], task.action_width, budget.width, budget.blocks, 0.0)
    return PolicyNetwork(task.observation_width, (), size, ARMS[name].config).eval().requires_grad_(False)


def _median(network: PolicyNetwork) -> float:
    generator, seconds = torch.Generator().manual_seed(0), []
    for _ in range(WARM_UP + MEASURED):
        begun = time.process_time()
        _chunk(network, generator)
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds[WARM_UP:])


@torch.no_grad()
def _chunk(network: PolicyNetwork, generator: torch.Generator) -> None:
    observation = torch.zeros(1, TASKS[LATENCY_TASK].observation_width)
    network.head.sample(network.encode(observation, {}), generator)
