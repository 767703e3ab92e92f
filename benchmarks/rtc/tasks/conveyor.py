"""Conveyor: a planar cousin of conveyor_pick, with commanded positions: pick a part from a running belt.

The tool follows its command with a lag, speed-limited. Experts dive at a moment and a place of their own choice.
"""

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

X, Z, G, PART, LIFT, SPEED, HELD, TICK, BAD = range(9)


class Conveyor(Task):
    """State: tool x, z, opening g (0 closed, 1 open), part x, z, belt speed, held, tick, broken. Action: commanded
    x, z and opening, scaled to [-1, 1]."""

    name = "conveyor"
    ticks = 150
    observation_width = 7
    action_width = 3
    force_controlled = False
    action_noise = 0.005

    DT = 0.05  # [s]
    SPAN, HEIGHT = 0.6, 0.3  # of the workspace [m]
    LAG = 0.35  # share of the way to the command that the tool covers in a tick
    FASTEST = 0.06  # [m / tick]
    GRASP = 0.015  # largest distance along the belt at which fingers close on the part [m]
    LOW = 0.02  # tool height below which they do [m]

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        x = uniform(count, -0.1, 0.1, generator)
        z = uniform(count, 0.15, 0.2, generator)
        part = uniform(count, -0.55, -0.45, generator)
        speed = uniform(count, 0.10, 0.20, generator)
        one, zero = torch.ones(count), torch.zeros(count)
        return torch.stack([x, z, one, part, zero, speed, zero, zero, zero], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        """Tool, opening, part from the tool, part's height, belt speed."""
        relative = state[:, PART] - state[:, X]
        return torch.stack(
            [state[:, X], state[:, Z], state[:, G], relative, state[:, LIFT], state[:, SPEED], state[:, PART]], dim=1
        )

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        x, z, g, part, lift, speed, held, tick, bad = state.unbind(1)
        command_x, command_z = self.SPAN * action[:, 0], 0.5 * self.HEIGHT * (action[:, 1] + 1.0)
        moved_x = x + (self.LAG * (command_x - x)).clamp(-self.FASTEST, self.FASTEST)
        moved_z = (z + (self.LAG * (command_z - z)).clamp(-self.FASTEST, self.FASTEST)).clamp(min=0.0)
        opening = (g + (0.5 * (action[:, 2] + 1.0) - g).clamp(-0.35, 0.35)).clamp(0.0, 1.0)
        closes = (opening < 0.5) & (g >= 0.5)
        there = (part - x).abs() < self.GRASP
        held = torch.where(closes & there & (z < self.LOW), 1.0, torch.where(opening > 0.6, 0.0, held))
        # fingers that come down on the part, or sweep it while low, knock it over
        hits = (held == 0) & (moved_z < self.LOW) & ((part - moved_x).abs() > 1.5 * self.GRASP)
        hits &= (part - moved_x).abs() < 4.0 * self.GRASP
        bad = torch.where(hits | (part > self.SPAN), 1.0, bad)
        part = torch.where(held > 0, moved_x, part + speed * self.DT)
        lift = torch.where(held > 0, moved_z, 0.0)
        return torch.stack([moved_x, moved_z, opening, part, lift, speed, held, tick + 1.0, bad], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return (state[:, HELD] > 0) & (state[:, LIFT] > 0.12)

    def failed(self, state: Tensor) -> Tensor:
        return state[:, BAD] > 0

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Where along the belt to grasp [m], height of waiting [m], lead over the lag [ticks]; memory: phase."""
        place = uniform(count, -0.25, 0.3, generator)
        height = uniform(count, 0.08, 0.16, generator)
        return torch.stack([place, height, torch.zeros(count), torch.zeros(count)], dim=1)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        place, height, phase, since = style.unbind(1)
        x, z, part, speed = state[:, X], state[:, Z], state[:, PART], state[:, SPEED] * self.DT
        follow = speed / self.LAG  # what the lag costs when following the part
        phase = torch.where((phase == 0) & (part > place - 6.0 * speed - 0.02), 1.0, phase)
        low = (phase == 1) & (z < 0.6 * self.LOW) & ((part - x).abs() < 0.5 * self.GRASP)
        since = torch.where(phase == 2, since + 1.0, since)
        phase = torch.where(low, 2.0, phase)
        phase = torch.where((phase == 2) & (state[:, G] < 0.4), 3.0, phase)
        aligned = (part - x).abs() < 0.6 * self.GRASP
        command_x = torch.where(phase == 0, place, torch.where(phase == 3, x, part + follow))
        command_z = torch.where(phase == 0, height, torch.where((phase == 1) & ~aligned & (z > 0.05), 0.06, 0.0))
        command_z = torch.where(phase == 3, 0.25, command_z)
        grip = torch.where(phase >= 2, -1.0, 1.0)
        action = torch.stack([command_x / self.SPAN, 2.0 * command_z / self.HEIGHT - 1.0, grip], dim=1)
        return action.clamp(-1.0, 1.0), torch.stack([place, height, phase, since], dim=1)
