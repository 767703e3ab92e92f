"""Training of the benchmark's networks: the same data, network size, steps and batch for every kind of chunk policy."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from bc_core.strategies.conditioning import clean_prefix, frozen_rows
from bc_core.strategies.diffusion import Schedule
from benchmarks.rtc.demonstrations import Demonstrations, Windows
from benchmarks.rtc.networks import ChunkNetwork, DynamicsNetwork
from benchmarks.rtc.tasks.base import Task

SMALLEST_REMAINDER = 0.5  # of 1 - tau in the loss, as in bc_core.policies.heads.flow
TIMESTEPS = 100  # of the diffusion policy
Report = Callable[[float], None]
Loss = Callable[[torch.Generator], Tensor]


class Kind(StrEnum):
    """What a network is trained to be."""

    FLOW = "flow"
    CONDITIONED = "conditioned"  # flow with a clean prefix (training-time RTC)
    DIFFUSION = "diffusion"  # DDPM, noise prediction
    REGRESSION = "regression"  # no noise, clean prefix, absolute error (ACT without its latent)
    DYNAMICS = "dynamics"
    CORRECTION = "correction"


@dataclass(frozen=True)
class Budget:
    """steps, batch: of the optimiser. width, blocks: of the chunk networks. seed: of everything."""

    steps: int = 2500
    batch: int = 256
    width: int = 128
    blocks: int = 2
    seed: int = 0
    learning_rate: float = 1.5e-3
    observation_noise: float = 0.01  # on normalised observations

    WEAK_SHARE = 0.1  # of the steps after which the weak policy of BID is taken


def fit(network: nn.Module, loss: Loss, budget: Budget, report: Report, weak: nn.Module | None = None) -> None:
    """AdamW with a one-cycle rate; the network ends with averaged weights. weak: gets an early copy."""
    generator = torch.Generator().manual_seed(budget.seed)
    optimiser = torch.optim.AdamW(network.parameters(), budget.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, budget.learning_rate, budget.steps, pct_start=0.05)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(min(0.995, 1.0 - 10.0 / budget.steps)))
    for step in range(budget.steps):
        value = loss(generator)
        if not torch.isfinite(value):
            raise FloatingPointError(f"the loss is {value.item()} at step {step}: lower the learning rate")
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        report((step + 1) / budget.steps)
        if weak is not None and step + 1 == max(1, int(budget.WEAK_SHARE * budget.steps)):
            weak.load_state_dict(average.module.state_dict())
    network.load_state_dict(average.module.state_dict())


def new_chunk_network(task: Task, windows: Windows, horizon: int, budget: Budget) -> ChunkNetwork:
    torch.manual_seed(budget.seed)
    network = ChunkNetwork(task.observation_width, task.action_width, horizon, budget.width, budget.blocks)
    network.observations.fit(windows.observation)
    network.actions.fit(windows.chunk[:, 0])
    return network


def chunk_loss(network: ChunkNetwork, kind: Kind, windows: Windows, budget: Budget) -> Loss:
    """Loss of a random batch, by kind. Rows past an episode's end, and rows that are given, do not count."""
    chunks, horizon = network.actions(windows.chunk), network.shape[0]
    schedule = Schedule.squared_cosine(TIMESTEPS)

    def loss(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(chunks), (budget.batch,), generator=generator)
        clean, weight = chunks[index], windows.valid[index].float()
        observation = windows.observation[index]
        jitter = torch.randn(observation.shape, generator=generator)
        observation = observation + budget.observation_noise * network.observations.std * jitter
        noise = torch.randn(clean.shape, generator=generator)
        if kind == Kind.DIFFUSION:
            timestep = torch.randint(TIMESTEPS, (len(index),), generator=generator)
            alpha = schedule.alpha[timestep].float()[:, None, None]
            noisy = alpha * clean + (1.0 - alpha**2).sqrt() * noise
            error = (network(noisy, diffusion_time(timestep, horizon), observation) - noise).square()
            return _mean(error, weight)
        tau = torch.rand(len(index), 1, generator=generator)
        if kind == Kind.REGRESSION:
            tau, noise = torch.zeros_like(tau), torch.zeros_like(noise)
        given = torch.zeros(clean.shape[:2], dtype=torch.bool)
        if kind in (Kind.CONDITIONED, Kind.REGRESSION):
            given = frozen_rows(horizon, torch.randint(horizon // 2 + 1, (len(index),), generator=generator))
        inputs, rows = clean_prefix(torch.lerp(noise, clean, tau[..., None]), tau, clean, given)
        error = network(inputs, rows, observation) - clean
        if kind == Kind.REGRESSION:
            return _mean(error.abs(), weight * ~given)
        return _mean((error / (1.0 - tau).clamp(min=SMALLEST_REMAINDER)[..., None]).square(), weight * ~given)

    return loss


def diffusion_time(timestep: Tensor, horizon: int) -> Tensor:
    """The network's time input (B, H) for timesteps (B,): 1 where there is no noise, as for a flow."""
    return (1.0 - (timestep.float() + 1.0) / TIMESTEPS)[:, None].expand(-1, horizon)


def _mean(error: Tensor, weight: Tensor) -> Tensor:
    return (error * weight[..., None]).sum() / (weight.sum() * error.shape[2]).clamp(min=1.0)


def fit_dynamics(task: Task, data: Demonstrations, budget: Budget, report: Report) -> DynamicsNetwork:
    """What the policies' data say of the next observation; the error is robust, since a finish line is a jump."""
    torch.manual_seed(budget.seed)
    network = DynamicsNetwork(task.observation_width, task.action_width, budget.width // 2)
    inside = torch.arange(1, data.actions.shape[1])[None] < data.length[:, None]
    before, after = data.observations[:, :-1][inside], data.observations[:, 1:][inside]
    action = data.actions[:, :-1][inside]
    network.observations.fit(before)
    network.actions.fit(action)
    network.changes.fit(after - before)
    target = network.changes(after - before)

    def loss(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(before), (budget.batch,), generator=generator)
        change = network.normalised_change(before[index], action[index])
        return nn.functional.smooth_l1_loss(change, target[index], beta=0.3)

    fit(network, loss, budget, report)
    return network
