"""The reverse process against the schedulers of `diffusers`, and guidance through it."""

import pytest
import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import Tensor

from bc_core.mask import Mask
from bc_core.policies.heads.base import Continuation
from bc_core.policies.lerobot.sampler import ReverseProcess

SHAPE = (2, 8, 3)


def process(scheduler: str, prediction: str, steps: int, clip: float) -> ReverseProcess:
    bars = DDPMScheduler(num_train_timesteps=50, beta_schedule="squaredcos_cap_v2").alphas_cumprod
    return ReverseProcess(bars, steps, scheduler == "DDPM", prediction, clip)


@pytest.mark.parametrize("scheduler", ["DDPM", "DDIM"])
@pytest.mark.parametrize("prediction", ["epsilon", "sample"])
@pytest.mark.parametrize("steps", [1, 7, 50])
@pytest.mark.parametrize("clip", [0.0, 0.8])
def test_every_step_is_that_of_diffusers(scheduler: str, prediction: str, steps: int, clip: float) -> None:
    """A network that says anything; without a clip what it says grows to thousands, hence the relative tolerance."""
    kind = DDPMScheduler if scheduler == "DDPM" else DDIMScheduler
    theirs = kind(num_train_timesteps=50, beta_schedule="squaredcos_cap_v2", prediction_type=prediction,
                  clip_sample=clip > 0.0, clip_sample_range=clip or 1.0)  # fmt: skip
    ours = process(scheduler, prediction, steps, clip)
    theirs.set_timesteps(steps)
    assert [step.timestep for step in ours.schedule()] == theirs.timesteps.tolist()
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))

    def network(noisy: Tensor, timestep: int) -> Tensor:
        return torch.sin(noisy + 0.1 * timestep).roll(1, dims=1)

    expected, generator = noise, torch.Generator().manual_seed(1)
    for timestep in theirs.timesteps:
        expected = theirs.step(network(expected, int(timestep)), timestep, expected, generator=generator).prev_sample
    timesteps = theirs.timesteps.tolist()
    found = ours.sample(lambda noisy, index: network(noisy, timesteps[index]), noise, torch.Generator().manual_seed(1))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scheduler", ["DDPM", "DDIM"])
def test_guidance_draws_what_it_weighs_to_the_target(scheduler: str) -> None:
    """Chunks whose rows all are one number from N(0, 1): the clean chunk is known, and one row tells the others."""
    ours = process(scheduler, "sample", 50, 0.0)
    steps = ours.schedule()

    def clean(noisy: Tensor, index: int) -> Tensor:
        alpha, sigma, rows = steps[index].alpha, steps[index].sigma, noisy.shape[1]
        mean = alpha * noisy.sum(1, keepdim=True) / (alpha**2 * rows + sigma**2)
        return mean.expand_as(noisy)

    def ends(beta: float, weights: Tensor) -> Tensor:
        generator, target = torch.Generator().manual_seed(3), torch.full(SHAPE[1:], 1.5)
        noise = torch.randn((64, *SHAPE[1:]), generator=generator)
        guide = Continuation(Mask.SOFT, target, weights, 2, beta)
        return ours.sample(clean, noise, generator, guide)

    some = torch.tensor([1.0, 1.0, 0.5, 0.2, 0.0, 0.0, 0.0, 0.0])
    free, guided = ends(0.0, some), ends(5.0, some)
    assert free.mean().abs() < 0.3
    assert (guided[:, :2] - 1.5).abs().mean() < 0.2 * (free[:, :2] - 1.5).abs().mean()
    assert (guided[:, 4:] - 1.5).abs().mean() < 0.3 * (free[:, 4:] - 1.5).abs().mean()
    assert torch.equal(ends(5.0, torch.zeros(8)), free)
