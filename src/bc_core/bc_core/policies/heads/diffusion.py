"""Diffusion policy: Chi et al., arXiv 2303.04137. Trained as DDPM, sampled as DDIM, schedules of `diffusers`.

DDIM is Euler's method on a flow (bc_core.strategies.diffusion), so guidance applies to it unchanged.
"""

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from bc_core.errors import BcError
from bc_core.policies.heads.base import Continuation, Head, masked_mean
from bc_core.policies.heads.config import DiffusionConfig
from bc_core.policies.heads.flow import guided_sample
from bc_core.policies.trunks import MlpTrunk, Size, TransformerTrunk
from bc_core.policies.unet import UnetTrunk
from bc_core.strategies.diffusion import FlowForm, Prediction, Schedule

_TRUNKS: dict[str, type[nn.Module]] = {"unet": UnetTrunk, "transformer": TransformerTrunk, "mlp": MlpTrunk}


class DiffusionHead(Head):
    """BcError where `diffusers` is not installed."""

    def __init__(self, size: Size, config: DiffusionConfig) -> None:
        super().__init__(size)
        if config.sampling_steps > config.train_timesteps:
            raise BcError(
                f"policy.sampling_steps = {config.sampling_steps} exceeds train_timesteps = {config.train_timesteps}: "
                "lower it"
            )
        self.config = config
        self.trunk = _TRUNKS[config.trunk](size)
        self.scheduler = ddpm_scheduler(config)
        self.form = FlowForm(
            lambda noisy, timestep: noisy,
            Schedule(self.scheduler.alphas_cumprod.double().sqrt()),
            Prediction(config.prediction),
            config.clip,
        )

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        timestep = torch.randint(self.config.train_timesteps, (len(actions),), generator=generator)
        noise = torch.randn(actions.shape, generator=generator)
        noisy = self.scheduler.add_noise(actions, noise, timestep)
        target = noise
        if self.config.prediction == Prediction.SAMPLE:
            target = actions
        elif self.config.prediction == Prediction.VELOCITY:
            target = self.scheduler.get_velocity(actions, noise, timestep)
        return masked_mean((self.predict(noisy, timestep, condition) - target).square(), valid)

    def predict(self, noisy: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """The network's output at timesteps (B,)."""
        return self.trunk(noisy, 1.0 - (timestep.float() + 1.0) / self.config.train_timesteps, condition)

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        noise = torch.randn(len(condition), self.size.horizon, self.size.columns, generator=generator)
        form = FlowForm(
            lambda noisy, timestep: self.predict(noisy, torch.full((len(noisy),), timestep), condition),
            self.form.schedule, self.form.prediction, self.form.clip,
        )  # fmt: skip
        steps = self.config.sampling_steps
        return guided_sample(form.denoiser(steps), noise, form.times(steps), continuation)


def ddpm_scheduler(config: DiffusionConfig) -> Any:
    """With the squared-cosine schedule (Nichol, Dhariwal, arXiv 2102.09672)."""
    return noise_scheduler(
        num_train_timesteps=config.train_timesteps,
        beta_schedule="squaredcos_cap_v2",
        prediction_type=config.prediction,
        clip_sample_range=config.clip,
    )


def noise_scheduler(**settings: Any) -> Any:
    """DDPMScheduler of `diffusers` with these settings. BcError where it is not installed."""
    try:
        module = importlib.import_module("diffusers.schedulers.scheduling_ddpm")
    except ImportError as error:
        raise BcError("a diffusion policy needs the package diffusers: pip install diffusers==0.42.1") from error
    return module.DDPMScheduler(**settings)
