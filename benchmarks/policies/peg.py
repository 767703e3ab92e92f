"""Peg: a peg, drawn by a soft spring, finds a hole by touch and goes in.

The contact task: where the hole is is known to some millimetres only. Experts come down beside it, to the left or to
the right by a coin, press lightly, slide towards it until the peg drops, and push it down without leaning on the wall.
Quasi-static, with Coulomb friction on the surface and on the hole's walls.
"""

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

X, Z, HOLE, BELIEVED, FORCE, TICK, BROKEN = range(7)
SIDE, ASIDE, PRESSURE, PACE, SLIDES = range(5)


class Peg(Task):
    """State: tip x and z above the surface [m], the hole and where it is believed to be [m], what is felt [m], tick,
    broken. Action: how far the spring is drawn, x and z, / STRETCH; forces are told as such lengths. Without an action
    nothing moves.
    """

    name = "peg"
    ticks = 100
    observation_width = 4
    action_width = 2
    force_controlled = True
    action_noise = 0.02
    demonstrations = 300

    STRETCH = 0.02  # [m]
    LAG = 0.4  # share of what the spring is drawn that the free tip covers in a tick
    CLEARANCE = 0.001  # of the peg in the hole, to either side [m]
    BELIEF = 0.005  # greatest error of where the hole is believed to be [m]
    DEPTH = 0.015  # at which the peg is in [m]
    FRICTION = 0.4
    STRONGEST = 0.012  # force at which the peg breaks [m]
    FAR = 0.05  # from the hole, where it is lost [m]
    SUBSTEPS = 4

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        x, z = uniform(count, -0.04, 0.04, generator), uniform(count, 0.03, 0.05, generator)
        hole = uniform(count, -0.03, 0.03, generator)
        believed = hole + uniform(count, -self.BELIEF, self.BELIEF, generator)
        zero = torch.zeros(count)
        return torch.stack([x, z, hole, believed, zero, zero, zero], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        """Tip, hole as believed from the tip, force."""
        return torch.stack([state[:, X], state[:, Z], state[:, BELIEVED] - state[:, X], state[:, FORCE]], dim=1)

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        x, z, hole, believed, _, tick, broken = state.unbind(1)
        drawn_x, drawn_z = self.STRETCH * action.clamp(-1.0, 1.0).T
        share, force = self.LAG / self.SUBSTEPS, torch.zeros_like(x)
        for _ in range(self.SUBSTEPS):
            aside = x - hole
            inside, fits = z < 0.0, aside.abs() < self.CLEARANCE
            pressing = torch.where((z <= 0.0) & ~fits, -drawn_z, 0.0).clamp(min=0.0)
            walled = inside & (aside * drawn_x.sign() >= self.CLEARANCE)
            leaning = torch.where(walled, drawn_x.abs(), 0.0)
            x = x + share * _beyond(drawn_x, self.FRICTION * pressing)
            x = torch.where(inside, torch.clamp(x, hole - self.CLEARANCE, hole + self.CLEARANCE), x)
            fits = inside | ((x - hole).abs() < self.CLEARANCE)
            moved = z + share * _beyond(drawn_z, self.FRICTION * leaning)
            z = torch.where(fits, moved, moved.clamp(min=0.0))
            force = torch.maximum(force, torch.maximum(pressing, leaning))
        broken = torch.where((force > self.STRONGEST) | ((x - hole).abs() > self.FAR), 1.0, broken)
        return torch.stack([x, z, hole, believed, force, tick + 1.0, broken], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return state[:, Z] < -self.DEPTH

    def failed(self, state: Tensor) -> Tensor:
        return state[:, BROKEN] > 0

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Side, how far beside the hole to come down [m], pressure, pace of sliding [m / tick]; memory: sliding."""
        side = torch.where(torch.rand(count, generator=generator) < 0.5, 1.0, -1.0)
        aside = uniform(count, 0.008, 0.014, generator)
        pressure, pace = uniform(count, 0.002, 0.005, generator), uniform(count, 0.0008, 0.0016, generator)
        return torch.stack([side, aside, pressure, pace, torch.zeros(count)], dim=1)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        x, z, believed = state[:, X], state[:, Z], state[:, BELIEVED]
        side, aside, pressure, pace, slides = style.unbind(1)
        away = believed + side * aside - x
        slides = torch.where((z <= 0.0005) & (away.abs() < 0.003), 1.0, slides)
        passed = (slides > 0) & (side * (x - believed) < -(self.BELIEF + 0.004))
        side = torch.where(passed, -side, side)
        inside = z < -0.0005
        drawn_x = torch.where(
            slides > 0, -side * (pace / self.LAG + self.FRICTION * pressure), away.clamp(-0.015, 0.015)
        )
        height = torch.where(away.abs() < 0.004, 0.0, 0.015)
        drawn_z = torch.where(
            slides > 0, -pressure, (height - z).clamp(-0.01, 0.01) - torch.where(height > 0, 0.0, pressure)
        )
        drawn_x, drawn_z = torch.where(inside, 0.0, drawn_x), torch.where(inside, -0.008, drawn_z)
        action = torch.stack([drawn_x, drawn_z], dim=1) / self.STRETCH
        return action.clamp(-1.0, 1.0), torch.stack([side, aside, pressure, pace, slides], dim=1)


def _beyond(drawn: Tensor, friction: Tensor) -> Tensor:
    """What a spring that is drawn so far has left beyond friction."""
    return drawn.sign() * (drawn.abs() - friction).clamp(min=0.0)
