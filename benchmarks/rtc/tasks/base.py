"""What a benchmark task offers: a batch of episodes as one tensor, stepped together in virtual time."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Task(ABC):
    """N independent episodes side by side; state (N, S), observation (N, O), action (N, A) in [-1, 1].

    ticks: length of an episode. force_controlled: an action is a force, so that without one nothing holds still.
    action_noise: standard deviation of what is added to every executed action. demonstrations: how many episodes the
    policies are trained on. Randomness comes from generators and noise given by the caller: the same seeds give the
    same episodes to every strategy.
    """

    name: str
    ticks: int
    observation_width: int
    action_width: int
    force_controlled: bool
    action_noise: float
    demonstrations: int = 1000

    @abstractmethod
    def reset(self, count: int, generator: torch.Generator) -> Tensor:
        """Initial states (N, S)."""

    @abstractmethod
    def observe(self, state: Tensor) -> Tensor:
        """Observations (N, O)."""

    @abstractmethod
    def step(self, state: Tensor, action: Tensor) -> Tensor:
        """State one tick later; action (N, A) is what acts, noise included."""

    @abstractmethod
    def solved(self, state: Tensor) -> Tensor:
        """(N,) bool: the goal is reached and the episode over."""

    @abstractmethod
    def failed(self, state: Tensor) -> Tensor:
        """(N,) bool: the goal cannot be reached any more."""

    @abstractmethod
    def style(self, count: int, generator: torch.Generator) -> Tensor:
        """Experts (N, P): what one does otherwise than the next, and what it remembers. The policy never sees it."""

    @abstractmethod
    def expert(self, state: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """The experts' actions (N, A) and their memory after it (N, P)."""

    def idle(self, last: Tensor) -> Tensor:
        """Action while there is none to execute: no force, or the last position again."""
        return torch.zeros_like(last) if self.force_controlled else last


def uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """(count,) from [low, high)."""
    return low + (high - low) * torch.rand(count, generator=generator)
