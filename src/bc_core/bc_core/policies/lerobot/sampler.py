"""The reverse process of a diffusion policy, step for step as the schedulers of `diffusers` that LeRobot samples with.

DDPM: Ho et al., arXiv 2006.11239, Eq. 7. DDIM with eta = 0: Song et al., arXiv 2010.02502, Eq. 12. Of T timesteps n are
used, every (T div n)-th one from 0 on ("leading"). bc_core.strategies.diffusion has other timesteps, and takes
the noise to be what the *clipped* chunk leaves of x_t; DDIM here takes what the network says.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bc_core.guidance import guidance_weight, vector_jacobian
from bc_core.policies.heads.base import Continuation

Model = Callable[[Tensor, int], Tensor]
"""model(x_t (B, T, E), index of the step) -> what it predicts, (B, T, E)."""


@dataclass(frozen=True)
class Step:
    """From timestep t to the one before it; alpha, sigma: root of alpha-bar, and of 1 - alpha-bar, here and there."""

    timestep: int
    alpha: float
    sigma: float
    next_alpha: float
    next_sigma: float

    @property
    def spread(self) -> float:
        """Standard deviation of the noise that DDPM adds ("fixed small"); 0 in the last step."""
        kept = (self.alpha / self.next_alpha) ** 2
        return self.next_sigma / self.sigma * math.sqrt(1.0 - kept)


@dataclass(frozen=True)
class ReverseProcess:
    """alpha_bar (T,): of the schedule. prediction: epsilon or sample. clip: bound on the clean chunk, 0: none."""

    alpha_bar: Tensor
    steps: int
    ancestral: bool
    prediction: str
    clip: float

    def schedule(self) -> list[Step]:
        stride = len(self.alpha_bar) // self.steps
        bars = [float(bar) for bar in self.alpha_bar]
        found = []
        for timestep in range((self.steps - 1) * stride, -1, -stride):
            here, there = bars[timestep], bars[timestep - stride] if timestep >= stride else 1.0
            found.append(Step(timestep, math.sqrt(here), math.sqrt(1.0 - here), math.sqrt(there),
                              math.sqrt(1.0 - there)))  # fmt: skip
        return found

    def sample(
        self, model: Model, noise: Tensor, generator: torch.Generator, continuation: Continuation | None = None
    ) -> Tensor:
        """(B, T, E) from noise (B, T, E). continuation: its target draws the steps, the last only where it says so:
        what guidance adds there is not denoised any more."""
        if continuation is not None and (continuation.beta == 0.0 or not bool(continuation.weights.any())):
            continuation = None
        steps, noisy = self.schedule(), noise
        for index, step in enumerate(steps):
            if continuation is None or (index == len(steps) - 1 and not continuation.guide_last_step):
                clean, left = self._clean(model(noisy, index), noisy, step)
                if self.ancestral:
                    left = (noisy - step.alpha * clean) / step.sigma
            else:
                clean = self._guided(model, noisy, index, step, continuation)
                left = (noisy - step.alpha * clean) / step.sigma
            spread = step.spread if self.ancestral else 0.0
            noisy = step.next_alpha * clean + math.sqrt(max(0.0, step.next_sigma**2 - spread**2)) * left
            if self.ancestral and index < len(steps) - 1:
                noisy = noisy + spread * torch.randn(noisy.shape, generator=generator)
        return noisy

    def _clean(self, output: Tensor, noisy: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """The clean chunk, and the noise that the network sees in x_t."""
        if self.prediction == "sample":
            clean, left = output, (noisy - step.alpha * output) / step.sigma
        else:
            clean, left = (noisy - step.sigma * output) / step.alpha, output
        return (clean.clamp(-self.clip, self.clip) if self.clip else clean), left

    def _guided(self, model: Model, noisy: Tensor, index: int, step: Step, continuation: Continuation) -> Tensor:
        """The clean chunk drawn to the target: Eq. 2 of arXiv 2506.07339 on the flow that the diffusion is, in which
        x_t is (alpha + sigma) A at flow time alpha / (alpha + sigma) (bc_core.strategies.diffusion)."""
        scale = step.alpha + step.sigma
        tau = step.alpha / scale

        def denoise(actions: Tensor, _: float) -> Tensor:
            point = scale * actions
            return self._clean(model(point, index), point, step)[0]

        clean, gradient = vector_jacobian(denoise, noisy / scale, tau, continuation.target, continuation.weights)
        return clean + (1.0 - tau) * guidance_weight(tau, continuation.beta) * gradient
