"""Diffusion policy in LeRobot's architecture: Chi et al., arXiv 2303.04137.

Its chunks begin with the oldest observation: the rows before the newest one are drawn and left away.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from bc_core.errors import BcError
from bc_core.mask import Mask
from bc_core.policies.heads.base import Continuation, Head, masked_mean
from bc_core.policies.heads.diffusion import noise_scheduler
from bc_core.policies.lerobot.config import LeRobotDiffusionConfig
from bc_core.policies.lerobot.sampler import ReverseProcess
from bc_core.policies.lerobot.unet import Unet
from bc_core.policies.trunks import Size


class LeRobotDiffusionHead(Head):
    """Conditions (B, C): what was seen at all ticks. past: rows before the newest observation. BcError: a horizon that
    the U-Net cannot halve, more steps than timesteps, or `diffusers` is not installed."""

    def __init__(self, size: Size, config: LeRobotDiffusionConfig, condition_width: int, past: int) -> None:
        super().__init__(size)
        rows, factor = size.horizon + past, 2 ** (len(config.channels) - 1)
        if rows % factor:
            raise BcError(
                f"policy.horizon = {size.horizon} with {past} rows before the newest observation makes {rows} rows: "
                f"a U-Net of {len(config.channels)} resolutions needs a multiple of {factor}"
            )
        if config.sampling_steps > config.train_timesteps:
            raise BcError(
                f"policy.sampling_steps = {config.sampling_steps} exceeds train_timesteps = {config.train_timesteps}: "
                "lower it"
            )
        self.config, self.past = config, past
        self.unet = Unet(size.columns, size.width, condition_width, config)
        self.scheduler = noise_scheduler(
            num_train_timesteps=config.train_timesteps, beta_schedule=config.beta_schedule,
            beta_start=config.beta_start, beta_end=config.beta_end, prediction_type=config.prediction,
        )  # fmt: skip
        self.process = ReverseProcess(
            self.scheduler.alphas_cumprod, config.sampling_steps, config.scheduler == "DDPM", config.prediction,
            config.clip,
        )  # fmt: skip

    def loss(self, condition: Tensor, actions: Tensor, valid: Tensor, generator: torch.Generator) -> Tensor:
        """Rows before the newest observation are trained as standing at the first one, and do not count."""
        actions = torch.cat([actions[:, :1].expand(-1, self.past, -1), actions], dim=1)
        timestep = torch.randint(self.config.train_timesteps, (len(actions),), generator=generator)
        noise = torch.randn(actions.shape, generator=generator)
        noisy = self.scheduler.add_noise(actions, noise, timestep)
        predicted = self.unet(noisy, self.unet.modulation(timestep, condition).paired())
        target = noise if self.config.prediction == "epsilon" else actions
        return masked_mean((predicted - target).square()[:, self.past :], valid)

    def sample(self, condition: Tensor, generator: torch.Generator, continuation: Continuation | None = None) -> Tensor:
        noise = torch.randn(len(condition), self.size.horizon + self.past, self.size.columns, generator=generator)
        timesteps = torch.tensor([step.timestep for step in self.process.schedule()])
        modulation = self.unet.modulation(timesteps, condition)
        guided = continuation is not None and continuation.mask not in (Mask.FREE, Mask.COHERENT)
        return self.process.sample(
            lambda noisy, index: self.unet(noisy, modulation.at(index)),
            noise, generator, self._with_past(continuation) if guided and continuation else None,
        )[:, self.past :]  # fmt: skip

    def _with_past(self, continuation: Continuation) -> Continuation:
        """The rows before the newest observation are not guided."""
        return replace(
            continuation,
            target=pad(continuation.target, (0, 0, self.past, 0)),
            weights=pad(continuation.weights, (self.past, 0)),
            frozen=continuation.frozen + self.past,
        )
