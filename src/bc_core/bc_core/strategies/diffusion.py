"""Diffusion policies in the form of a flow, so that guidance (RTC) and its weights apply to them unchanged.

A variance-preserving diffusion model knows x_t = alpha_t x_0 + sigma_t eps with alpha^2 + sigma^2 = 1. Divided by
alpha + sigma this is the straight path A^tau = tau A + (1 - tau) eps of flow matching at tau = alpha / (alpha + sigma).
One step of DDIM (Song et al., arXiv 2010.02502, Eq. 12 with eta = 0) is one step of Euler's method on it, exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from bc_core.guidance import Denoiser

Model = Callable[[Tensor, int], Tensor]
"""model(x_t (B, H, D), t) -> what it predicts, (B, H, D)."""


class Prediction(StrEnum):
    """What the network of a diffusion policy was trained to predict (the names of the diffusers library)."""

    EPSILON = "epsilon"  # the noise
    SAMPLE = "sample"  # the clean chunk
    VELOCITY = "v_prediction"  # alpha eps - sigma x_0 (Salimans & Ho, arXiv 2202.00512)


@dataclass(frozen=True)
class Schedule:
    """alpha (T,): square root of alpha-bar of DDPM at timesteps t = 0 ... T-1, falling towards 0."""

    alpha: Tensor

    @classmethod
    def squared_cosine(cls, timesteps: int, largest_beta: float = 0.999) -> "Schedule":
        """Nichol & Dhariwal, arXiv 2102.09672, Eq. 17: alpha-bar(t) = cos^2(pi/2 (t/T + s) / (1 + s)), s = 0.008."""
        grid = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
        bar = torch.cos((grid + 0.008) / 1.008 * math.pi / 2.0) ** 2
        betas = (1.0 - bar[1:] / bar[:-1]).clamp(max=largest_beta)
        return cls(torch.cumprod(1.0 - betas, 0).sqrt())

    def flow_time(self, timestep: int) -> float:
        """tau of timestep t."""
        alpha = float(self.alpha[timestep])
        return alpha / (alpha + math.sqrt(1.0 - alpha**2))

    def timesteps(self, steps: int) -> list[int]:
        """`steps` timesteps from T - 1 down, evenly spaced ("trailing": the first one is the noisiest)."""
        last = len(self.alpha)
        if not 1 <= steps <= last:
            raise ValueError(f"a schedule of {last} timesteps cannot be sampled in {steps} steps")
        return [round(last - index * last / steps) - 1 for index in range(steps)]


@dataclass(frozen=True)
class FlowForm:
    """A diffusion model as a denoiser of flow matching. clip: bound on |x_0| (None: none), as in DDPM's samplers.

    Near t = T the chunk is almost pure noise and x_0 = (x_t - sigma eps) / alpha is ill-conditioned: clip there.
    """

    model: Model
    schedule: Schedule
    prediction: Prediction
    clip: float | None = None

    def times(self, steps: int) -> list[float]:
        """Flow times at which DDIM with so many steps asks the network: the argument `steps` of guidance.sample.

        The first is taken as 0: there x_t is noise up to alpha_T.
        """
        return [0.0, *(self.schedule.flow_time(t) for t in self.schedule.timesteps(steps)[1:])]

    def denoiser(self, steps: int) -> Denoiser:
        """A1hat(A, tau) at the times above. ValueError for another tau: the network knows its own timesteps only."""
        known = list(zip(self.times(steps), self.schedule.timesteps(steps), strict=True))

        def denoise(actions: Tensor, tau: float) -> Tensor:
            time, timestep = min(known, key=lambda pair: abs(pair[0] - tau))
            if abs(time - tau) > 1e-5:
                raise ValueError(f"flow time {tau} is not among those of {steps} steps: integrate over times({steps})")
            return self.clean(actions, timestep)

        return denoise

    def clean(self, actions: Tensor, timestep: int) -> Tensor:
        """A1hat of a point A of the flow, (B, H, D)."""
        alpha = float(self.schedule.alpha[timestep])
        sigma = math.sqrt(1.0 - alpha**2)
        noisy = (alpha + sigma) * actions
        output = self.model(noisy, timestep)
        if self.prediction == Prediction.EPSILON:
            output = (noisy - sigma * output) / alpha
        elif self.prediction == Prediction.VELOCITY:
            output = alpha * noisy - sigma * output
        return output if self.clip is None else output.clamp(-self.clip, self.clip)
