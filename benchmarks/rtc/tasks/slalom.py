"""Slalom: a point mass pushed by noisy forces flies through three round obstacles, on either side of each.

The situation of figure 2 of arXiv 2506.07339 three times in a row. The experts decide late, by a coin, so that near
every obstacle two ways are right and half of each is a crash.
"""

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

X, Y, VX, VY = 0, 1, 2, 3
OBSTACLES = 3
OX = slice(4, 4 + OBSTACLES)
OY = slice(4 + OBSTACLES, 4 + 2 * OBSTACLES)


class Slalom(Task):
    """State: x, y, vx, vy, obstacles' x, obstacles' y [m, m/s]. Action: acceleration / LIMIT along x and y."""

    name = "slalom"
    ticks = 270
    observation_width = 8
    action_width = 2
    force_controlled = True
    action_noise = 0.05

    DT = 0.02  # [s]
    LIMIT = 8.0  # [m/s^2]
    RADIUS = 0.22  # [m]
    WALL = 0.9  # [m]
    FINISH = 4.3  # [m]

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        y = uniform(count, -0.1, 0.1, generator)
        vx = uniform(count, 0.9, 1.1, generator)
        ox = [1.1 + 1.2 * i + uniform(count, -0.1, 0.1, generator) for i in range(OBSTACLES)]
        oy = [uniform(count, -0.1, 0.1, generator) for _ in range(OBSTACLES)]
        zero = torch.zeros(count)
        return torch.stack([zero, y, vx, zero, *ox, *oy], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        """Height, velocity, and the next two obstacles from the mass; past the last one they lie far ahead."""
        ahead = _ahead(state)
        next_x, next_y, second_x, second_y = _next_obstacles(state, ahead)
        x, y = state[:, X], state[:, Y]
        return torch.stack(
            [y, state[:, VX], state[:, VY], next_x - x, next_y - y, second_x - x, second_y - y, next_y], dim=1
        )

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        state = state.clone()
        velocity = state[:, VX : VY + 1] + self.LIMIT * self.DT * action
        state[:, X : Y + 1] += 0.5 * self.DT * (state[:, VX : VY + 1] + velocity)
        state[:, VX : VY + 1] = velocity
        return state

    def solved(self, state: Tensor) -> Tensor:
        return state[:, X] >= self.FINISH

    def failed(self, state: Tensor) -> Tensor:
        distance = torch.hypot(state[:, OX] - state[:, X : X + 1], state[:, OY] - state[:, Y : Y + 1])
        return (distance < self.RADIUS).any(1) | (state[:, Y].abs() > self.WALL)

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Side of every obstacle, distance of the decision [m], clearance [m], speed [m/s]."""
        sides = torch.sign(torch.rand(count, OBSTACLES, generator=generator) - 0.5)
        decide = 0.7 + 0.1 * torch.rand(count, OBSTACLES, generator=generator)
        clearance = uniform(count, 0.08, 0.16, generator)
        speed = uniform(count, 0.9, 1.1, generator)
        return torch.cat([sides, decide, clearance[:, None], speed[:, None]], dim=1)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        sides, decide = style[:, :OBSTACLES], style[:, OBSTACLES : 2 * OBSTACLES]
        clearance, speed = style[:, -2], style[:, -1]
        index = _ahead(state).clamp(max=OBSTACLES - 1)[:, None]
        ox, oy = state[:, OX].gather(1, index)[:, 0], state[:, OY].gather(1, index)[:, 0]
        distance = ox - state[:, X]
        engaged = (distance < decide.gather(1, index)[:, 0]) & (distance > -_PASSED)
        beside = oy + sides.gather(1, index)[:, 0] * (self.RADIUS + clearance)
        goal = torch.where(engaged, beside, 0.0)
        stiffness = torch.where(engaged, 90.0, 20.0)
        ay = stiffness * (goal - state[:, Y]) - 1.5 * stiffness.sqrt() * state[:, VY]
        ax = 4.0 * (speed - state[:, VX])
        return (torch.stack([ax, ay], dim=1) / self.LIMIT).clamp(-1.0, 1.0), style


_PASSED = 0.05  # an obstacle counts as passed this far behind its centre [m]


def _ahead(state: Tensor) -> Tensor:
    """(N,) index of the first obstacle not yet passed."""
    return (state[:, X : X + 1] > state[:, OX] + _PASSED).sum(1)


def _next_obstacles(state: Tensor, ahead: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    far = torch.full((len(state), 2), 10.0)
    ox = torch.cat([state[:, OX], state[:, X : X + 1] + 1.5 + 0.0 * far], dim=1)
    oy = torch.cat([state[:, OY], 0.0 * far], dim=1)
    first, second = ahead[:, None], ahead[:, None] + 1
    return ox.gather(1, first)[:, 0], oy.gather(1, first)[:, 0], ox.gather(1, second)[:, 0], oy.gather(1, second)[:, 0]
