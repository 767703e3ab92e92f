"""Episodes of the lane with whoever drives them: the expert alone, the student alone, or both; and what each shows.

Everything runs in the chunking benchmark's roll-out, whose plan sees the whole state here instead of an observation.
The state is the simulator, so that a copy of it is a fork.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from bc_core.strategies.registry import STRATEGIES, Skill
from bc_core.strategies.sampling import SamplerConfig, Splice
from benchmarks.dagger import lane
from benchmarks.dagger.lane import Lane
from benchmarks.rtc import delays
from benchmarks.rtc.demonstrations import Demonstrations, Windows
from benchmarks.rtc.networks import ChunkNetwork
from benchmarks.rtc.policies import PolicySet
from benchmarks.rtc.rollout import Arm, Rollout
from benchmarks.rtc.training import Kind

HORIZON = 8  # H
EXECUTED = 4  # s
_NAIVE = STRATEGIES["naive"]  # without a delay: a chunk is used at once
_WATCHED = replace(_NAIVE, skills=frozenset({Skill.CORRECTION}))  # and someone may act in its place at every tick

Student = Callable[[Tensor], Tensor]
"""Observations (B, O) -> chunks (B, H, A)."""


class Exposed(Lane):
    """The lane as its simulator sees it: the observation is the state."""

    def observe(self, state: Tensor) -> Tensor:
        return state


def student(network: ChunkNetwork, seed: int) -> Student:
    """A flow policy; its noise comes from `seed`."""
    plan = PolicySet({Kind.FLOW: network}).plan(_NAIVE, Kind.FLOW, SamplerConfig(), seed)

    def chunks(observation: Tensor) -> Tensor:
        count = len(observation)
        none = torch.zeros(count, dtype=torch.long)
        return plan(observation, Splice(torch.zeros(count, *network.shape), none, none, none))

    return chunks


@torch.no_grad()
def label(task: Lane, state: Tensor) -> Tensor:
    """What the expert does from here on, (B, H, A): it is rolled H steps in a copy of the state, without noise."""
    rows = []
    style = task.style(len(state), torch.Generator())
    for _ in range(HORIZON):
        action, style = task.expert(state, style)
        rows.append(action)
        state = task.step(state, action)
    return torch.stack(rows, dim=1)


@dataclass(frozen=True)
class Evaluation:
    """solved (E,) bool. cost (T,): mean over episodes of the ticks outside the lane until each tick."""

    solved: Tensor
    cost: Tensor


@torch.no_grad()
def evaluate(task: Lane, drive: Student, episodes: int, seed: int) -> Evaluation:
    """The student alone on the episodes of a seed: the same for everyone."""
    arm = Arm(_NAIVE, HORIZON, EXECUTED, lambda observation, _: drive(observation))
    rollout = Rollout(task, arm, delays.constant(episodes, task.ticks + 1, 0), seed)
    cost: list[Tensor] = []
    measures = rollout.run(lambda _: cost.append(rollout.state[:, lane.OUTSIDE].mean()))
    return Evaluation(measures.solved, torch.stack(cost))


@torch.no_grad()
def visit(task: Lane, drive: Student, beta: float, episodes: int, seed: int) -> Tensor:
    """States (N, S) at which a chunk was asked for, in the order of time.

    Every request of the student's is one of the expert's with probability beta (algorithm 3.1 of Ross et al.).
    """
    rng = torch.Generator().manual_seed(seed + 1)
    states: list[Tensor] = []

    def plan(state: Tensor, _: Splice) -> Tensor:
        mine = drive(task.observe(state))
        states.append(state.clone())
        expert = torch.rand(len(state), generator=rng) < beta
        return torch.where(expert[:, None, None], label(task, state), mine)

    exposed = Exposed(task.ticks)
    Rollout(exposed, Arm(_NAIVE, HORIZON, EXECUTED, plan), delays.constant(episodes, task.ticks + 1, 0), seed).run()
    return torch.cat(states)


@dataclass(frozen=True)
class Driven:
    """Whole episodes: observations (E, T, O), actions (E, T, A) as they were meant, human (E, T): who acted."""

    observations: Tensor
    actions: Tensor
    human: Tensor

    def windows(self, horizon: int) -> Windows:
        """Frames at which the human acted with the rows that followed; none reaches past the end of an intervention."""
        episodes, ticks = self.human.shape
        every = Demonstrations(self.observations, self.actions, torch.full((episodes,), ticks)).windows(horizon)
        ahead = torch.cat([self.human, torch.zeros(episodes, horizon, dtype=torch.bool)], dim=1)
        valid = ahead.unfold(1, horizon, 1)[:, :ticks].cumprod(2).bool()
        human = self.human.flatten()
        return Windows(every.observation[human], every.chunk[human], valid[self.human])


class Supervisor:
    """A human who watches: takes over when the vehicle is about to leave the lane, and gives back when it is settled.

    always: and never gives it back: demonstrations.
    """

    LOOK = 0.6  # [s] ahead
    ALARM = 0.8  # share of the lane's width that it must not reach
    SETTLED = (0.1, 0.05)  # offset [m] and heading [rad] below which the student may have it back

    def __init__(self, task: Lane, always: bool) -> None:
        self._task, self._always = task, always
        self._drives = torch.zeros(0, dtype=torch.bool)
        self.ticks: list[tuple[Tensor, Tensor, Tensor]] = []  # state, action and who acted

    def __call__(self, state: Tensor, chunk: Tensor, row: Tensor) -> Tensor:
        """The action of the tick, (N, A): the student's, or the human's."""
        self._drives = self._wants(state)
        expert, _ = self._task.expert(state, state[:, :0])
        action = torch.where(self._drives[:, None], expert, chunk[torch.arange(len(chunk)), row])
        self.ticks.append((state, action, self._drives))
        return action

    def _wants(self, state: Tensor) -> Tensor:
        if self._always:
            return torch.ones(len(state), dtype=torch.bool)
        offset, heading = state[:, lane.OFFSET], state[:, lane.HEADING]
        soon = offset + self._task.SPEED * self.LOOK * torch.sin(heading)
        alarm = torch.maximum(soon.abs(), offset.abs()) > self.ALARM * self._task.WIDTH
        settled = (offset.abs() < self.SETTLED[0]) & (heading.abs() < self.SETTLED[1])
        return alarm | (self._drives & ~settled) if len(self._drives) else alarm


@torch.no_grad()
def supervised(task: Lane, drive: Student | None, episodes: int, seed: int) -> Driven:
    """The student drives and a human corrects; without a student the human demonstrates."""

    def plan(state: Tensor, _: Splice) -> Tensor:
        nothing = torch.zeros(len(state), HORIZON, task.action_width)
        return nothing if drive is None else drive(task.observe(state))

    human = Supervisor(task, always=drive is None)
    arm = Arm(_WATCHED, HORIZON, EXECUTED, plan, correct=human)
    Rollout(Exposed(task.ticks), arm, delays.constant(episodes, task.ticks + 1, 0), seed).run()
    states, actions, acted = zip(*human.ticks, strict=True)
    observations = [task.observe(state) for state in states]
    return Driven(torch.stack(observations, 1), torch.stack(actions, 1), torch.stack(acted, 1))
