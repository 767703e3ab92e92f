"""Conditional U-Net of diffusion policies as LeRobot has it: Chi et al., arXiv 2303.04137, section IV-A.

Convolutions along time, two residual blocks per resolution; what is seen and the diffusion step modulate the channels
of every block (FiLM, arXiv 1709.07871). What they add up to is computed before the first step, for all steps at once.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, mish

from bc_core.policies.lerobot.config import LeRobotDiffusionConfig

_OUTPUT_GROUPS = 8


@dataclass(frozen=True)
class Modulation:
    """What modulates each block. steps: (S, M) of every diffusion step; seen: (B, M) of every condition."""

    steps: list[Tensor]
    seen: list[Tensor]

    def at(self, index: int) -> list[Tensor]:
        """Of one step, (B, M) for each block."""
        return [step[index] + seen for step, seen in zip(self.steps, self.seen, strict=True)]

    def paired(self) -> list[Tensor]:
        """Of step i for condition i; S = B."""
        return [step + seen for step, seen in zip(self.steps, self.seen, strict=True)]


class Unet(nn.Module):
    """unet(chunk (B, T, E), modulation) -> (B, T, E); T must be a multiple of 2^(resolutions - 1)."""

    def __init__(self, columns: int, step_width: int, condition_width: int, config: LeRobotDiffusionConfig) -> None:
        super().__init__()
        self.step_width = step_width
        self.step_encoder = nn.Sequential(
            nn.Linear(step_width, 4 * step_width), nn.Mish(), nn.Linear(4 * step_width, step_width)
        )
        context = step_width + condition_width

        def pair(inputs: int, outputs: int) -> list[nn.Module]:
            return [_Block(inputs, outputs, context, config), _Block(outputs, outputs, context, config)]

        sizes = list(zip((columns, *config.channels[:-1]), config.channels, strict=True))
        self.down = nn.ModuleList()
        for inputs, outputs in sizes:
            stage = nn.ModuleList(pair(inputs, outputs))
            if len(self.down) < len(sizes) - 1:
                stage.append(nn.Conv1d(outputs, outputs, 3, stride=2, padding=1))
            self.down.append(stage)
        self.middle = nn.ModuleList(pair(config.channels[-1], config.channels[-1]))
        self.up = nn.ModuleList(
            nn.ModuleList([*pair(2 * inputs, outputs), nn.ConvTranspose1d(outputs, outputs, 4, stride=2, padding=1)])
            for outputs, inputs in reversed(sizes[1:])
        )
        width = config.channels[0]
        self.output = nn.Sequential(
            _Convolution(width, width, config.kernel, _OUTPUT_GROUPS), nn.Conv1d(width, columns, 1)
        )

    @property
    def blocks(self) -> list["_Block"]:
        """In the order in which forward goes through them."""
        return [module for part in (self.down, self.middle, self.up) for module in part.modules()
                if isinstance(module, _Block)]  # fmt: skip

    def modulation(self, timesteps: Tensor, condition: Tensor) -> Modulation:
        """timesteps (S,), condition (B, C)."""
        steps = mish(self.step_encoder(_sinusoids(timesteps, self.step_width)))
        seen = mish(condition)
        layers = [block.modulation for block in self.blocks]
        return Modulation(
            [linear(steps, layer.weight[:, : self.step_width]) for layer in layers],
            [linear(seen, layer.weight[:, self.step_width :], layer.bias) for layer in layers],
        )

    def forward(self, noisy: Tensor, modulation: list[Tensor]) -> Tensor:
        film = iter(modulation)
        hidden, kept = noisy.transpose(1, 2), []
        for first, second, *smaller in _stages(self.down):
            hidden = second(first(hidden, next(film)), next(film))
            kept.append(hidden)
            if smaller:
                hidden = smaller[0](hidden)
        for block in self.middle:
            hidden = block(hidden, next(film))
        for first, second, larger in _stages(self.up):
            hidden = first(torch.cat([hidden, kept.pop()], dim=1), next(film))
            hidden = larger(second(hidden, next(film)))
        return self.output(hidden).transpose(1, 2)


class _Convolution(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, kernel: int, groups: int) -> None:
        super().__init__(
            nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2), nn.GroupNorm(groups, outputs), nn.Mish()
        )


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, context: int, config: LeRobotDiffusionConfig) -> None:
        super().__init__()
        self.film_scale = config.film_scale
        self.conv1 = _Convolution(inputs, outputs, config.kernel, config.groups)
        self.modulation = nn.Linear(context, outputs * (2 if config.film_scale else 1))
        self.conv2 = _Convolution(outputs, outputs, config.kernel, config.groups)
        self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, hidden: Tensor, modulation: Tensor) -> Tensor:
        changed = self.conv1(hidden)
        if self.film_scale:
            scale, shift = modulation[..., None].chunk(2, dim=1)
            changed = scale * changed + shift
        else:
            changed = changed + modulation[..., None]
        return self.conv2(changed) + self.skip(hidden)


def _stages(stages: nn.ModuleList) -> list[list[nn.Module]]:
    return [list(stage.children()) for stage in stages]


def _sinusoids(timesteps: Tensor, width: int) -> Tensor:
    """(S,) to (S, width): all sines, then all cosines, of frequencies from 1 down to 1e-4."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * (-math.log(10_000.0) / (half - 1)))
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
