"""Demonstrations: every episode by another expert, kept where it succeeded, as arrays and as windows of chunks."""

from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.rtc.tasks.base import Task

SEED = 1_000_003


@dataclass(frozen=True)
class Demonstrations:
    """observations (E, T, O), actions (E, T, A) as the expert meant them (noise acts on top), length (E,) ticks."""

    observations: Tensor
    actions: Tensor
    length: Tensor

    def windows(self, horizon: int) -> "Windows":
        """One window per tick: the observation and the `horizon` actions that followed."""
        episodes, ticks, width = self.actions.shape
        padded = torch.cat([self.actions, torch.zeros(episodes, horizon, width)], dim=1)
        chunks = padded.unfold(1, horizon, 1)[:, :ticks].transpose(2, 3)
        row = torch.arange(ticks)[:, None] + torch.arange(horizon)
        valid = row[None] < self.length[:, None, None]
        inside = torch.arange(ticks)[None] < self.length[:, None]
        return Windows(self.observations[inside], chunks[inside].contiguous(), valid[inside])


@dataclass(frozen=True)
class Windows:
    """observation (N, O), chunk (N, H, A), valid (N, H): rows before the episode's end."""

    observation: Tensor
    chunk: Tensor
    valid: Tensor


def collect(task: Task, episodes: int, seed: int = SEED) -> tuple[Demonstrations, float]:
    """The successful ones of so many of the experts' episodes, and their share."""
    generator = torch.Generator().manual_seed(seed)
    state, style = task.reset(episodes, generator), task.style(episodes, generator)
    running = torch.ones(len(state), dtype=torch.bool)
    solved = torch.zeros(len(state), dtype=torch.bool)
    length = torch.zeros(len(state), dtype=torch.long)
    observations, actions = [], []
    for _ in range(task.ticks):
        observations.append(task.observe(state))
        action, style = task.expert(state, style)
        actions.append(action)
        noise = task.action_noise * torch.randn(action.shape, generator=generator)
        state = torch.where(running[:, None], task.step(state, action + noise), state)
        length += running
        solved |= running & task.solved(state)
        running &= ~(task.solved(state) | task.failed(state))
        if not running.any():
            break
    data = Demonstrations(torch.stack(observations, 1)[solved], torch.stack(actions, 1)[solved], length[solved])
    return data, solved.float().mean().item()
