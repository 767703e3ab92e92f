"""Demonstrations of a benchmark task, and the product's own network and training loop on them."""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from bc_core.policies.config import OptimiserConfig
from bc_core.policies.network import PolicyNetwork
from bc_core.policies.trunks import Size
from bc_core.training.data import TrainingSet
from bc_core.training.optimise import evaluate, optimise
from benchmarks.policies.heads import Arm
from benchmarks.rtc.demonstrations import Demonstrations, Windows, collect
from benchmarks.rtc.tasks.base import Task

SEED = 7_000_001  # of demonstrations
HELD_OUT = 0.1  # part of the episodes whose loss is measured
SMALLEST_STD = 1e-3


@dataclass(frozen=True)
class Budget:
    """steps, batch: of the optimiser. width, blocks: of every network."""

    steps: int = 2000
    batch: int = 128
    width: int = 96
    blocks: int = 2
    episodes: int = 200  # that a policy is judged on


@dataclass(frozen=True)
class Student:
    """A trained network with its normalisation. cpu_seconds: of its training. held_out: its loss on other episodes."""

    network: PolicyNetwork
    observations: tuple[Tensor, Tensor]
    actions: tuple[Tensor, Tensor]
    cpu_seconds: float
    held_out: float

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())

    @torch.no_grad()
    def chunks(self, observation: Tensor, generator: torch.Generator) -> Tensor:
        """Observations (B, O) to chunks (B, H, A), in the task's units."""
        mean, std = self.observations
        condition = self.network.encode((observation - mean) / std, {})
        drawn = self.network.head.sample(condition, generator)
        return drawn * self.actions[1] + self.actions[0]


def demonstrate(task: Task, careless: Task | None, share: float, seed: int) -> Demonstrations:
    """The task's demonstrations; of these a share is taken from the careless experts, who need not succeed.

    Nothing tells the two apart.
    """
    good, _ = collect(task, task.demonstrations, SEED + seed)
    if careless is None or share == 0.0:
        return good
    bad, _ = collect(careless, careless.demonstrations, SEED + 500 + seed)
    count = round(share * len(good.length))
    kept = len(good.length) - count
    if len(bad.length) < count:
        raise ValueError(f"{count} careless demonstrations are needed, {len(bad.length)} of them were made")
    ticks = max(good.observations.shape[1], bad.observations.shape[1])
    parts = [(good, kept), (bad, count)]
    return Demonstrations(
        torch.cat([_padded(data.observations[:n], ticks) for data, n in parts]),
        torch.cat([_padded(data.actions[:n], ticks) for data, n in parts]),
        torch.cat([data.length[:n] for data, n in parts]),
    )


def _padded(values: Tensor, ticks: int) -> Tensor:
    """(E, T, ...) to a length in ticks, with zeros past an episode's end, which nothing reads."""
    missing = ticks - values.shape[1]
    return torch.cat([values, torch.zeros(len(values), missing, values.shape[2])], dim=1)


def learn(arm: Arm, data: Demonstrations, horizon: int, budget: Budget, seed: int) -> Student:
    """Normalised by mean and standard deviation of every column, with one scale for all rows of a chunk."""
    order = torch.randperm(len(data.length), generator=torch.Generator().manual_seed(seed))
    kept_out = max(1, round(HELD_OUT * len(order)))
    seen, other = _part(data, order[kept_out:]).windows(horizon), _part(data, order[:kept_out]).windows(horizon)
    observations = _statistics(seen.observation)
    actions = _statistics(seen.chunk[:, 0])
    settings = OptimiserConfig(
        steps=budget.steps, batch=budget.batch, noise_draws=1, learning_rate=arm.learning_rate, weight_decay=1e-4,
        warmup=budget.steps // 20, ema=0.995, observation_noise=0.01, validation=0.0, seed=seed, threads=1,
    )  # fmt: skip
    torch.manual_seed(seed)
    width, height = seen.observation.shape[1], seen.chunk.shape[2]
    network = PolicyNetwork(width, (), Size(horizon, height, budget.width, budget.blocks, 0.0), arm.config)
    begun = time.process_time()
    training = _tensors(seen, observations, actions)
    network.head.prepare(training.actions, training.valid, torch.Generator().manual_seed(seed))
    optimise(network, training, settings)
    seconds = time.process_time() - begun
    network.requires_grad_(False)
    held_out = evaluate(network, _tensors(other, observations, actions), 1024, seed)
    return Student(network, observations, actions, seconds, held_out)


def _part(data: Demonstrations, index: Tensor) -> Demonstrations:
    return Demonstrations(data.observations[index], data.actions[index], data.length[index])


def _statistics(values: Tensor) -> tuple[Tensor, Tensor]:
    return values.mean(0), values.std(0).clamp(min=SMALLEST_STD)


def _tensors(windows: Windows, observations: tuple[Tensor, Tensor], actions: tuple[Tensor, Tensor]) -> TrainingSet:
    return TrainingSet(
        features=(windows.observation - observations[0]) / observations[1],
        images={},
        actions=(windows.chunk - actions[0]) / actions[1],
        valid=windows.valid,
        weight=torch.ones(len(windows.observation)),
    )
