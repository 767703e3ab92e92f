"""Running the benchmark's cells in processes, each kept as it ends; and the latency of the networks, one at a time."""

import statistics
import time
from collections.abc import Sequence
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


def run_cells(cells: Sequence[Cell], budget: Budget, results: Results, workers: int) -> None:
    """What finishes is on disk at once."""
    run_all("cells", cells, partial(run, budget=budget), results.put, workers)


def latencies(budget: Budget) -> dict[str, float]:
    """Median CPU seconds of one chunk for one observation by head, one thread; untrained weights, which take as long.

    CPU time, which other work on the machine disturbs less than the clock on the wall; on an idle core both are the
    same. All but FAST, whose chunks are as long as the tokens that training found.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    task, (horizon, _) = TASKS[LATENCY_TASK], CHUNKS[LATENCY_TASK]
    found = {}
    for name, arm in ARMS.items():
        if arm.config.type == "fast":
            continue
        size = Size(horizon, task.action_width, budget.width, budget.blocks, 0.0)
        network = PolicyNetwork(task.observation_width, (), size, arm.config).eval().requires_grad_(False)
        generator, observation = torch.Generator().manual_seed(0), torch.zeros(1, task.observation_width)
        seconds = []
        for _ in range(WARM_UP + MEASURED):
            begun = time.process_time()
            with torch.no_grad():
                network.head.sample(network.encode(observation, {}), generator)
            seconds.append(time.process_time() - begun)
        found[name] = statistics.median(seconds[WARM_UP:])
    torch.set_num_threads(before)
    return found
