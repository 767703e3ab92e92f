"""One chunk, or a batch of them, drawn from a flow policy in the way that a mask names."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bc_core import guidance
from bc_core.mask import BETA, GUIDED, Mask, mask_weights
from bc_core.splice import fade_end, leaves_room
from bc_core.strategies import bidirectional
from bc_core.strategies.conditioning import RowDenoiser, frozen_rows, sample_conditioned


@dataclass(frozen=True)
class Splice:
    """What a batch of chunks continues, in the policy's normalised actions.

    prefix: (B, H, D), right-padded; row i is the command of the chunk's row i. rows (B,): how many of them exist.
    frozen (B,): how many are committed. executed (B,): rows of the chunk before that were executed, s of Eq. 5.
    """

    prefix: Tensor
    rows: Tensor
    frozen: Tensor
    executed: Tensor


@dataclass(frozen=True)
class SamplerConfig:
    """steps, beta, prior, eta: of guidance.sample.

    guide_last_step: always, or only where the splice has no room to fade in (bc_core.splice.leaves_room). fade: the
    step at the last frozen row is faded out over the rows after it, as bc_core.splice does; without it only the frozen
    rows are replaced. on_path: the frozen rows are `known` to guidance.sample. exact False: the frozen rows are not
    even replaced, for a caller who splices by itself. BID: samples N, decay rho and mode size K of
    bidirectional.select.
    """

    steps: int | tuple[float, ...] = 5
    beta: float = BETA
    guide_last_step: bool = True
    prior: float = 1.0
    eta: float = 0.0
    fade: bool = False
    on_path: bool = False
    exact: bool = True
    samples: int = 16
    decay: float = 0.9
    mode: int = 3


def sample_chunks(
    mask: Mask,
    denoise: RowDenoiser,
    draw_noise: Callable[[int], Tensor],
    splice: Splice,
    config: SamplerConfig,
    weak: RowDenoiser | None = None,
) -> Tensor:
    """(B, H, D), whose frozen rows equal the prefix's exactly unless the mask is FREE or COHERENT (or config says so).

    denoise(A (N B, H, D), tau (N B, H)): A1hat; for COHERENT it is asked for N successive samples of every element.
    draw_noise(N): (N B, H, D) standard normal. weak: an undertrained policy, for BID's contrast.
    """
    horizon = splice.prefix.shape[1]

    def uniform_time(actions: Tensor, tau: float) -> Tensor:
        return denoise(actions, torch.full(actions.shape[:2], tau))

    if mask == Mask.CONDITION:
        if not isinstance(config.steps, int):
            raise ValueError("a conditioned policy is integrated in equal steps: give their number")
        return sample_conditioned(denoise, draw_noise(1), config.steps, splice.prefix, splice.frozen)
    if mask == Mask.COHERENT:
        return _coherent(denoise, weak, draw_noise, splice, config)
    weights = _weights(mask, splice)
    last = None if config.guide_last_step else _last(weights, splice, config.fade)
    chunk = guidance.sample(
        uniform_time,
        draw_noise(1),
        config.steps,
        splice.prefix,
        weights,
        config.beta,
        last,
        config.prior,
        config.eta,
        lambda: draw_noise(1),
        frozen_rows(horizon, splice.frozen) if config.on_path and mask in GUIDED else None,
    )
    if mask not in GUIDED or not config.exact:
        return chunk
    if config.fade:
        chunk = _faded(chunk, splice)
    return torch.where(frozen_rows(horizon, splice.frozen)[..., None], splice.prefix, chunk)


def _weights(mask: Mask, splice: Splice) -> Tensor:
    """(B, H), or (H,) zeros for FREE."""
    frozen, executed, rows = splice.frozen.numpy(), splice.executed.numpy(), splice.rows.numpy()
    return torch.from_numpy(mask_weights(mask, splice.prefix.shape[1], frozen, executed, rows)).to(splice.prefix.dtype)


def _last(weights: Tensor, splice: Splice, fade: bool) -> Tensor:
    """Weights of the last step: none, save for chunks whose splice has no room to fade in."""
    if not fade or weights.ndim == 1:
        return torch.zeros_like(weights)
    room = torch.from_numpy(leaves_room(weights.shape[1], splice.frozen.numpy(), splice.executed.numpy()))
    return torch.where(room[:, None], 0.0, weights)


def _faded(chunk: Tensor, splice: Splice) -> Tensor:
    """bc_core.splice for a batch of vectors, each with its own d and s."""
    horizon, frozen = chunk.shape[1], splice.frozen[:, None]
    last = (frozen - 1).clamp(min=0)[..., None].expand(-1, 1, chunk.shape[2])
    offset = splice.prefix.gather(1, last) - chunk.gather(1, last)
    free = torch.from_numpy(fade_end(horizon, splice.frozen.numpy(), splice.executed.numpy()))[:, None]
    weight = (free - torch.arange(horizon)).clamp(min=0) / (free - frozen + 1)
    return chunk + torch.where(frozen > 0, weight, 0.0)[..., None] * offset


def _coherent(
    denoise: RowDenoiser,
    weak: RowDenoiser | None,
    draw_noise: Callable[[int], Tensor],
    splice: Splice,
    config: SamplerConfig,
) -> Tensor:
    batch, horizon, width = splice.prefix.shape

    def draw(model: RowDenoiser) -> Tensor:
        noise = draw_noise(config.samples)
        nothing = torch.zeros(horizon)
        chunks = guidance.sample(
            lambda actions, tau: model(actions, torch.full(actions.shape[:2], tau)),
            noise, config.steps, None, nothing, 0.0,
        )  # fmt: skip
        return chunks.reshape(batch, config.samples, horizon, width)

    strong = draw(denoise)
    contrast = None if weak is None else draw(weak)
    return bidirectional.select(strong, contrast, splice.prefix, splice.rows, config.decay, config.mode)
