"""Balance: a pole on a cart, held up by an operator who pulses the stick, under noisy forces.

The pole falls with a time constant of a quarter of a second. Operators push in pulses of a few ticks whose moment
depends on what they remember, so that at the same state one has just pushed and another is about to.
"""

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task, uniform

X, V, ANGLE, RATE, TICK = 0, 1, 2, 3, 4
SIZE, LENGTH, DEBT, LEFT, SIGN = 0, 1, 2, 3, 4


class Balance(Task):
    """State: cart x [m], v, pole angle [rad], rate, tick. Action: force / LIMIT. Solved: upright to the end."""

    name = "balance"
    ticks = 250
    observation_width = 4
    action_width = 1
    force_controlled = True
    action_noise = 0.1

    DT = 0.015  # [s]
    LIMIT = 10.0  # [N]
    GRAVITY, CART, POLE, HALF = 9.81, 1.0, 0.1, 0.5  # [m/s^2], [kg], [kg], [m]
    GAINS = (0.35, 0.6, 3.6, 0.9)  # force / LIMIT per unit of state
    SUBSTEPS = 2

    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        spread = torch.tensor([0.3, 0.2, 0.06, 0.1])
        start = (2.0 * torch.rand(count, 4, generator=generator) - 1.0) * spread
        return torch.cat([start, torch.zeros(count, 1)], dim=1)

    def observe(self, state: Tensor) -> Tensor:
        return state[:, :TICK]

    def step(self, state: Tensor, action: Tensor) -> Tensor:
        x, v, angle, rate, tick = state.unbind(1)
        force, total = self.LIMIT * action[:, 0], self.CART + self.POLE
        dt = self.DT / self.SUBSTEPS
        for _ in range(self.SUBSTEPS):
            sine, cosine = torch.sin(angle), torch.cos(angle)
            push = (force + self.POLE * self.HALF * rate**2 * sine) / total
            turn = (self.GRAVITY * sine - cosine * push) / (self.HALF * (4.0 / 3.0 - self.POLE * cosine**2 / total))
            v = v + dt * (push - self.POLE * self.HALF * turn * cosine / total)
            rate = rate + dt * turn
            x, angle = x + dt * v, angle + dt * rate
        return torch.stack([x, v, angle, rate, tick + 1.0], dim=1)

    def solved(self, state: Tensor) -> Tensor:
        return state[:, TICK] >= self.ticks

    def failed(self, state: Tensor) -> Tensor:
        return (state[:, ANGLE].abs() > 0.35) | (state[:, X].abs() > 1.5)

    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Size of a pulse, its length [ticks]; memory: force still owed, ticks left of the pulse, its sign."""
        size = uniform(count, 0.7, 1.0, generator)
        length = torch.randint(2, 4, (count,), generator=generator).float()
        debt = uniform(count, -0.5, 0.5, generator)
        zero = torch.zeros(count)
        return torch.stack([size, length, debt, zero, zero], dim=1)

    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        size, length, debt, left, sign = style.unbind(1)
        wanted = state[:, :TICK] @ torch.tensor(self.GAINS)
        debt = (debt + wanted).clamp(-3.0, 3.0)
        fire = (left <= 0) & (debt.abs() > 0.5 * size * length)
        sign, left = torch.where(fire, debt.sign(), sign), torch.where(fire, length, left)
        pushing = left > 0
        action = torch.where(pushing, sign * size, 0.0)
        memory = torch.stack([size, length, debt - action, left - pushing.float(), sign], dim=1)
        return action[:, None], memory
