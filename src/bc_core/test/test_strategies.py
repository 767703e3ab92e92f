"""Strategies: the table of what needs what, and the algorithms against known answers."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from bc_core import guidance
from bc_core.chunks import ActionGroup, Space
from bc_core.errors import BcError
from bc_core.mask import BETA, Mask, mask_weights
from bc_core.splice import leaves_room
from bc_core.splice import splice as spliced
from bc_core.strategies import bidirectional, registry
from bc_core.strategies.conditioning import clean_prefix, sample_conditioned
from bc_core.strategies.diffusion import FlowForm, Prediction, Schedule
from bc_core.strategies.ensembling import Ensemble
from bc_core.strategies.registry import STRATEGIES, Chaining, Skill
from bc_core.strategies.sampling import SamplerConfig, Splice, sample_chunks

HORIZON, WIDTH = 6, 2
GROUP = ActionGroup("arm", Space.JOINT_POSITION, ("a", "b"), 0, WIDTH)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def splice(batch: int, frozen: list[int], generator: torch.Generator) -> Splice:
    prefix = torch.randn(batch, HORIZON, WIDTH, generator=generator)
    return Splice(prefix, torch.full((batch,), 4), torch.tensor(frozen), torch.full((batch,), 2))


def test_a_policy_that_cannot_serve_a_strategy_is_refused_with_those_it_can() -> None:
    regression = {Mask.FREE, Mask.CONDITION}
    with pytest.raises(BcError, match=r"'rtc' .* policy 'act' can do: use sync, naive, ensemble, conditioned$"):
        registry.choose("rtc", "act", regression)
    assert registry.choose("conditioned", "act", regression).mask == Mask.CONDITION


def test_a_strategy_that_needs_a_skill_is_refused_without_it() -> None:
    with pytest.raises(BcError, match="foresight"):
        registry.choose("foresight", "flow", frozenset(Mask))
    assert registry.choose("foresight", "flow", frozenset(Mask), {Skill.FORESIGHT}).foresees


def test_an_unknown_strategy_is_named() -> None:
    with pytest.raises(BcError, match="strategy is 'magic': choose one of sync, naive"):
        registry.choose("magic", "flow", frozenset(Mask))


def test_only_what_uses_the_prefix_freezes_rows() -> None:
    freezing = {name for name, strategy in STRATEGIES.items() if strategy.freezes}
    assert freezing == {"rtc", "rtc_linear", "rtc_hard", "conditioned", "rtc_foresight", "corrected"}
    assert STRATEGIES["sync"].chaining == Chaining.STAND


def linear(weight: Tensor):
    """A denoiser that mixes rows and columns."""

    def denoise(actions: Tensor, tau: Tensor) -> Tensor:
        flat = torch.tanh(actions.flatten(1) @ weight) + tau.mean(1, keepdim=True)
        return flat.reshape(actions.shape)

    return denoise


@pytest.mark.parametrize("mask", [Mask.SOFT, Mask.LINEAR, Mask.HARD, Mask.CONDITION])
def test_frozen_rows_are_exact_for_every_element_of_a_batch(mask: Mask, generator: torch.Generator) -> None:
    weight = torch.randn(HORIZON * WIDTH, HORIZON * WIDTH, generator=generator)
    joined = splice(3, [0, 1, 3], generator)
    chunk = sample_chunks(
        mask, linear(weight), lambda n: torch.randn(3 * n, HORIZON, WIDTH, generator=generator), joined, SamplerConfig()
    )
    for element, frozen in enumerate([0, 1, 3]):
        assert torch.equal(chunk[element, :frozen], joined.prefix[element, :frozen])
        assert not torch.equal(chunk[element, frozen], joined.prefix[element, frozen])


def test_a_batch_gives_what_its_elements_give_alone(generator: torch.Generator) -> None:
    weight = 0.3 * torch.randn(HORIZON * WIDTH, HORIZON * WIDTH, generator=generator)
    joined, noise = splice(2, [1, 2], generator), torch.randn(2, HORIZON, WIDTH, generator=generator)
    whole = sample_chunks(Mask.SOFT, linear(weight), lambda _: noise, joined, SamplerConfig())
    for i in range(2):
        alone = Splice(*(value[i : i + 1] for value in (joined.prefix, joined.rows, joined.frozen, joined.executed)))
        chunk = sample_chunks(Mask.SOFT, linear(weight), lambda _, i=i: noise[i : i + 1], alone, SamplerConfig())
        torch.testing.assert_close(chunk[0], whole[i])


def test_weights_by_element_equal_those_for_one() -> None:
    frozen, executed, rows = np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([7, 6, 4])
    batch = mask_weights(Mask.SOFT, 8, frozen, executed, rows)
    for i in range(3):
        alone = mask_weights(Mask.SOFT, 8, int(frozen[i]), int(executed[i]), int(rows[i]))
        assert np.array_equal(batch[i], alone)


def test_linear_weights_are_c_of_equation_5() -> None:
    weights = mask_weights(Mask.LINEAR, 8, 2, 2, 6)
    assert weights.tolist() == pytest.approx([1.0, 1.0, 0.8, 0.6, 0.4, 0.2, 0.0, 0.0])


def test_the_last_step_without_guidance_ends_on_the_denoised_chunk(generator: torch.Generator) -> None:
    noise = torch.randn(1, HORIZON, WIDTH, generator=generator)
    target = torch.ones(HORIZON, WIDTH)
    clean = []

    def denoise(actions: Tensor, tau: float) -> Tensor:
        clean.append(torch.tanh(actions))
        return clean[-1]

    chunk = guidance.sample(denoise, noise, 4, target, torch.ones(HORIZON), 5.0, last=torch.zeros(HORIZON))
    torch.testing.assert_close(chunk, clean[-1])


def test_a_narrow_prior_asks_for_more_guidance_late() -> None:
    """r^2 shrinks with the prior's variance, so that (1 - tau) / (tau r^2) grows; prior 1 is Eq. 4."""
    assert guidance.guidance_weight(0.6, math.inf, prior=0.2) > guidance.guidance_weight(0.6, math.inf)
    assert guidance.guidance_weight(0.6, math.inf, prior=1.0) == guidance.guidance_weight(0.6, math.inf)


def test_fading_is_the_splice_of_the_scheduler(generator: torch.Generator) -> None:
    joined, noise = splice(3, [0, 1, 3], generator), torch.randn(3, HORIZON, WIDTH, generator=generator)
    weight = torch.randn(HORIZON * WIDTH, HORIZON * WIDTH, generator=generator)
    plain = sample_chunks(Mask.SOFT, linear(weight), lambda _: noise, joined, SamplerConfig())
    faded = sample_chunks(Mask.SOFT, linear(weight), lambda _: noise, joined, SamplerConfig(fade=True))
    assert torch.equal(faded[0], plain[0])
    unspliced = sample_chunks(Mask.FREE, linear(weight), lambda _: noise, joined, SamplerConfig())
    free = sample_chunks(Mask.SOFT, linear(weight), lambda _: noise, joined, SamplerConfig(beta=0.0, fade=True))
    for i, frozen in enumerate([0, 1, 3]):
        expected = spliced(unspliced[i].double().numpy(), joined.prefix[i].double().numpy(), frozen, 2, (GROUP,))
        torch.testing.assert_close(free[i].double(), torch.from_numpy(expected), atol=1e-6, rtol=1e-5)


def test_the_rows_put_on_their_path_are_the_frozen_ones_of_each_element(generator: torch.Generator) -> None:
    joined, noise = splice(3, [0, 1, 3], generator), torch.randn(3, HORIZON, WIDTH, generator=generator)
    halfway = list[torch.Tensor]()

    def denoise(actions: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
        if tau[0, 0] == 0.5:
            halfway.append(actions.detach())
        return torch.tanh(actions)

    sample_chunks(Mask.SOFT, denoise, lambda _: noise, joined, SamplerConfig(steps=2, on_path=True))
    (seen,) = halfway
    met = torch.isclose(seen, 0.5 * (noise + joined.prefix), atol=1e-6).all(dim=2)
    assert met.tolist() == [[row < frozen for row in range(HORIZON)] for frozen in (0, 1, 3)]


def test_the_last_step_is_guided_where_the_splice_has_no_room_to_fade(generator: torch.Generator) -> None:
    """d = 1 with s = 2 leaves room, d = 3 with s = 3 = H - d does not (H = 6)."""
    noise = torch.randn(2, HORIZON, WIDTH, generator=generator)
    weight = torch.randn(HORIZON * WIDTH, HORIZON * WIDTH, generator=generator)
    joined = replace(splice(2, [1, 3], generator), executed=torch.tensor([2, 3]))

    def chunk(config: SamplerConfig) -> torch.Tensor:
        return sample_chunks(Mask.SOFT, linear(weight), lambda _: noise, joined, config)

    nodes = chunk(SamplerConfig(guide_last_step=False, fade=True))
    never, always = chunk(SamplerConfig(guide_last_step=False)), chunk(SamplerConfig())
    assert torch.equal(nodes[1], always[1]) and not torch.equal(nodes[1], never[1])
    weights = mask_weights(Mask.SOFT, HORIZON, 1, 2, int(joined.rows[0]))
    plain = guidance.sample(
        lambda actions, tau: linear(weight)(actions, torch.full(actions.shape[:2], tau)),
        noise[:1], 5, joined.prefix[:1], torch.from_numpy(weights).float(), BETA, torch.zeros(HORIZON),
    )[0]  # fmt: skip
    free = spliced(plain.double().numpy(), joined.prefix[0].double().numpy(), 1, 2, (GROUP,))
    torch.testing.assert_close(nodes[0].double(), torch.from_numpy(free), atol=1e-6, rtol=1e-5)
    assert [leaves_room(HORIZON, frozen, executed) for frozen, executed in ((1, 2), (3, 3), (0, 2))] == [
        True, False, True,
    ]  # fmt: skip


def test_ensembling_is_the_weighted_mean_of_act(generator: torch.Generator) -> None:
    """Three chunks, one tick apart: the vote on a tick they all cover has weights exp(-m i), oldest first."""
    m, chunks = 0.3, torch.randn(3, 2, 4, 1, generator=generator).numpy()
    ensemble = Ensemble.empty(2, 4, 1)
    for chunk in chunks:
        ensemble = ensemble.advanced(np.ones(2, dtype=np.int64)).voted(chunk, m)
    weights = np.exp(-m * np.arange(3.0))
    expected = sum(weights[i] * chunks[i, :, 2 - i] for i in range(3)) / weights.sum()
    np.testing.assert_allclose(ensemble.mean[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(ensemble.mean[:, 3], chunks[2, :, 3], rtol=1e-6)
    assert ensemble.votes[0].tolist() == [3, 3, 2, 1]


def test_ensembling_without_decay_is_the_mean(generator: torch.Generator) -> None:
    chunks = torch.randn(2, 1, 3, 1, generator=generator).numpy()
    ensemble = Ensemble.empty(1, 3, 1)
    for chunk in chunks:
        ensemble = ensemble.voted(chunk, 0.0)
    np.testing.assert_allclose(ensemble.mean, chunks.mean(0), rtol=1e-6)


def test_bidirectional_decoding_keeps_to_the_way_begun() -> None:
    """Two ways, up and down; whatever the samples' order, the one that continues the prefix is taken."""
    up, down = torch.ones(HORIZON, 1), -torch.ones(HORIZON, 1)
    samples = torch.stack([torch.stack([down, up]), torch.stack([up, down])])
    prefix, rows = torch.stack([up, down]), torch.tensor([3, 3])
    chosen = bidirectional.select(samples, None, prefix, rows, decay=0.9, mode=1)
    assert torch.equal(chosen, torch.stack([up, down]))


def test_forward_contrast_prefers_what_strong_samples_agree_on() -> None:
    """With nothing to continue, the sample near other strong ones and far from weak ones is taken."""
    values = torch.tensor([0.0, 0.1, 3.0])
    strong = values.reshape(1, 3, 1, 1).expand(1, 3, HORIZON, 1)
    weak = torch.tensor([2.9, 3.0, 3.1]).reshape(1, 3, 1, 1).expand(1, 3, HORIZON, 1)
    chosen = bidirectional.select(strong, weak, torch.zeros(1, HORIZON, 1), torch.tensor([0]), decay=0.9, mode=3)
    assert chosen[0, 0, 0].item() in (0.0, pytest.approx(0.1))


def test_the_prefix_enters_clean_with_flow_time_1() -> None:
    noisy, prefix = torch.zeros(1, 4, 1), torch.ones(1, 4, 1)
    given = torch.tensor([[True, True, False, False]])
    inputs, rows = clean_prefix(noisy, torch.tensor([[0.3]]), prefix, given)
    assert inputs[0, :, 0].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert rows[0].tolist() == pytest.approx([1.0, 1.0, 0.3, 0.3])


def test_conditioned_sampling_integrates_only_the_rows_that_are_not_given() -> None:
    """Against a denoiser that answers the prefix's mean in every row: free rows end there, given rows stay."""

    def denoise(actions: Tensor, tau: Tensor) -> Tensor:
        given = tau == 1.0
        mean = (actions[..., 0] * given).sum(1) / given.sum(1)
        return mean[:, None, None].expand_as(actions)

    prefix = torch.tensor([[1.0, 3.0, 9.0, 9.0]])[..., None]
    chunk = sample_conditioned(denoise, torch.randn(1, 4, 1), 5, prefix, torch.tensor([2]))
    torch.testing.assert_close(chunk[0, :, 0], torch.tensor([1.0, 3.0, 2.0, 2.0]))


def ddim(schedule: Schedule, model, noise: Tensor, steps: int) -> Tensor:
    """Eq. 12 of arXiv 2010.02502 with eta = 0, written as published, for x_0 = (x - sigma eps) / alpha."""
    x, timesteps = noise, schedule.timesteps(steps)
    for t, after in zip(timesteps, [*timesteps[1:], None], strict=True):
        alpha = schedule.alpha[t]
        sigma = (1 - alpha**2).sqrt()
        epsilon = model(x, t)
        clean = (x - sigma * epsilon) / alpha
        a = torch.tensor(1.0, dtype=torch.float64) if after is None else schedule.alpha[after]
        x = a * clean + (1 - a**2).sqrt() * epsilon
    return x


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_ddim_is_eulers_method_on_the_flow_form(steps: int, generator: torch.Generator) -> None:
    """The same network, the same noise: the same chunk. (The first x_t is taken as noise by both.)"""
    schedule = Schedule.squared_cosine(50, largest_beta=0.9)
    first = schedule.timesteps(steps)[0]
    scale = schedule.alpha[first] + (1 - schedule.alpha[first] ** 2).sqrt()

    def model(noisy: Tensor, timestep: int) -> Tensor:
        return torch.tanh(noisy) * (0.5 + timestep / 100)

    form = FlowForm(model, schedule, Prediction.EPSILON)
    noise = torch.randn(4, HORIZON, WIDTH, generator=generator, dtype=torch.float64)
    times = [schedule.flow_time(first), *form.times(steps)[1:]]
    denoise = dict(zip(times, schedule.timesteps(steps), strict=True))
    chunk = guidance.sample(
        lambda a, tau: form.clean(a, denoise[tau]), noise / scale, times, None, torch.zeros(HORIZON), 0.0
    )
    torch.testing.assert_close(chunk, ddim(schedule, model, noise, steps))


def test_the_three_predictions_name_the_same_chunk(generator: torch.Generator) -> None:
    schedule, t = Schedule.squared_cosine(50), 20
    alpha = float(schedule.alpha[t])
    sigma = math.sqrt(1 - alpha**2)
    clean, noise = torch.randn(2, 3, HORIZON, WIDTH, generator=generator).unbind()
    point = (alpha * clean + sigma * noise) / (alpha + sigma)
    outputs = {
        Prediction.EPSILON: noise,
        Prediction.SAMPLE: clean,
        Prediction.VELOCITY: alpha * noise - sigma * clean,
    }
    for prediction, output in outputs.items():
        form = FlowForm(lambda x, _, output=output: output, schedule, prediction)
        torch.testing.assert_close(form.clean(point, t), clean, atol=1e-5, rtol=1e-4)


def test_a_flow_time_that_is_no_timestep_is_refused() -> None:
    form = FlowForm(lambda x, _: x, Schedule.squared_cosine(50), Prediction.SAMPLE)
    with pytest.raises(ValueError, match="times"):
        form.denoiser(5)(torch.zeros(1, HORIZON, WIDTH), 0.123)
