"""The benchmark's tasks: fork, peg, those of the benchmark of chunking without a delay; and what changes them."""

import torch
from torch import Tensor

from benchmarks.policies.fork import CarelessFork, Fork
from benchmarks.policies.peg import Peg
from benchmarks.rtc.tasks.balance import Balance
from benchmarks.rtc.tasks.base import Task
from benchmarks.rtc.tasks.catch import Catch
from benchmarks.rtc.tasks.conveyor import Conveyor
from benchmarks.rtc.tasks.pusht import ANGLE, BLOCK, UNIT, PushT, outline


class ExactPushT(PushT):
    """Push-T with demonstrations that end nearer to the goal, and the published measure.

    Solved: the block covers at least COVERED of the goal (arXiv 2303.04137). The experts push on until they are
    within NEAR and TURNED of it, or until the time is over.
    """

    demonstrations = 300
    NEAR, TURNED = 0.006, 0.04
    COVERED = 0.95

    def overlap(self, state: Tensor) -> Tensor:
        """Share of the goal's area that the block covers, (N,), as points of a grid."""
        away = GOAL[None] - state[:, None, BLOCK]
        cosine, sine = torch.cos(state[:, ANGLE, None]), torch.sin(state[:, ANGLE, None])
        local = torch.stack(
            [cosine * away[..., 0] + sine * away[..., 1], cosine * away[..., 1] - sine * away[..., 0]], 2
        )
        distance, _ = outline(local.flatten(0, 1))
        return (distance.unflatten(0, (len(state), -1)) <= 0.0).float().mean(1)


class JudgedPushT(ExactPushT):
    """As it is driven: over when the goal is covered, or the time."""

    def solved(self, state: Tensor) -> Tensor:
        return self.overlap(state) >= self.COVERED


class Remembering(Task):
    """A task whose observation is the newest and how it changed over the ticks before, as bc_core's features are.

    The history is part of the state, behind the inner task's.
    """

    def __init__(self, inner: Task, steps: int) -> None:
        self.inner, self.steps = inner, steps
        self.name, self.ticks, self.demonstrations = inner.name, inner.ticks, inner.demonstrations
        self.observation_width, self.action_width = steps * inner.observation_width, inner.action_width
        self.force_controlled, self.action_noise = inner.force_controlled, inner.action_noise

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        state = self.inner.reset(count, generator)
        return torch.cat([state, self.inner.observe(state).repeat(1, self.steps)], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        history = self._history(state)
        return torch.cat([history[:, -1], history.diff(dim=1).flatten(1)], dim=1)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        moved = self.inner.step(self._now(state), action)
        history = torch.cat([self._history(state)[:, 1:], self.inner.observe(moved)[:, None]], dim=1)
        return torch.cat([moved, history.flatten(1)], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return self.inner.solved(self._now(state))

    def failed(self, state: Tensor) -> Tensor:
        return self.inner.failed(self._now(state))

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        return self.inner.style(count, generator)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner.expert(self._now(state), style)

    def idle(self, last: Tensor) -> Tensor:
        return self.inner.idle(last)

    def _now(self, state: Tensor) -> Tensor:
        return state[:, : state.shape[1] - self.observation_width]

    def _history(self, state: Tensor) -> Tensor:
        """(N, steps, O), the newest last."""
        return state[:, -self.observation_width :].unflatten(1, (self.steps, -1))


def _goal() -> Tensor:
    """Points of a grid within the T at the goal, (K, 2) [m]."""
    across = torch.linspace(-2.0 * UNIT, 2.0 * UNIT, 25)[:-1] + UNIT / 12.0
    along = torch.linspace(-2.75 * UNIT, 1.25 * UNIT, 25)[:-1] + UNIT / 12.0
    points = torch.cartesian_prod(across, along)
    return points[outline(points)[0] <= 0.0]


GOAL = _goal()

TASKS: dict[str, Task] = {
    "fork": Fork(),
    "fork_scripted": Fork(choice=1.0, human=False),
    "fork_left": Fork(choice=1.0),
    "conveyor": Conveyor(),
    "pusht": ExactPushT(),
    "peg": Peg(),
    "catch": Catch(),
    "balance": Balance(),
}
CARELESS: dict[str, Task] = {"fork_left": CarelessFork(choice=1.0)}
