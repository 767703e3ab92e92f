"""Many episodes side by side in virtual time: who asks when, what arrives when, and what is executed meanwhile.

Time is counted in ticks and delay d in rows, as in Algorithm 1 of arXiv 2506.07339: a chunk asked for at tick k acts
from tick k + d on; row i belongs to tick k + i, and the first d rows are those of the chunk before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from bc_core.delay import DelayEstimator
from bc_core.strategies.ensembling import DECAY, Ensemble
from bc_core.strategies.registry import Chaining, Strategy
from bc_core.strategies.sampling import Splice
from benchmarks.rtc.delays import Delays
from benchmarks.rtc.tasks.base import Task

Plan = Callable[[Tensor, Splice], Tensor]
"""plan(observation (B, O), splice in task units) -> chunks (B, H, A) in task units."""

Correct = Callable[[Tensor, Tensor, Tensor], Tensor]
"""correct(observation (B, O), chunk (B, H, A), row (B,)) -> actions (B, A)."""

Foresee = Callable[[Tensor, Tensor], Tensor]
"""foresee(observation (B, O), action (B, A)) -> observation one tick later."""


@dataclass(frozen=True)
class Arm:
    """What drives the episodes. s_min: least rows executed between requests. plan, correct, foresee: the policy."""

    strategy: Strategy
    horizon: int
    s_min: int
    plan: Plan
    correct: Correct | None = None
    foresee: Foresee | None = None


@dataclass
class Measures:
    """Of all episodes. jumps: norm of new less old row where a chunk takes effect. jerk (E,): see `_Second`."""

    solved: Tensor
    jerk: Tensor
    starved: int = 0
    ticks: int = 0
    chunks: int = 0
    underestimated: int = 0
    jumps: list[Tensor] = field(default_factory=list)


class Rollout:
    """`episodes` of a task, all started by `seed`; the policy's own noise is the plan's business.

    delays: what inference takes. estimators: one per episode, or None: the delay of each request is known (oracle).
    """

    def __init__(
        self,
        task: Task,
        arm: Arm,
        delays: Delays,
        seed: int,
        estimators: Sequence[DelayEstimator] | None = None,
    ) -> None:
        self.task, self.arm, self.delays, self.estimators = task, arm, delays, estimators
        self.generator = torch.Generator().manual_seed(seed)
        count = len(delays)
        self.count = count
        self.state = task.reset(count, self.generator)
        self.running = torch.ones(count, dtype=torch.bool)
        # a chunk foreseen from d ticks ahead holds d rows of the one before it and H of its own
        self.length = 2 * arm.horizon if arm.strategy.foresees else arm.horizon
        rows = torch.zeros(count, self.length, task.action_width)
        self.chunk, self.start, self.rows = rows, self._zeros(), self._zeros()
        self.next, self.next_start, self.next_rows = rows.clone(), self._zeros(), self._zeros()
        self.effect = torch.full((count,), -1)  # tick at which `next` takes effect; -1: nothing is under way
        self.asked = np.zeros(count, dtype=np.int64)  # requests made
        self.expected, self.taken = self._zeros(), self._zeros()  # d_hat and d of the request under way
        self.interval = torch.full((count,), max(1, arm.s_min))
        self.ensemble = Ensemble.empty(count, arm.horizon, task.action_width, np.float32)
        self.ensemble_start = self._zeros()
        self.last = torch.zeros(count, task.action_width)
        self.measures = Measures(torch.zeros(count, dtype=torch.bool), torch.zeros(count))
        self._before: list[Tensor] = []  # the last two actions, for second differences

    def _zeros(self) -> Tensor:
        return torch.zeros(self.count, dtype=torch.long)

    def run(self, progress: Callable[[float], None] | None = None) -> Measures:
        for tick in range(self.task.ticks):
            if not self.running.any():
                break
            self._arrive(tick)
            self._ask(tick)
            self._arrive(tick)  # what took no time
            self._act(tick)
            if progress is not None:
                progress((tick + 1) / self.task.ticks)
        return self.measures

    def _ask(self, tick: int) -> None:
        idle = (self.effect < 0) & self.running
        due = idle & ((self.rows == 0) | (tick - self.start >= self.interval))
        if not due.any():
            return
        index = due.nonzero()[:, 0]
        first = self.rows[index] == 0
        delay = torch.from_numpy(self.delays[index.numpy(), self.asked[index.numpy()]])
        delay = torch.where(first, 0, delay)  # the first chunk is there when the episode begins
        self.asked[index.numpy()] += 1
        executed = (tick - self.start[index]).clamp(min=0)
        left = (self.rows[index] - executed).clamp(min=0)
        expected = torch.where(first, 0, self._estimate(index, delay))
        splice = self._splice(index, executed, left, expected)
        observation = self.task.observe(self.state[index])
        foresees = self.arm.strategy.foresees
        if foresees:
            observation, splice = self._foresee(observation, splice)
        chunk = self.arm.plan(observation, splice)
        self._deliver(index, tick, delay, expected, chunk, foresees)

    def _estimate(self, index: Tensor, truth: Tensor) -> Tensor:
        """d_hat; what does not fit is cut, as the scheduler does: d <= s <= H - d."""
        if self.estimators is None:
            return truth
        largest = self.arm.horizon // 2
        return torch.tensor([min(self.estimators[i].estimate, largest) for i in index.tolist()])

    def _splice(self, index: Tensor, executed: Tensor, left: Tensor, expected: Tensor) -> Splice:
        """The rows not yet executed. Frozen are as many as are expected to run out meanwhile, and exist, and fit."""
        prefix = _shifted(self.chunk[index], executed)
        feasible = torch.minimum(left, (self.arm.horizon - executed).clamp(min=0))
        if self.arm.strategy.foresees:
            feasible = left
        return Splice(prefix, left, torch.minimum(expected, feasible), executed)

    def _foresee(self, observation: Tensor, splice: Splice) -> tuple[Tensor, Splice]:
        """The observation at the tick of effect, and the splice seen from there: nothing is frozen any more."""
        assert self.arm.foresee is not None
        for row in range(int(splice.frozen.max())):
            moved = self.arm.foresee(observation, splice.prefix[:, row])
            observation = torch.where((row < splice.frozen)[:, None], moved, observation)
        self._committed = splice
        horizon, rows = self.arm.horizon, (splice.rows - splice.frozen).clamp(max=self.arm.horizon)
        nothing = torch.zeros_like(splice.frozen)
        prefix = _shifted(splice.prefix, splice.frozen)[:, :horizon]
        return observation, Splice(prefix, rows, nothing, horizon - rows)

    def _deliver(
        self, index: Tensor, tick: int, delay: Tensor, expected: Tensor, chunk: Tensor, foresees: bool
    ) -> None:
        self.interval[index] = expected.clamp(min=max(1, self.arm.s_min))
        rows = torch.full((len(index),), self.arm.horizon)
        start = torch.full((len(index),), tick)
        if foresees:  # rows that are executed meanwhile, then the new ones
            committed = self._committed
            chunk = _joined(committed.prefix, committed.frozen, chunk, self.length)
            rows = rows + committed.frozen
        if self.arm.strategy.chaining == Chaining.STAND:
            start, rows = start + delay, self.interval[index].clamp(max=self.arm.horizon)
            self.rows[index] = torch.minimum(self.rows[index], tick - self.start[index])  # the old one ends here
        self.next[index], self.next_start[index], self.next_rows[index] = chunk, start, rows
        self.effect[index], self.expected[index], self.taken[index] = tick + delay, expected, delay

    def _arrive(self, tick: int) -> None:
        index = ((self.effect == tick) & self.running).nonzero()[:, 0]
        if not len(index):
            return
        new, start = self.next[index], self.next_start[index]
        if self.arm.strategy.chaining == Chaining.AVERAGE:
            new = self._vote(index, new, start)
        old_row, new_row = tick - self.start[index], tick - start
        comparable = (old_row < self.rows[index]) & (self.rows[index] > 0)
        rows = torch.arange(len(index))
        jump = new[rows, new_row.clamp(max=self.length - 1)] - self.chunk[index, old_row.clamp(0, self.length - 1)]
        self.measures.jumps.append(jump.norm(dim=1)[comparable])
        self.measures.chunks += len(index)
        self.measures.underestimated += int((self.taken[index] > self.expected[index]).sum())
        self._learn(index)
        self.chunk[index], self.start[index], self.rows[index] = new, start, self.next_rows[index]
        self.effect[index] = -1

    def _learn(self, index: Tensor) -> None:
        """Tell the estimators; the first chunk, which is there at once, says nothing about the next."""
        if self.estimators is None:
            return
        for episode in index.tolist():
            if self.asked[episode] > 1:
                self.estimators[episode].observe(int(self.taken[episode]))

    def _vote(self, index: Tensor, chunk: Tensor, start: Tensor) -> Tensor:
        chosen = index.numpy()
        kept = Ensemble(self.ensemble.mean[chosen], self.ensemble.votes[chosen])
        voted = kept.advanced((start - self.ensemble_start[index]).numpy()).voted(chunk.numpy(), DECAY)
        self.ensemble.mean[chosen], self.ensemble.votes[chosen] = voted.mean, voted.votes
        self.ensemble_start[index] = start
        return torch.from_numpy(voted.mean)

    def _act(self, tick: int) -> None:
        row = tick - self.start
        there = (row >= 0) & (row < self.rows)
        clamped = row.clamp(0, self.length - 1)
        action = self.chunk[torch.arange(self.count), clamped]
        if self.arm.strategy.corrects:
            assert self.arm.correct is not None
            action = self.arm.correct(self.task.observe(self.state), self.chunk, clamped)
        action = torch.where(there[:, None], action, self.task.idle(self.last)).clamp(-1.0, 1.0)
        if self.arm.strategy.chaining != Chaining.STAND:
            self.measures.starved += int((~there & self.running).sum())
        self.measures.ticks += int(self.running.sum())
        self._difference(action)
        noise = self.task.action_noise * torch.randn(action.shape, generator=self.generator)
        moved = self.task.step(self.state, action + noise)
        self.state = torch.where(self.running[:, None], moved, self.state)
        self.last = action
        done = self.task.solved(self.state)
        self.measures.solved |= self.running & done
        self.running &= ~(done | self.task.failed(self.state))

    def _difference(self, action: Tensor) -> None:
        """Largest second difference of the executed actions, by episode."""
        if len(self._before) == 2:
            older, old = self._before
            second = (action - 2.0 * old + older).norm(dim=1)
            self.measures.jerk = torch.where(
                self.running, torch.maximum(self.measures.jerk, second), self.measures.jerk
            )
        self._before = [*self._before[-1:], action]


def _shifted(chunk: Tensor, rows: Tensor) -> Tensor:
    """Row i becomes what row i + rows was; the last row is repeated at the end."""
    batch, length, width = chunk.shape
    index = (torch.arange(length) + rows[:, None]).clamp(max=length - 1)
    return chunk.gather(1, index[..., None].expand(batch, length, width))


def _joined(before: Tensor, count: Tensor, after: Tensor, length: int) -> Tensor:
    """`count` (B,) rows of `before`, then all of `after`, then its last row up to `length`."""
    index = (torch.arange(length) - count[:, None]).clamp(0, after.shape[1] - 1)
    tail = after.gather(1, index[..., None].expand(len(after), length, after.shape[2]))
    return torch.where((torch.arange(length) < count[:, None])[..., None], before[:, :length], tail)
