"""Fork: something stands in the way, one side is as good as the other, and between the two is the crash.

The corridor runs along the diagonal of the two action coordinates, so that turning left speeds one of them up and slows
the other down: which way to go is one choice for both. Experts come close, then choose by a coin.
"""

import math

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

ALONG, ASIDE, TICK, CRASHED = range(4)
SIDE, CLOSE, CLEARANCE, SPEED, WAIT = range(5)


class Fork(Task):
    """State: along and aside of the corridor [m], tick, crashed. Action: velocity / FASTEST in two coordinates at 45
    degrees to the corridor. Solved: past the obstacle, at the end.

    choice: share of the experts that go left. human: experts differ in clearance, speed and in when they choose, and
    some stop for a moment to think; otherwise all do the same but for the side.
    """

    name = "fork"
    ticks = 50
    observation_width = 2
    action_width = 2
    force_controlled = True
    action_noise = 0.02
    demonstrations = 200

    DT = 0.1  # [s]
    FASTEST = 1.0  # [m/s] in each coordinate
    OBSTACLE, RADIUS = 1.0, 0.25  # along the corridor [m]
    END = 1.8  # [m]
    WALL = 0.7  # [m] aside
    TURN = math.radians(60.0)  # between the corridor and the way round

    def __init__(self, choice: float = 0.5, human: bool = True) -> None:
        self.choice, self.human = choice, human

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        along, aside = uniform(count, 0.0, 0.1, generator), uniform(count, -0.005, 0.005, generator)
        return torch.stack([along, aside, torch.zeros(count), torch.zeros(count)], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        """Where it is, in the action's coordinates [m]."""
        return _turned(state[:, :2], -1.0)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        moved = state[:, :2] + self.DT * self.FASTEST * _turned(action.clamp(-1.0, 1.0), 1.0)
        distance = torch.hypot(moved[:, ALONG] - self.OBSTACLE, moved[:, ASIDE])
        crashed = (distance < self.RADIUS) | (moved[:, ASIDE].abs() > self.WALL)
        crashed = torch.where(crashed, 1.0, state[:, CRASHED])
        return torch.cat([moved, state[:, TICK, None] + 1.0, crashed[:, None]], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return (state[:, ALONG] >= self.END) & (state[:, CRASHED] == 0)

    def failed(self, state: Tensor) -> Tensor:
        return state[:, CRASHED] > 0

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Side, distance of the choice from the obstacle's edge [m], clearance [m], speed, ticks of thinking left."""
        side = torch.where(torch.rand(count, generator=generator) < self.choice, 1.0, -1.0)
        close = uniform(count, 0.10, 0.16, generator)
        clearance, speed = uniform(count, 0.05, 0.2, generator), uniform(count, 0.45, 0.65, generator)
        thinks = torch.rand(count, generator=generator) < 0.5
        wait = torch.where(thinks, torch.randint(2, 6, (count,), generator=generator).float(), 0.0)
        if not self.human:
            close, clearance, speed, wait = (torch.full((count,), value) for value in (0.13, 0.12, 0.55, 0.0))
        return torch.stack([side, close, clearance, speed, wait], dim=1)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Along the middle up to the choice, aside until clear of the obstacle, past it, and back to the middle."""
        along, aside = state[:, ALONG], state[:, ASIDE]
        reach = self.RADIUS + style[:, CLEARANCE]
        ahead = self.OBSTACLE - self.RADIUS - style[:, CLOSE] - along
        thinking = (ahead <= 0.0) & (style[:, WAIT] > 0.0) & (aside.abs() < 0.1)
        beside = (ahead <= 0.0) & (aside * style[:, SIDE] < reach) & (along < self.OBSTACLE)
        past = along > self.OBSTACLE + 0.5 * reach
        wanted = torch.where((ahead > 0.0) | past, 0.0, style[:, SIDE] * reach)
        back = torch.atan2(wanted - aside, torch.full_like(along, 0.2))
        heading = torch.where(beside, style[:, SIDE] * self.TURN, back)
        velocity = style[:, SPEED, None] * torch.stack([torch.cos(heading), torch.sin(heading)], dim=1)
        velocity = torch.where(thinking[:, None], 0.0, velocity)
        memory = style.clone()
        memory[:, WAIT] -= thinking.float()
        return _turned(velocity / self.FASTEST, -1.0), memory


def _turned(vector: Tensor, sign: float) -> Tensor:
    """By 45 degrees, from action coordinates to along and aside (1) or back (-1)."""
    half = math.sqrt(0.5)
    x, y = vector[:, 0], vector[:, 1]
    if sign > 0.0:
        return torch.stack([half * (x + y), half * (y - x)], dim=1)
    return torch.stack([half * (x - y), half * (x + y)], dim=1)


class CarelessFork(Fork):
    """Experts who do not look: straight on into the obstacle. Their episodes end there, and count."""

    demonstrations = 120

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        ahead = torch.stack([style[:, SPEED], torch.zeros(len(state))], dim=1)
        return _turned(ahead / self.FASTEST, -1.0), style

    def solved(self, state: Tensor) -> Tensor:
        return state[:, CRASHED] > 0
