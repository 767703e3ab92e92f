"""Real-time chunking: guided sampling of a flow policy.

Black, Galliker, Levine, "Real-Time Execution of Action Chunking Flow Policies", arXiv 2506.07339, Eqs. 1-5. Flow time
tau runs from 0 (noise) to 1 (action).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from bc_core.mask import Mask

Denoiser = Callable[[Tensor, float], Tensor]


def mask_weights(mask: Mask, horizon: int, frozen: int, execution_horizon: int, prefix_rows: int) -> Tensor:
    """Weight of every row in the guidance error, shape (H,), float32.

    SOFT is Eq. 5 with d = frozen and s = execution_horizon; where the prefix is shorter than H - s rows, s grows so
    that no row without a prefix is guided. ValueError where frozen rows have no prefix or exceed H - s: the splice
    would silently be left unguided.
    """
    if mask == Mask.FREE:
        return torch.zeros(horizon)
    if not 0 <= frozen <= min(prefix_rows, horizon):
        raise ValueError(
            f"{frozen} frozen rows need as many rows of prefix (has {prefix_rows}) and horizon ({horizon})"
        )
    if mask == Mask.HARD:
        return torch.cat([torch.ones(frozen), torch.zeros(horizon - frozen)])
    if frozen > horizon - execution_horizon:
        raise ValueError(
            f"{frozen} frozen rows exceed horizon {horizon} - execution horizon {execution_horizon}: lower either"
        )
    return soft_weights(horizon, frozen, max(execution_horizon, horizon - prefix_rows))


def soft_weights(horizon: int, delay: int, execution_horizon: int) -> Tensor:
    """Eq. 5: W_i, shape (H,): 1 for i < d, c_i (e^{c_i} - 1) / (e - 1) for d <= i < H - s, 0 after."""
    rows = torch.arange(horizon, dtype=torch.float64)
    end = horizon - execution_horizon
    c = (end - rows) / (end - delay + 1)
    decay = c * torch.expm1(c) / (math.e - 1.0)
    weights = torch.where(rows < delay, 1.0, torch.where(rows < end, decay, 0.0))
    return weights.to(torch.float32)


def guidance_weight(tau: float, beta: float) -> float:
    """min(beta, (1 - tau) / (tau r^2)) of Eq. 2 with r^2 of Eq. 4; beta where tau = 0."""
    if tau <= 0.0:
        return beta
    r_squared = (1.0 - tau) ** 2 / (tau**2 + (1.0 - tau) ** 2)
    return min(beta, (1.0 - tau) / (tau * r_squared))


def sample(denoise: Denoiser, noise: Tensor, steps: int, target: Tensor | None, weights: Tensor, beta: float) -> Tensor:
    """Integrate Eq. 1 from noise to actions, guided towards target.

    denoise(A, tau): A1hat of Eq. 3, differentiable in A; the velocity is (A1hat - A) / (1 - tau).
    noise: A^0, shape (B, H, D). target: Y, shape (H, D), rows of weight 0 are ignored; None: plain sampling.
    weights: W, shape (H,). beta: largest guidance weight. Works under no_grad and inference_mode.
    """
    actions = noise
    for step in range(steps):
        tau = step / steps
        if target is None or beta == 0.0 or not bool(weights.any()):
            with torch.no_grad():
                velocity = (denoise(actions, tau) - actions) / (1.0 - tau)
        else:
            estimate, gradient = vector_jacobian(denoise, actions, tau, target, weights)
            velocity = (estimate - actions) / (1.0 - tau) + guidance_weight(tau, beta) * gradient
        actions = actions + velocity / steps
    return actions


def vector_jacobian(
    denoise: Denoiser, actions: Tensor, tau: float, target: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """A1hat and (Y - A1hat)^T diag(W) dA1hat/dA of Eq. 2, both (B, H, D); one backward pass through the network."""
    with torch.inference_mode(False), torch.enable_grad():
        point = actions.clone().detach().requires_grad_(True)
        estimate = denoise(point, tau)
        # a row of weight 0 has no target, and 0 * NaN would not be 0
        error = torch.where(weights[:, None] > 0.0, (target - estimate.detach()) * weights[:, None], 0.0)
        (gradient,) = torch.autograd.grad(estimate, point, error)
    return estimate.detach(), gradient
