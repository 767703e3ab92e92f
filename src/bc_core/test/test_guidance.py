"""Real-time chunking against the paper's figures, finite differences and flows whose answer is known."""

import math

import pytest
import torch
from torch import Tensor

from bc_core import guidance
from bc_core.mask import Mask, mask_weights, soft_weights


def test_golden_guidance_weights() -> None:
    weights = [guidance.guidance_weight(step / 5, 5.0) for step in range(5)]
    assert weights == pytest.approx([5.0, 4.25, 2.1667, 2.1667, 4.25], abs=5e-5)


def test_guidance_weight_is_the_formula_where_beta_does_not_bind() -> None:
    for tau in (0.3, 0.5, 0.9):
        r_squared = (1 - tau) ** 2 / (tau**2 + (1 - tau) ** 2)
        assert guidance.guidance_weight(tau, math.inf) == pytest.approx((1 - tau) / (tau * r_squared))
    assert guidance.guidance_weight(0.9, 1.0) == 1.0


@pytest.fixture
def network() -> torch.nn.Module:
    """A smooth nonlinear map of chunks (1, 4, 3), in float64 for finite differences."""
    torch.manual_seed(3)
    layers = [torch.nn.Flatten(), torch.nn.Linear(12, 20), torch.nn.Tanh(), torch.nn.Linear(20, 12)]
    return torch.nn.Sequential(*layers, torch.nn.Unflatten(1, (4, 3))).double()


def test_vjp_equals_finite_differences(network: torch.nn.Module) -> None:
    def denoise(actions: Tensor, tau: float) -> Tensor:
        return actions + (1.0 - tau) * network(actions)

    actions, target = torch.randn(2, 1, 4, 3, dtype=torch.float64).unbind()
    weights = torch.tensor([1.0, 0.6, 0.2, 0.0], dtype=torch.float64)
    estimate, gradient = guidance.vector_jacobian(denoise, actions, 0.4, target[0], weights)
    assert torch.equal(estimate, denoise(actions, 0.4))
    error = (target - estimate) * weights[:, None]
    step = 1e-6
    for row in range(4):
        for column in range(3):
            moved = torch.zeros_like(actions)
            moved[0, row, column] = step
            change = (denoise(actions + moved, 0.4) - denoise(actions - moved, 0.4)) / (2 * step)
            assert gradient[0, row, column].item() == pytest.approx((error * change).sum().item(), abs=1e-7)


def test_gradient_is_not_the_raw_error(network: torch.nn.Module) -> None:
    """The defect of guidance with autograd switched off: the correction is the error itself."""
    actions, target = torch.randn(2, 1, 4, 3, dtype=torch.float64).unbind()
    with torch.no_grad():
        estimate, gradient = guidance.vector_jacobian(lambda a, _: network(a), actions, 0.0, target[0], torch.ones(4))
    assert not torch.allclose(gradient, target - estimate, atol=1e-2)


def reference_sampling(denoise: guidance.Denoiser, noise: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Algorithm 1, GUIDED_INFERENCE, with the whole Jacobian: n = 5, beta = 5."""
    actions, shape = noise, noise.shape
    for step in range(5):
        tau = step / 5
        estimate = denoise(actions, tau)
        jacobian = torch.autograd.functional.jacobian(lambda a, tau=tau: denoise(a, tau), actions)
        jacobian = jacobian.reshape(noise.numel(), noise.numel())
        error = ((target - estimate) * weights[:, None]).flatten()
        guided = (error @ jacobian).reshape(shape)
        velocity = (estimate - actions) / (1 - tau)
        weight = [5.0, 4.25, 13 / 6, 13 / 6, 4.25][step]
        actions = actions + (velocity + weight * guided) / 5
    return actions


def test_sampling_is_algorithm_1(network: torch.nn.Module) -> None:
    def denoise(actions: Tensor, tau: float) -> Tensor:
        return actions + (1.0 - tau) * network(actions)

    noise, target = torch.randn(2, 1, 4, 3, dtype=torch.float64).unbind()
    weights = torch.from_numpy(soft_weights(4, 1, 1))
    sampled = guidance.sample(denoise, noise, 5, target[0], weights, 5.0)
    torch.testing.assert_close(sampled, reference_sampling(denoise, noise, target[0], weights))


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_guidance_works_where_gradients_are_switched_off(context: type, network: torch.nn.Module) -> None:
    noise, target = torch.randn(2, 1, 4, 3, dtype=torch.float64).unbind()
    weights = torch.ones(4, dtype=torch.float64)
    expected = guidance.sample(lambda a, _: network(a), noise, 5, target[0], weights, 5.0)
    with context():
        sampled = guidance.sample(lambda a, _: network(a), noise.clone(), 5, target[0], weights, 5.0)
    assert torch.equal(sampled, expected)
    assert not sampled.requires_grad


def test_a_free_sample_is_plain_euler(network: torch.nn.Module) -> None:
    noise = torch.randn(1, 4, 3, dtype=torch.float64)
    free = guidance.sample(lambda a, _: network(a), noise, 4, None, torch.zeros(4), 5.0)
    actions = noise
    for tau in (0.0, 0.25, 0.5, 0.75):
        actions = actions + 0.25 * (network(actions) - actions) / (1.0 - tau)
    torch.testing.assert_close(free, actions.detach())


def test_targets_of_unguided_rows_do_not_matter(network: torch.nn.Module) -> None:
    noise, target = torch.randn(2, 1, 4, 3, dtype=torch.float64).unbind()
    weights = torch.tensor([1.0, 0.5, 0.0, 0.0], dtype=torch.float64)
    padded = target[0].clone()
    padded[2:] = float("nan")
    expected = guidance.sample(lambda a, _: network(a), noise, 5, target[0], weights, 5.0)
    assert torch.equal(guidance.sample(lambda a, _: network(a), noise, 5, padded, weights, 5.0), expected)


def test_guidance_pulls_the_frozen_rows_of_a_gaussian_flow() -> None:
    """For data N(0, I) the exact denoiser is known; guided rows come close to their target, free rows stay noise."""

    def denoise(actions: Tensor, tau: float) -> Tensor:
        return actions * (tau / (tau**2 + (1.0 - tau) ** 2))

    noise = torch.randn(500, 6, 2, generator=torch.Generator().manual_seed(0))
    target = torch.full((6, 2), 1.5)
    weights = torch.from_numpy(mask_weights(Mask.HARD, 6, 3, 1, 3)).float()
    sampled = guidance.sample(denoise, noise, 20, target, weights, 50.0)
    assert sampled[:, :3].mean().item() == pytest.approx(1.5, abs=0.1)
    assert sampled[:, :3].std().item() < 0.3
    assert sampled[:, 3:].mean().item() == pytest.approx(0.0, abs=0.1)
    assert sampled[:, 3:].std().item() == pytest.approx(1.0, abs=0.2)


def test_known_rows_are_seen_on_their_path_and_draw_the_others_along() -> None:
    """Rows of N(0, 1) that are all equal, so that given the first the others are it; the exact denoiser is known."""

    def denoise(actions: Tensor, tau: float) -> Tensor:
        seen.append(actions.detach())
        mean = actions.mean(dim=1, keepdim=True).expand_as(actions)
        return mean * tau / (tau**2 + (1.0 - tau) ** 2 / actions.shape[1])

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(200, 4, 1, generator=generator)
    target, known = torch.full((4, 1), 1.5), torch.tensor([True, True, False, False])
    weights, errors = known.float(), {}
    for rows in (None, known):
        seen = list[Tensor]()
        sampled = guidance.sample(denoise, noise, 5, target, weights, 2.0, known=rows)
        errors[rows is None] = (sampled[:, 2:] - 1.5).square().mean().sqrt().item()
    for step, actions in enumerate(seen):
        tau = step / 5
        torch.testing.assert_close(actions[:, :2], (1.0 - tau) * noise[:, :2] + tau * 1.5)
    assert errors[False] < 0.8 * errors[True]
    unknown = guidance.sample(denoise, noise, 5, target, weights, 2.0, known=torch.zeros(4, dtype=torch.bool))
    assert torch.equal(unknown, guidance.sample(denoise, noise, 5, target, weights, 2.0))
    with pytest.raises(ValueError, match="known rows have no path"):
        guidance.sample(denoise, noise, 5, target, weights, 2.0, eta=1.0, draw=lambda: noise, known=known)


def test_without_guidance_in_the_last_step_the_chunk_is_what_the_network_takes_for_clean(
    network: torch.nn.Module,
) -> None:
    """The last step then ends on A1hat itself: whatever guidance did before, the network had the last word."""
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(1, 4, 3, generator=generator, dtype=torch.float64)
    target = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    seen: list[Tensor] = []

    def denoise(actions: Tensor, tau: float) -> Tensor:
        estimate = network(actions)
        seen.append(estimate.detach())
        return estimate

    weights = torch.ones(4, dtype=torch.float64)
    sampled = guidance.sample(denoise, noise, 5, target, weights, 5.0, last=torch.zeros(4))
    torch.testing.assert_close(sampled, seen[-1])
    guided = guidance.sample(denoise, noise, 5, target, weights, 5.0)
    assert not torch.allclose(guided, seen[-1])


def test_the_ancestral_sampler_is_that_of_ddpm() -> None:
    """eta = 1: mean and variance of x_{t-1} given x_t and x_0 are those of the forward process's posterior."""
    for tau, after in ((0.3, 0.5), (0.6, 0.61)):
        alpha, beyond = (t / math.hypot(t, 1.0 - t) for t in (tau, after))  # alpha of x = alpha x_0 + sigma eps
        sigma_squared, left = 1.0 - alpha**2, 1.0 - beyond**2
        step = 1.0 - (alpha / beyond) ** 2  # beta_t of DDPM
        variance = left / sigma_squared * step  # Eq. 7 of arXiv 2006.11239
        share = guidance.stochastic_share(tau, after, 1.0)
        assert left * share**2 == pytest.approx(variance)
        kept = math.sqrt(left) * math.sqrt(1.0 - share**2) / math.sqrt(sigma_squared)  # of x_t in the mean
        assert kept == pytest.approx(math.sqrt(1.0 - step) * left / sigma_squared)
    assert guidance.stochastic_share(0.3, 0.5, 0.0) == 0.0


def test_a_stochastic_sampler_keeps_the_distribution_and_forgets_the_noise() -> None:
    """For data N(0, 1/4) the exact denoiser is known: every eta ends there, eta = 1 not where the noise pointed."""

    def denoise(actions: Tensor, tau: float) -> Tensor:
        return actions * (0.25 * tau / (0.25 * tau**2 + (1.0 - tau) ** 2))

    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4000, 1, 1, generator=generator)
    ends = {
        eta: guidance.sample(
            denoise,
            noise,
            50,
            None,
            torch.zeros(1),
            0.0,
            eta=eta,
            draw=lambda: torch.randn(4000, 1, 1, generator=generator),
        )
        for eta in (0.0, 1.0)
    }
    for end in ends.values():
        assert end.mean().item() == pytest.approx(0.0, abs=0.03)
        assert end.std().item() == pytest.approx(0.5, abs=0.04)
    similar = [torch.corrcoef(torch.stack([noise.flatten(), end.flatten()]))[0, 1].item() for end in ends.values()]
    assert similar[0] > 0.99
    assert abs(similar[1]) < 0.1
    with pytest.raises(ValueError, match="source of noise"):
        guidance.sample(denoise, noise, 5, None, torch.zeros(1), 0.0, eta=1.0)
