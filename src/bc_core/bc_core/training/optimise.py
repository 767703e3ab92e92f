"""The loop that minimises the loss of a policy, whatever its head."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from bc_core.policies.config import OptimiserConfig
from bc_core.policies.network import PolicyNetwork
from bc_core.training.data import TrainingSet

Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Batch:
    features: Tensor
    images: dict[str, Tensor]
    actions: Tensor
    valid: Tensor


def take(data: TrainingSet, index: Tensor) -> Batch:
    images = {camera: images[index] for camera, images in data.images.items()}
    return Batch(data.features[index], images, data.actions[index], data.valid[index])


def draw(weight: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Indices of `count` frames, (count,), drawn with replacement in proportion to their weight (N,)."""
    if bool((weight == weight[0]).all()):
        return torch.randint(len(weight), (count,), generator=generator)
    return torch.multinomial(weight, count, replacement=True, generator=generator)


def batch_loss(network: PolicyNetwork, batch: Batch, draws: int, generator: torch.Generator) -> Tensor:
    """The head's loss; with `draws` noise samples per frame, which share its encoding."""
    condition = network.encode(batch.features, batch.images).repeat(draws, 1)
    return network.head.loss(condition, batch.actions.repeat(draws, 1, 1), batch.valid.repeat(draws, 1), generator)


def optimise(network: PolicyNetwork, data: TrainingSet, config: OptimiserConfig, progress: Progress) -> float:
    """Train `network` in place; it ends with the averaged weights. Returns the mean loss of the last tenth of steps.

    Deterministic for a seed on one machine and number of threads. FloatingPointError if the loss is not finite.
    """
    torch.manual_seed(config.seed)  # image augmentation draws from the global generator
    generator = torch.Generator().manual_seed(config.seed)
    optimiser = torch.optim.AdamW(network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_factor(step, config))
    average = AveragedModel(network, multi_avg_fn=_averaging(config.ema))
    network.train()
    last_losses = []
    for step in range(config.steps):
        batch = take(data, draw(data.weight, config.batch, generator))
        batch.features.add_(torch.randn(batch.features.shape, generator=generator), alpha=config.observation_noise)
        loss = batch_loss(network, batch, config.noise_draws, generator)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(network)
        value = loss.item()
        if not math.isfinite(value):
            raise FloatingPointError(f"the loss is {value} at step {step}: lower training.learning_rate")
        if step >= config.steps - max(1, config.steps // 10):
            last_losses.append(value)
        progress(step + 1, value)
    network.load_state_dict(average.module.state_dict())
    network.eval()
    return sum(last_losses) / len(last_losses)


def learning_rate_factor(step: int, config: OptimiserConfig) -> float:
    """Linear warm-up, then a cosine to 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    rest = max(1, config.steps - config.warmup)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - config.warmup) / rest)))


def _averaging(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], int | Tensor], None]:
    """Exponential moving average that starts fast: the random initial weights must not linger in a short training."""

    @torch.no_grad()
    def average(averaged: Sequence[Tensor], current: Sequence[Tensor], count: int | Tensor) -> None:
        weight = 1.0 - min(decay, (1.0 + float(count)) / (10.0 + float(count)))
        for old, new in zip(averaged, current, strict=True):
            old.lerp_(new, weight)

    return average


@torch.no_grad()
def evaluate(network: PolicyNetwork, data: TrainingSet, batch: int, seed: int) -> float:
    """Loss over a whole set, with noise fixed by the seed."""
    generator = torch.Generator().manual_seed(seed)
    total = 0.0
    for indices in torch.arange(len(data)).split(batch):
        total += batch_loss(network, take(data, indices), 1, generator).item() * len(indices)
    return total / len(data)
