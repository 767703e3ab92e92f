"""Normalisation of a policy in LeRobot's architecture from data: one scale per column, the same in every row and tick.

ACT takes mean and standard deviation; diffusion, whose sampler clips at 1, the interval to [-1, 1].
"""

import numpy as np
import numpy.typing as npt

from bc_core.chunks import Array
from bc_core.errors import BcError
from bc_core.normalisation import MINIMAL_STD, Normaliser
from bc_core.policies.config import PolicyConfig
from bc_core.policies.lerobot.config import LeRobotDiffusionConfig


def fit_plain(
    features: Array, actions: Array, valid: npt.NDArray[np.bool_], config: PolicyConfig
) -> tuple[Normaliser, Normaliser]:
    """Of features (N, n_obs_steps * W) and rows (N, H, D) where valid (N, H). BcError: it cannot be trained here."""
    head = config.head
    interval = isinstance(head, LeRobotDiffusionConfig)
    if isinstance(head, LeRobotDiffusionConfig) and not head.group_norm:
        raise BcError("policy.group_norm = false: batch statistics are not trained here, set group_norm: true")
    observed = _columns(features.reshape(len(features) * config.n_obs_steps, -1), interval)
    rows = _columns(actions[valid], interval)
    repeat = config.n_obs_steps, (config.horizon, 1)
    return (
        Normaliser(np.tile(observed.mean, repeat[0]), np.tile(observed.std, repeat[0])),
        Normaliser(np.tile(rows.mean, repeat[1]), np.tile(rows.std, repeat[1])),
    )


def _columns(data: Array, interval: bool) -> Normaliser:
    """Of data (N, W)."""
    if interval:
        low, high = data.min(axis=0), data.max(axis=0)
        return Normaliser((low + high) / 2.0, np.maximum((high - low) / 2.0, MINIMAL_STD))
    return Normaliser(data.mean(axis=0), np.maximum(data.std(axis=0), MINIMAL_STD))
