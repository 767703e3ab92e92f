"""Real-time chunking: guided sampling of a flow policy.

Black, Galliker, Levine, "Real-Time Execution of Action Chunking Flow Policies", arXiv 2506.07339, Eqs. 1-4 (Eq. 5:
bc_core.mask). Flow time tau runs from 0 (noise) to 1 (action).
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Denoiser = Callable[[Tensor, float], Tensor]


def guidance_weight(tau: float, beta: float, prior: float = 1.0) -> float:
    """min(beta, (1 - tau) / (tau r^2)) of Eq. 2 with r^2 of Eq. 4; beta where tau = 0.

    prior: standard deviation of an action given the observation, in normalised units. Eq. 4 is the variance of the
    clean action given the noisy one if it were N(0, 1) before; with N(0, prior^2) it is
    r^2 = prior^2 (1 - tau)^2 / (prior^2 tau^2 + (1 - tau)^2).
    """
    if tau <= 0.0:
        return beta
    r_squared = (prior * (1.0 - tau)) ** 2 / ((prior * tau) ** 2 + (1.0 - tau) ** 2)
    return min(beta, (1.0 - tau) / (tau * r_squared))


def sample(
    denoise: Denoiser,
    noise: Tensor,
    steps: int | Sequence[float],
    target: Tensor | None,
    weights: Tensor,
    beta: float,
    last: Tensor | None = None,
    prior: float = 1.0,
    eta: float = 0.0,
    draw: Callable[[], Tensor] | None = None,
    known: Tensor | None = None,
) -> Tensor:
    """Integrate Eq. 1 from noise to actions, guided towards target.

    denoise(A, tau): A1hat of Eq. 3, differentiable in A; the velocity is (A1hat - A) / (1 - tau).
    noise: A^0, shape (B, H, D). steps: n equal steps, or the flow times at which the network is asked, rising from 0
    (those of a DDIM schedule: bc_core.strategies.diffusion). target: Y, shape (H, D) or (B, H, D), rows of weight 0 are
    ignored; None: plain sampling. weights: W, shape (H,) or (B, H). beta: largest guidance weight. last: W of
    the last step, if it is another than in the paper: what guidance adds there is never denoised, so zeros give chunks
    as smooth as unguided ones. prior: see guidance_weight. eta: share of fresh noise in every step, see
    stochastic_share; above 0 it needs draw() -> (B, H, D) standard normal. known: (H,) or (B, H) bool, rows whose
    action is target's: before every step they are put where their path is, at (1 - tau) A^0 + tau Y (replacement, as
    in RePaint, arXiv 2201.09865), so that the network sees them as in training, and guidance moves the others towards
    them. It needs eta = 0, since A^0 is then the noise of every step. Works under no_grad and inference_mode.
    """
    if eta > 0.0 and draw is None:
        raise ValueError(f"eta is {eta}: a stochastic sampler needs a source of noise, or eta = 0")
    if eta > 0.0 and known is not None:
        raise ValueError(f"eta is {eta}: known rows have no path where noise is drawn anew; give eta = 0, or no known")
    actions = noise
    times = [step / steps for step in range(steps)] if isinstance(steps, int) else list(steps)
    of_step = [weights] * (len(times) - 1) + [weights if last is None else last]
    for tau, after, weighted in zip(times, [*times[1:], 1.0], of_step, strict=True):
        if target is not None and known is not None:
            actions = torch.where(known[..., None], torch.lerp(noise, target, tau), actions)
        if target is None or beta == 0.0 or not bool(weighted.any()):
            with torch.no_grad():
                velocity = (denoise(actions, tau) - actions) / (1.0 - tau)
        else:
            estimate, gradient = vector_jacobian(denoise, actions, tau, target, weighted)
            velocity = (estimate - actions) / (1.0 - tau) + guidance_weight(tau, beta, prior) * gradient
        moved = actions + (after - tau) * velocity
        if draw is not None and eta > 0.0 and after < 1.0:
            fresh, noise_part = stochastic_share(tau, after, eta), actions - tau * velocity
            moved = moved + (1.0 - after) * ((math.sqrt(1.0 - fresh**2) - 1.0) * noise_part + fresh * draw())
        actions = moved
    return actions


def stochastic_share(tau: float, after: float, eta: float) -> float:
    """k in 0 ... 1: of the noise left at flow time `after`, sqrt(1 - k^2) is the old one and k is drawn anew.

    Eq. 16 of Song et al. (DDIM, arXiv 2010.02502) in flow time, k = sigma_t / sqrt(1 - alpha-bar): eta = 0 is DDIM,
    1 the ancestral sampler of DDPM (Ho et al., arXiv 2006.11239). Both keep the marginals of the path.
    """
    before, then = (tau / (1.0 - tau)) ** 2, (after / (1.0 - after)) ** 2  # signal to noise
    alpha_bar = before / (1.0 + before)
    kept = alpha_bar * (1.0 + then) / then  # alpha-bar of this step over that of the next
    return min(1.0, eta * math.sqrt((1.0 - kept) / (1.0 - alpha_bar)))


def vector_jacobian(
    denoise: Denoiser, actions: Tensor, tau: float, target: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """A1hat and (Y - A1hat)^T diag(W) dA1hat/dA of Eq. 2, both (B, H, D); one backward pass through the network."""
    with torch.inference_mode(False), torch.enable_grad():
        point = actions.clone().detach().requires_grad_(True)
        estimate = denoise(point, tau)
        # a row of weight 0 has no target, and 0 * NaN would not be 0
        scale = weights[..., None]
        error = torch.where(scale > 0.0, (target - estimate.detach()) * scale, 0.0)
        (gradient,) = torch.autograd.grad(estimate, point, error)
    return estimate.detach(), gradient
