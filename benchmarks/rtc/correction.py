"""Training of the per-step correction head (A2C2, arXiv 2509.23224)."""

import torch
from torch import Tensor, nn

from bc_core.strategies.registry import STRATEGIES
from bc_core.strategies.sampling import SamplerConfig, Splice
from benchmarks.rtc import training
from benchmarks.rtc.demonstrations import Demonstrations
from benchmarks.rtc.networks import CorrectionNetwork
from benchmarks.rtc.policies import PolicySet
from benchmarks.rtc.tasks.base import Task
from benchmarks.rtc.training import Budget, Kind, Report

WINDOWS = 60_000  # chunks drawn for it


def fit_correction(
    task: Task, data: Demonstrations, policies: PolicySet, horizon: int, budget: Budget, report: Report
) -> CorrectionNetwork:
    """What the demonstrator did at tick k + i, seeing o_{k+i}, less row i of a chunk drawn at tick k.

    The chunk continues a prefix of the demonstrator's own actions of random length p, so that it mostly goes the
    demonstrator's way, and only rows i >= p are corrected: with the policy's own way and theirs mixed at random, the
    head would learn the mean of both. The loss is absolute for the same reason.
    """
    torch.manual_seed(budget.seed)
    head = CorrectionNetwork(task.observation_width, task.action_width, horizon, budget.width // 2)
    head.observations.fit(data.windows(1).observation)
    base, given, later, actions, valid = _pairs(task, data, policies, horizon, budget.seed)

    def loss(generator: torch.Generator) -> Tensor:
        index = torch.randint(len(base), (budget.batch,), generator=generator)
        row = given[index] + (torch.rand(len(index), generator=generator) * (horizon - given[index])).long()
        inside = valid[index, row].float()
        chunk, target = base[index], actions[index, row]
        observation = later[index, row]
        jitter = torch.randn(observation.shape, generator=generator)
        observation = observation + budget.observation_noise * head.observations.std * jitter
        due = chunk[torch.arange(len(index)), row]
        error = nn.functional.smooth_l1_loss(due + head(observation, chunk, row), target, beta=0.05, reduction="none")
        return (error.mean(1) * inside).sum() / inside.sum().clamp(min=1.0)

    training.fit(head, loss, budget, report)
    return head


@torch.no_grad()
def _pairs(
    task: Task, data: Demonstrations, policies: PolicySet, horizon: int, seed: int
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Drawn chunks (N, H, A) and demonstrated ones, normalised; p (N,); observations (N, H, O); rows that exist."""
    generator = torch.Generator().manual_seed(seed)
    ticks = data.actions.shape[1]
    inside = (torch.arange(ticks)[None] < data.length[:, None]).nonzero()
    chosen = inside[torch.randperm(len(inside), generator=generator)[:WINDOWS]]
    rows = chosen[:, 1:] + torch.arange(horizon)
    valid = rows < data.length[chosen[:, :1]]
    rows = rows.clamp(max=ticks - 1)
    actions, observations = data.actions[chosen[:, :1], rows], data.observations[chosen[:, :1], rows]
    given = torch.randint(horizon // 2 + 1, (len(chosen),), generator=generator)
    plan = policies.plan(STRATEGIES["conditioned"], Kind.CONDITIONED, SamplerConfig(), seed)
    drawn = []
    for index in torch.arange(len(chosen)).split(4096):
        none = torch.zeros_like(given[index])
        splice = Splice(actions[index], none + horizon, given[index], none)
        drawn.append(plan(observations[index, 0], splice))
    normalise = policies.chunks[Kind.CONDITIONED].actions
    return normalise(torch.cat(drawn)), given, observations, normalise(actions), valid
