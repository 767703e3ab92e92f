"""The arms: what each does with the same number of expert rows, round by round."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bc_core.dagger.gate import Gate, disagreement
from bc_core.dagger.mixture import Beta, Decay, RowBudget
from benchmarks.dagger.driving import HORIZON, Student, evaluate, label, student, supervised, visit
from benchmarks.dagger.lane import Lane
from benchmarks.rtc import training
from benchmarks.rtc.demonstrations import Windows
from benchmarks.rtc.networks import ChunkNetwork
from benchmarks.rtc.training import Budget, Kind

EPISODES = 20  # driven side by side in a round; what is asked of the expert stays within the round's rows
JUDGED = 50_000_000  # seed of the episodes that all policies are judged on
MEMBERS = 3  # of the gate's ensemble
ASKED = 0.25  # share of the visited states, those of most disagreement, among which the gate lets labels be asked


@dataclass(frozen=True)
class Arm:
    """round: from task, networks of the round before, round's number, budget and seed to the frames to be added."""

    title: str
    round: Callable[[Lane, list[ChunkNetwork], int, RowBudget, int], Windows]
    members: int = 1


@dataclass(frozen=True)
class Plan:
    """rows: that each round may cost. episodes: that each policy is judged on. longest: ticks of the error's growth."""

    rounds: int = 6
    rows: int = 300
    episodes: int = 200
    longest: int = 600
    steps: int = 600


def learn(name: str, seed: int, plan: Plan) -> dict[str, Any]:
    """All rounds of one arm and seed: rows spent, who was solved after every round, and the last policy's error.

    A round that adds nothing (batch DAgger: nobody had to take over) leaves the policy as it is: trained again from
    the same seed on the same rows it would be the same.
    """
    task, arm = Lane(), ARMS[name]
    gathered: list[Windows] = []
    spent: list[int] = []
    solved: list[str] = []
    budget = RowBudget(0)
    networks: list[ChunkNetwork] = []
    for number in range(plan.rounds):
        budget.rows += plan.rows
        first = number == 0
        round_ = demonstrate if first else arm.round
        gathered.append(round_(task, networks, number, budget, 1000 * seed + number))
        spent.append(budget.spent)
        if not len(gathered[-1].observation):
            solved.append(solved[-1])
            continue
        networks = [_train(task, joined(gathered), plan.steps, 10 * seed + member) for member in range(arm.members)]
        found = evaluate(task, student(networks[0], seed), plan.episodes, JUDGED)
        solved.append("".join("1" if good else "0" for good in found.solved.tolist()))
    growth = evaluate(Lane(plan.longest), student(networks[0], seed), plan.episodes, JUDGED)
    return {"arm": name, "seed": seed, "rows": spent, "episodes": solved, "cost": growth.cost.tolist()}


def demonstrate(task: Lane, _: list[ChunkNetwork], number: int, budget: RowBudget, seed: int) -> Windows:
    """The expert alone: every tick is a row, and a frame with the rows that follow."""
    episodes = -(-budget.left // task.ticks)
    return _affordable(supervised(task, None, episodes, seed).windows(HORIZON), budget)


def correct(task: Lane, networks: list[ChunkNetwork], number: int, budget: RowBudget, seed: int) -> Windows:
    """Batch DAgger: the student drives, a human takes over and gives back; the human's ticks are rows."""
    return _affordable(supervised(task, _drive(networks, seed), EPISODES, seed).windows(HORIZON), budget)


def ask(task: Lane, networks: list[ChunkNetwork], number: int, budget: RowBudget, seed: int, beta: Beta) -> Windows:
    """DAgger: states that the mixture visits, labelled by an expert that is rolled H steps: H rows each."""
    seen = visit(task, _drive(networks, seed), beta.of(number), EPISODES, seed)
    return _labelled(task, seen, budget, seed)


def ask_gated(task: Lane, networks: list[ChunkNetwork], number: int, budget: RowBudget, seed: int) -> Windows:
    """DAgger that asks only where the ensemble disagrees."""
    seen = visit(task, _drive(networks, seed), 0.0, EPISODES, seed)
    chunks = [student(network, seed)(task.observe(seen)).numpy() for network in networks]
    apart = disagreement(np.stack(chunks))
    return _labelled(task, seen[torch.from_numpy(Gate.at_share(apart, ASKED).asks(apart))], budget, seed)


ARMS = {
    "bc": Arm("behaviour cloning", demonstrate),
    "batch": Arm("batch DAgger (interventions)", correct),
    "dagger": Arm("DAgger, beta = 1, 0, 0, ...", partial(ask, beta=Beta(Decay.INDICATOR))),
    "mixed": Arm("DAgger, beta = 0.5^i", partial(ask, beta=Beta(Decay.EXPONENTIAL, 0.5))),
    "gated": Arm("DAgger, asked where 3 policies disagree", ask_gated, MEMBERS),
}


def joined(parts: list[Windows]) -> Windows:
    """D <- D u D_i."""
    return Windows(*(torch.cat([getattr(part, name) for part in parts]) for name in ("observation", "chunk", "valid")))


def _labelled(task: Lane, seen: Tensor, budget: RowBudget, seed: int) -> Windows:
    order = torch.randperm(len(seen), generator=torch.Generator().manual_seed(seed))
    chosen = seen[order[: budget.left // HORIZON]]
    budget.spend(HORIZON * len(chosen))
    rows = label(task, chosen)
    return Windows(task.observe(chosen), rows, torch.ones(rows.shape[:2], dtype=torch.bool))


def _affordable(windows: Windows, budget: RowBudget) -> Windows:
    """The first ticks of the human's that the budget pays for; the last rows reach no further than they do."""
    count = min(len(windows.observation), budget.left)
    budget.spend(count)
    paid = torch.arange(count)[:, None] + torch.arange(windows.valid.shape[1]) < count
    return Windows(windows.observation[:count], windows.chunk[:count], windows.valid[:count] & paid)


def _drive(networks: list[ChunkNetwork], seed: int) -> Student:
    return student(networks[0], seed)


def _train(task: Lane, windows: Windows, steps: int, seed: int) -> ChunkNetwork:
    budget = Budget(steps=steps, width=64, seed=seed)
    network = training.new_chunk_network(task, windows, HORIZON, budget)
    training.fit(network, training.chunk_loss(network, Kind.FLOW, windows, budget), budget, lambda _: None)
    return network
