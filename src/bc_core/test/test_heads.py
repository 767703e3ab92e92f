"""Every head on problems of seconds: what its paper says it does, and what it declares."""

import math
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from bc_core.mask import GUIDED, Mask
from bc_core.policies.abilities import Ability, masks_of
from bc_core.policies.heads.act import ActHead, divergence
from bc_core.policies.heads.base import Continuation, DensityHead, Head
from bc_core.policies.heads.build import build_head
from bc_core.policies.heads.config import (
    HEADS,
    ActConfig,
    CategoricalConfig,
    DiffusionConfig,
    FastConfig,
    FlowConfig,
    HeadConfig,
    ImplicitConfig,
    LstmGmmConfig,
    MixtureConfig,
    RegressionConfig,
    VqBetConfig,
)
from bc_core.policies.heads.diffusion import DiffusionHead
from bc_core.policies.heads.fast import FastHead
from bc_core.policies.trunks import Size
from bc_core.strategies.registry import STRATEGIES, supports

SIZE = Size(horizon=4, columns=2, width=32, blocks=1, dropout=0.0)
SMALL_BINS: dict[str, Any] = {"bins": 32, "low_quantile": 0.0, "high_quantile": 1.0}
GENERATIVE = {
    "mixture": MixtureConfig(components=4),
    "lstm_gmm": LstmGmmConfig(components=4),
    "autoregressive": CategoricalConfig(autoregressive=True, **SMALL_BINS),
    "fast": FastConfig(vocabulary=64, low_quantile=0.0, high_quantile=1.0),
    "flow": FlowConfig(),
    "flow_transformer": FlowConfig(trunk="transformer"),
    "flow_mixer": FlowConfig(trunk="mixer"),
    "diffusion_unet": DiffusionConfig(),
    "diffusion_transformer": DiffusionConfig(trunk="transformer", prediction="sample"),
    "vqbet": VqBetConfig(codes=8, latent=8, quantiser_steps=200),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fork(count: int, right: float = 0.5) -> tuple[Tensor, Tensor]:
    """Conditions (N, C), all the same, and chunks that go left or right as a whole, in both coordinates."""
    generator = torch.Generator().manual_seed(0)
    side = torch.where(torch.rand(count, generator=generator) < right, 1.0, -1.0)[:, None, None]
    ramp = torch.linspace(0.5, 1.0, SIZE.horizon)[:, None]
    noise = 0.03 * torch.randn(count, SIZE.horizon, SIZE.columns, generator=generator)
    return torch.full((count, SIZE.width), 0.3), side * ramp + noise


def fitted(config: HeadConfig, condition: Tensor, actions: Tensor, steps: int = 300, rate: float = 5e-3) -> Head:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    head, valid = build_head(SIZE, config), torch.ones(actions.shape[:2], dtype=torch.bool)
    head.prepare(actions, valid, generator)
    optimiser = torch.optim.Adam([p for p in head.parameters() if p.requires_grad], rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps)
    for _ in range(steps):
        index = torch.randint(len(actions), (64,), generator=generator)
        loss = head.loss(condition[index], actions[index], valid[index], generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return head.eval().requires_grad_(False)


@cache
def trained(name: str) -> Head:
    """Of GENERATIVE, on the fork."""
    return fitted(GENERATIVE[name], *fork(400))


def drawn(head: Head, count: int = 100, continuation: Continuation | None = None) -> Tensor:
    condition = torch.full((count, SIZE.width), 0.3)
    return head.sample(condition, torch.Generator().manual_seed(1), continuation)


@pytest.mark.parametrize("name", GENERATIVE)
def test_generative_heads_go_either_way_and_not_between(name: str) -> None:
    head = trained(name)
    ends = drawn(head)[:, -1]
    assert min((ends[:, 0] > 0).sum(), (ends[:, 0] < 0).sum()) >= 15
    near = ((ends.abs() - 1.0).abs() < 0.35).all(1) & (ends[:, 0] * ends[:, 1] > 0)
    assert near.float().mean() > 0.85


@pytest.mark.parametrize(("loss", "right", "expected"), [("l2", 0.7, 0.4), ("l1", 0.7, 1.0), ("gaussian", 0.7, 0.4)])
def test_regression_finds_the_mean_or_the_median(loss: str, right: float, expected: float) -> None:
    condition, actions = fork(400, right)
    head = fitted(RegressionConfig(loss=loss, std=0.5), condition, actions)
    wanted = actions.mean(0) if expected < 1.0 else actions.median(0).values
    torch.testing.assert_close(drawn(head, 1)[0], wanted, atol=0.12, rtol=0.0)


def test_a_gaussian_of_fixed_variance_is_l2() -> None:
    """The lecture's first slide: the same minimiser, because the gradients differ by a factor alone."""
    condition, actions = fork(8)
    valid, generator = torch.ones(8, SIZE.horizon, dtype=torch.bool), torch.Generator()
    gradients = []
    for config in (RegressionConfig(), RegressionConfig(loss="gaussian", std=0.5)):
        torch.manual_seed(0)
        head = build_head(SIZE, config)
        head.loss(condition, actions, valid, generator).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in head.parameters() if p.grad is not None]))
    torch.testing.assert_close(gradients[1], gradients[0] / (2 * 0.5**2))


def test_independent_bins_break_what_belongs_together_and_autoregressive_ones_do_not() -> None:
    """At the fork the two coordinates have one sign: pi(a_0) pi(a_1) mixes them, pi(a_0) pi(a_1 | a_0) does not."""
    agree = []
    for autoregressive in (False, True):
        chunk = drawn(fitted(CategoricalConfig(autoregressive=autoregressive, **SMALL_BINS), *fork(400)))
        agree.append((chunk[:, -1, 0] * chunk[:, -1, 1] > 0).float().mean().item())
    assert 0.3 < agree[0] < 0.7
    assert agree[1] > 0.95


def test_bins_lie_between_the_percentiles() -> None:
    generator = torch.Generator().manual_seed(0)
    actions = torch.randn(2000, SIZE.horizon, SIZE.columns, generator=generator)
    head = build_head(SIZE, CategoricalConfig())
    head.prepare(actions, torch.ones(actions.shape[:2], dtype=torch.bool), generator)
    bins = head.bins
    torch.testing.assert_close(bins.low, torch.full((2,), -2.326), atol=0.1, rtol=0.0)
    inside = actions.clamp(bins.low, bins.high)
    width = (bins.high - bins.low) / 256
    assert ((bins.centre(bins.index(inside)) - inside).abs() <= 0.5001 * width).all()


@pytest.mark.parametrize(
    "config", [RegressionConfig(loss="gaussian", std=0.5), MixtureConfig(), LstmGmmConfig(),
               CategoricalConfig(autoregressive=True, **SMALL_BINS), CategoricalConfig(**SMALL_BINS)],
    ids=["gaussian", "mixture", "lstm_gmm", "autoregressive", "independent"],
)  # fmt: skip
def test_densities_integrate_to_one(config: HeadConfig) -> None:
    """A chunk of one number, so that the integral is a sum."""
    size = Size(1, 1, 16, 1, 0.0)
    torch.manual_seed(0)
    head = build_head(size, config)
    assert isinstance(head, DensityHead)
    grid = torch.linspace(-1.0, 1.0, 4001) if isinstance(config, CategoricalConfig) else torch.linspace(-60, 60, 60001)
    density = head.log_density(torch.full((len(grid), 16), 0.3), grid[:, None, None]).exp()
    assert torch.trapezoid(density, grid).item() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("name", ["lstm_gmm", "autoregressive", "prefix_flow"])
def test_a_prefix_as_an_input_decides_the_rest(name: str) -> None:
    config = FlowConfig(trunk="transformer", prefix_rows=2) if name == "prefix_flow" else GENERATIVE[name]
    head = fitted(config, *fork(400), steps=500)
    for side in (-1.0, 1.0):
        target = side * torch.linspace(0.5, 1.0, SIZE.horizon)[:, None].expand(-1, SIZE.columns)
        weights = torch.tensor([1.0, 1.0, 0.0, 0.0])
        chunks = drawn(head, 40, Continuation(Mask.CONDITION, target, weights, 2, 5.0))
        torch.testing.assert_close(chunks[:, :2], target[:2].expand(40, -1, -1))
        assert ((chunks[:, -1, 0] * side) > 0.5).float().mean() > 0.9


@pytest.mark.parametrize("name", ["flow", "diffusion_transformer"])
def test_guidance_draws_chunks_towards_the_prefix(name: str) -> None:
    head, rows = trained(name), 3
    target = torch.linspace(0.5, 1.0, SIZE.horizon)[:, None].expand(-1, SIZE.columns)
    guided = drawn(head, 100, Continuation(Mask.HARD, target, torch.tensor([1.0, 1.0, 1.0, 0.0]), rows, 5.0))
    distance = [(chunk[:, :rows] - target[:rows]).abs().mean() for chunk in (guided, drawn(head))]
    assert distance[0] < distance[1]
    if name == "flow":
        assert (guided[:, -1, 0] > 0.5).float().mean() > 0.9


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
def test_ddim_is_that_of_diffusers(prediction: str) -> None:
    """From the same noise the same chunk, though ours is integrated as a flow: guidance needs that form."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    torch.manual_seed(0)
    head = DiffusionHead(SIZE, DiffusionConfig(trunk="mlp", prediction=prediction))
    torch.nn.init.normal_(head.trunk.output.weight, std=0.1)
    head.eval().requires_grad_(False)
    condition = torch.randn(3, SIZE.width)
    scheduler = DDIMScheduler(
        num_train_timesteps=100, beta_schedule="squaredcos_cap_v2", prediction_type=prediction, clip_sample=True,
        clip_sample_range=4.0, timestep_spacing="trailing", set_alpha_to_one=True,
    )  # fmt: skip
    scheduler.set_timesteps(10)
    noisy = torch.randn(3, SIZE.horizon, SIZE.columns, generator=torch.Generator().manual_seed(5))
    for timestep in scheduler.timesteps:
        output = head.predict(noisy, timestep.expand(3), condition)
        noisy = scheduler.step(output, int(timestep), noisy, use_clipped_model_output=True).prev_sample
    ours = head.sample(condition, torch.Generator().manual_seed(5))
    torch.testing.assert_close(ours, noisy, atol=0.02, rtol=0.01)


def smooth(count: int) -> Tensor:
    """Chunks (N, 16, 2) of a few low frequencies: like motions."""
    generator = torch.Generator().manual_seed(0)
    time = torch.linspace(0.0, 1.0, 16)[:, None, None]
    waves = torch.sin(torch.pi * time * torch.tensor([1.0, 2.0, 3.0])[:, None])
    amplitude = torch.randn(count, 1, 3, 2, generator=generator) * torch.tensor([1.0, 0.3, 0.1])[:, None]
    return (waves * amplitude).sum(2)


def test_fast_is_exact_to_the_quantisation_step_and_compresses() -> None:
    actions, size = smooth(300), Size(16, 2, 32, 1, 0.0)
    head = FastHead(size, FastConfig(vocabulary=256, low_quantile=0.0, high_quantile=1.0))
    head.prepare(actions, torch.ones(actions.shape[:2], dtype=torch.bool), torch.Generator())
    tokens = head.tokens(actions)
    error = (head.chunks(tokens) - actions) * 2.0 / (head.range.high - head.range.low)  # in units of the DCT's input
    assert (head.dct.matrix @ error.double()).abs().max() <= 0.5 / head.config.scale + 1e-5
    assert sum(map(len, tokens)) < 0.4 * actions.numel()  # 8-bit bins take one token per number
    state = head.state_dict()
    again = FastHead(size, head.config)
    again.load_state_dict(state)
    assert again.tokens(actions[:5]) == tokens[:5]


def test_fast_samples_are_whole_chunks_whatever_is_drawn() -> None:
    actions, size = smooth(100), Size(16, 2, 32, 1, 0.0)
    head = FastHead(size, FastConfig(vocabulary=128))
    head.prepare(actions, torch.ones(actions.shape[:2], dtype=torch.bool), torch.Generator())
    chunk = head.sample(torch.zeros(20, 32), torch.Generator().manual_seed(0))  # untrained: any token
    assert chunk.shape == (20, 16, 2)
    assert torch.isfinite(chunk).all()


def test_act_names_the_style_in_training_and_ignores_it_at_test() -> None:
    condition, actions = fork(400)
    head = fitted(ActConfig(latent=4, kl_weight=0.01), condition, actions)
    assert isinstance(head, ActHead)
    valid = torch.ones(50, SIZE.horizon, dtype=torch.bool)
    mean, log_variance = head.encode(condition[:50], actions[:50], valid)
    torch.testing.assert_close(head.decode(condition[:50], mean), actions[:50], atol=0.35, rtol=0.0)
    assert divergence(mean, log_variance).mean() > 0.5  # nats: z carries which way
    chunks = drawn(head, 5)
    torch.testing.assert_close(chunks, head.decode(condition[:5], torch.zeros(5, 4)))
    torch.testing.assert_close(chunks[0], chunks[4])


def test_act_the_kl_weight_closes_the_channel() -> None:
    condition, actions = fork(400)
    head = fitted(ActConfig(latent=4, kl_weight=100.0), condition, actions)
    assert isinstance(head, ActHead)
    posterior = head.encode(condition[:50], actions[:50], torch.ones(50, SIZE.horizon, dtype=torch.bool))
    assert divergence(*posterior).mean() < 0.05
    plain = build_head(SIZE, ActConfig(cvae=False))
    assert sum(p.numel() for p in plain.parameters()) < 0.6 * sum(p.numel() for p in head.parameters())


def test_divergence_is_that_of_torch() -> None:
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def test_implicit_the_energy_is_lowest_at_what_was_demonstrated_and_is_found() -> None:
    condition, actions = fork(400)
    head = fitted(ImplicitConfig(), condition, actions)
    points = torch.stack([actions[:30], 0.0 * actions[:30]], dim=1)  # demonstrated, and the mean of both ways
    energy = head.energy(condition[:30], head._scaled(points))
    assert (energy[:, 0] < energy[:, 1]).float().mean() > 0.9
    ends = drawn(head, 10)[:, -1]
    assert ((ends.abs() - 1.0).abs() < 0.35).all()
    assert (ends[:, 0] * ends[:, 1] > 0).all()


def test_vqbet_codes_tell_the_ways_apart() -> None:
    head, (_, actions) = trained("vqbet"), fork(400)
    codes = head.quantiser.indices(head.quantiser.encoder(actions.flatten(1)))
    right = actions[:, -1, 0] > 0
    assert not set(codes[right, 0].tolist()) & set(codes[~right, 0].tolist())


@pytest.mark.parametrize(
    "config", [RegressionConfig(), CategoricalConfig(), CategoricalConfig(autoregressive=True), FastConfig(),
               MixtureConfig(), LstmGmmConfig(), ActConfig(), ImplicitConfig(), VqBetConfig(quantiser_steps=1)],
    ids=lambda config: f"{config.type}-{getattr(config, 'autoregressive', '')}",
)  # fmt: skip
def test_rows_past_the_end_do_not_count(config: HeadConfig) -> None:
    condition, actions = fork(16)
    valid = torch.ones(16, SIZE.horizon, dtype=torch.bool)
    torch.manual_seed(0)
    head = build_head(SIZE, config)
    head.prepare(actions, valid, torch.Generator().manual_seed(0))
    valid[:, 2:] = False
    losses = []
    for end in (actions[:, 2:], 0.1 * actions[:, 2:]):
        changed = torch.cat([actions[:, :2], end], dim=1)
        losses.append(head.loss(condition, changed, valid, torch.Generator().manual_seed(3)).item())
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert math.isfinite(losses[0])


def test_abilities_are_what_strategies_ask_for() -> None:
    assert masks_of({Ability.GUIDANCE}) == {Mask.FREE, *GUIDED}
    served = {
        name: {strategy.name for strategy in STRATEGIES.values() if supports(strategy, masks_of(cls().abilities), ())}
        for name, cls in HEADS.items()
    }
    assert served["regression"] == served["act"] == served["implicit"] == {"sync", "naive", "ensemble"}
    assert served["mixture"] == {"sync", "naive", "ensemble", "bid"}
    assert served["lstm_gmm"] == {*served["mixture"], "conditioned"}
    assert served["diffusion"] == served["mixture"]  # of predicted noise
    assert served["flow"] == {*served["mixture"], "rtc", "rtc_linear", "rtc_hard"}
    for config in (*GENERATIVE.values(), RegressionConfig(loss="gaussian")):
        assert (Ability.DENSITY in config.abilities) == isinstance(build_head(SIZE, config), DensityHead)
