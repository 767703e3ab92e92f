"""Inference delays in virtual time: integers fixed before an episode begins, so that every arm meets the same ones."""

import numpy as np
import numpy.typing as npt

Delays = npt.NDArray[np.int64]
"""(E, R): delay of the r-th request of episode e [ticks]."""


def constant(episodes: int, requests: int, delay: int) -> Delays:
    return np.full((episodes, requests), delay, dtype=np.int64)


def spike_mixture(episodes: int, requests: int, usual: int, spike: int, share: float, seed: int) -> Delays:
    """`usual` ticks, now and then one more (one in five); with probability `share` a spike of `spike` ticks."""
    rng = np.random.default_rng(seed)
    delays = usual + (rng.random((episodes, requests)) < 0.2)
    return np.where(rng.random((episodes, requests)) < share, spike, delays).astype(np.int64)


def autoregressive(
    episodes: int, requests: int, mean: float, deviation: float, correlation: float, largest: int, seed: int
) -> Delays:
    """AR(1): load that comes and goes. Stationary mean and deviation [ticks], rounded, within 0 ... largest."""
    rng = np.random.default_rng(seed)
    shocks = rng.standard_normal((episodes, requests))
    value, series = shocks[:, 0], []
    for column in range(requests):
        series.append(value)
        value = correlation * value + np.sqrt(1.0 - correlation**2) * shocks[:, min(column + 1, requests - 1)]
    delays = np.rint(mean + deviation * np.stack(series, axis=1))
    return np.clip(delays, 0, largest).astype(np.int64)
