"""Catch: a cart pushed by noisy forces must be under one of two balls that fall side by side, again and again.

Which of the two is the experts' own choice, made late: a cart that begins with one and goes on with the other is
under neither.
"""

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

P, V, TICK, MISSED = 0, 1, 2, 3
ROUNDS = 3
BALLS = 4  # first column of the balls: left and right of every round


class Catch(Task):
    """State: cart p [m], v, tick, missed, then the balls of every round [m]. Action: acceleration / LIMIT.

    Every round lasts PERIOD ticks; at its end the cart must be within REACH of one of the round's balls.
    """

    name = "catch"
    ticks = 145
    observation_width = 5
    action_width = 1
    force_controlled = True
    action_noise = 0.05

    DT = 0.0185  # [s]
    LIMIT = 6.0  # [m/s^2]
    PERIOD = 48  # [ticks]
    REACH = 0.05  # [m]

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        p, v = uniform(count, -0.05, 0.05, generator), torch.zeros(count)
        balls = []
        for _ in range(ROUNDS):
            middle, half = uniform(count, -0.08, 0.08, generator), uniform(count, 0.18, 0.24, generator)
            balls += [middle - half, middle + half]
        return torch.stack([p, v, torch.zeros(count), torch.zeros(count), *balls], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        """Cart, its speed, the two falling balls from the cart, and the share of their fall that is left."""
        left, right = self._balls(state)
        remaining = 1.0 - (state[:, TICK] % self.PERIOD) / self.PERIOD
        return torch.stack([state[:, P], state[:, V], left - state[:, P], right - state[:, P], remaining], dim=1)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        velocity = state[:, V] + self.LIMIT * self.DT * action[:, 0]
        position = state[:, P] + 0.5 * self.DT * (state[:, V] + velocity)
        left, right = self._balls(state)
        tick = state[:, TICK] + 1.0
        landing = (tick % self.PERIOD) == 0
        distance = torch.minimum((left - position).abs(), (right - position).abs())
        missed = torch.where(landing & (distance > self.REACH), 1.0, state[:, MISSED])
        head = torch.stack([position, velocity, tick, missed], dim=1)
        return torch.cat([head, state[:, BALLS:]], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return (state[:, TICK] >= ROUNDS * self.PERIOD) & (state[:, MISSED] == 0)

    def failed(self, state: Tensor) -> Tensor:
        return state[:, MISSED] > 0

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Side in every round, tick of every decision, stiffness [1/s^2]."""
        sides = (torch.rand(count, ROUNDS, generator=generator) < 0.5).float()
        decide = torch.randint(13, 20, (count, ROUNDS), generator=generator).float()
        return torch.cat([sides, decide, uniform(count, 140.0, 180.0, generator)[:, None]], dim=1)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        index = self._round(state)[:, None]
        side = style[:, :ROUNDS].gather(1, index)[:, 0]
        decided = (state[:, TICK] % self.PERIOD) >= style[:, ROUNDS : 2 * ROUNDS].gather(1, index)[:, 0]
        left, right = self._balls(state)
        goal = torch.where(side > 0, right, left)
        goal = torch.where(decided, goal, 0.5 * (left + right))
        stiffness = torch.where(decided, style[:, -1], 60.0)
        acceleration = stiffness * (goal - state[:, P]) - 1.6 * stiffness.sqrt() * state[:, V]
        return (acceleration / self.LIMIT).clamp(-1.0, 1.0)[:, None], style

    def _round(self, state: Tensor) -> Tensor:
        return (state[:, TICK] / self.PERIOD).long().clamp(max=ROUNDS - 1)

    def _balls(self, state: Tensor) -> tuple[Tensor, Tensor]:
        index = BALLS + 2 * self._round(state)[:, None]
        return state.gather(1, index)[:, 0], state.gather(1, index + 1)[:, 0]
