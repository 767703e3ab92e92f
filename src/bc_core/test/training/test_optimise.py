"""The loop itself, on numbers: gradients are clipped, and the weights that are kept are averages."""

import math

import pytest
import torch

from bc_core.errors import BcError
from bc_core.policies.config import OptimiserConfig
from bc_core.policies.heads.config import RegressionConfig
from bc_core.policies.network import PolicyNetwork
from bc_core.policies.trunks import Size
from bc_core.training.data import TrainingSet
from bc_core.training.optimise import LARGEST_GRADIENT, Run, optimise

STEPS, DECAY = 40, 0.6


def learner() -> PolicyNetwork:
    torch.manual_seed(0)
    return PolicyNetwork(3, (), Size(2, 1, 8, 1, 0.0), RegressionConfig())


def frames(scale: float) -> TrainingSet:
    """Actions of this size; the larger they are, the larger is the gradient."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(64, 3, generator=generator)
    actions = scale * torch.randn(64, 2, 1, generator=generator)
    return TrainingSet(features, {}, actions, torch.ones(64, 2, dtype=torch.bool), torch.ones(64))


def settings(**changed: float) -> OptimiserConfig:
    usual = {"steps": STEPS, "batch": 16, "noise_draws": 1, "learning_rate": 0.01, "weight_decay": 0.0, "warmup": 1,
             "ema": DECAY, "observation_noise": 0.0, "validation": 0.0, "seed": 0, "threads": 1}  # fmt: skip
    return OptimiserConfig(**{**usual, **changed})


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_no_step_is_made_with_a_longer_gradient(scale: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long ones are shortened to the limit, short ones left as they are."""
    lengths: list[float] = []
    step = torch.optim.AdamW.step

    def spy(optimiser: torch.optim.AdamW, *arguments: object) -> object:
        found = [p.grad.flatten() for group in optimiser.param_groups for p in group["params"] if p.grad is not None]
        lengths.append(torch.cat(found).norm().item())
        return step(optimiser, *arguments)

    monkeypatch.setattr(torch.optim.AdamW, "step", spy)
    optimise(learner(), frames(scale), settings())
    assert len(lengths) == STEPS
    if scale > 1.0:
        assert lengths == pytest.approx([LARGEST_GRADIENT] * STEPS, rel=1e-3)
    else:
        assert min(lengths) > 0.0 and max(lengths) < 2.0 * LARGEST_GRADIENT
        assert len({round(length, 6) for length in lengths}) > STEPS / 2


def test_the_weights_that_are_kept_are_an_exponential_average() -> None:
    """Of those after every step, the newest by 1 - decay, but faster at first: step n counts as one of n + 10."""
    network, after = learner(), list[torch.Tensor]()

    def remember(*_: object) -> None:
        after.append(network.observation.weight.detach().clone())

    optimise(network, frames(1.0), settings(), run=Run(progress=remember))
    expected = after[0]
    for count, weights in enumerate(after[1:], start=1):
        decay = min(DECAY, (1 + count) / (10 + count))
        expected = decay * expected + (1.0 - decay) * weights
    torch.testing.assert_close(network.observation.weight.detach(), expected)
    assert not torch.allclose(network.observation.weight, after[-1], atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "words"),
    [(math.inf, r"loss is (nan|inf)"), (math.nan, "loss is nan")],
)
def test_a_loss_that_is_not_finite_ends_training_and_names_the_remedy(scale: float, words: str) -> None:
    network = learner()
    before = network.observation.weight.detach().clone()
    with pytest.raises(BcError, match=words + r" at step 0: lower training\.learning_rate"):
        optimise(network, frames(scale), settings())
    torch.testing.assert_close(network.observation.weight.detach(), before)  # not yet spoilt


def test_a_gradient_that_is_not_finite_does_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the loss is finite and its slope is not, as the root at 0."""
    network = learner()
    monkeypatch.setattr(network.head, "loss", lambda condition, *_: (0.0 * condition.sum()).abs().sqrt())
    with pytest.raises(BcError, match="gradient is nan at step 0"):
        optimise(network, frames(1.0), settings())
