"""Lane: a vehicle follows a winding road by its steering rate; what it does not correct grows.

The task of Ross and Bagnell's argument: leaving the lane costs one per tick and ends nothing, the expert comes back
from wherever it is, and its own demonstrations never show how, because it never leaves.
"""

import math

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

OFFSET, HEADING, STEER, TRAVEL, TICK, OUTSIDE = range(6)
WAVES = 3  # sinusoids that make up a road
AMPLITUDE = slice(6, 6 + WAVES)
PHASE = slice(6 + WAVES, 6 + 2 * WAVES)


class Lane(Task):
    """State: offset from the lane's middle [m], heading against it [rad], steering curvature [1/m], travel [m], tick,
    ticks outside, then the road. Action: rate of the steering curvature / LIMIT. Solved: never outside to the end.
    """

    name = "lane"
    observation_width = 7
    action_width = 1
    force_controlled = True
    action_noise = 0.1

    DT = 0.05  # [s]
    SPEED = 8.0  # [m/s]
    LIMIT = 1.0  # [1/m/s]
    SHARPEST = 0.35  # curvature that the steering reaches [1/m]
    WIDTH = 0.5  # of the lane, from its middle [m]
    LENGTHS = (60.0, 33.0, 19.0)  # of the waves [m]
    BENDS = (0.05, 0.05, 0.04)  # their greatest curvature [1/m]
    SIGHT = (0.0, 1.5, 3.0, 6.0)  # where the road's curvature is seen, ahead [m]
    GAINS = (0.1, 0.9, 0.5)  # curvature [1/m] per offset [m] and heading [rad]; share of the way to it in a tick
    STEEPEST = 0.7  # heading at which the expert comes back [rad]

    def __init__(self, ticks: int = 300) -> None:
        self.ticks = ticks

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        offset = uniform(count, -0.1, 0.1, generator)
        heading = uniform(count, -0.05, 0.05, generator)
        bends = [uniform(count, 0.4 * bend, bend, generator) for bend in self.BENDS]
        phases = [uniform(count, 0.0, 2.0 * math.pi, generator) for _ in self.LENGTHS]
        zero = torch.zeros(count)
        state = torch.stack([offset, heading, zero, zero, zero, zero, *bends, *phases], dim=1)
        state[:, STEER] = self.curvature(state, 0.0)
        return state

    def curvature(self, state: Tensor, ahead: float) -> Tensor:
        """Of the road, (N,) [1/m], a distance ahead."""
        place = state[:, TRAVEL, None] + ahead
        waves = torch.sin(2.0 * math.pi * place / torch.tensor(self.LENGTHS) + state[:, PHASE])
        return (state[:, AMPLITUDE] * waves).sum(1)

    def observe(self, state: Tensor) -> Tensor:
        seen = [self.curvature(state, ahead) for ahead in self.SIGHT]
        return torch.stack([state[:, OFFSET], state[:, HEADING], state[:, STEER], *seen], dim=1)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        state = state.clone()
        steer = state[:, STEER] + self.DT * self.LIMIT * action[:, 0]
        steer = steer.clamp(-self.SHARPEST, self.SHARPEST)
        turn = self.SPEED * (steer - self.curvature(state, 0.0) * torch.cos(state[:, HEADING]))
        heading = (state[:, HEADING] + self.DT * turn).clamp(-1.5, 1.5)
        state[:, OFFSET] += self.DT * self.SPEED * torch.sin(0.5 * (state[:, HEADING] + heading))
        state[:, TRAVEL] += self.DT * self.SPEED * torch.cos(heading)
        state[:, HEADING], state[:, STEER] = heading, steer
        state[:, TICK] += 1.0
        state[:, OUTSIDE] += self.outside(state)
        return state

    def outside(self, state: Tensor) -> Tensor:
        """(N,) bool: the cost of a tick."""
        return state[:, OFFSET].abs() > self.WIDTH

    def solved(self, state: Tensor) -> Tensor:
        return (state[:, TICK] >= self.ticks) & (state[:, OUTSIDE] == 0)

    def failed(self, state: Tensor) -> Tensor:
        return torch.zeros(len(state), dtype=torch.bool)

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.zeros(count, 0)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Steers for the road's curvature, and back to the middle at no more than STEEPEST."""
        by_offset, by_heading, share = self.GAINS
        wanted = (-by_offset / by_heading * state[:, OFFSET]).clamp(-self.STEEPEST, self.STEEPEST)
        curvature = self.curvature(state, self.SPEED * self.DT) + by_heading * (wanted - state[:, HEADING])
        rate = share * (curvature - state[:, STEER]) / self.DT
        return (rate / self.LIMIT).clamp(-1.0, 1.0)[:, None], style
