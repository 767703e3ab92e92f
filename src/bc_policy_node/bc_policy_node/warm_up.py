"""The first inferences are slow (caches, allocations, kernels); they happen here, before any chunk counts."""

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from bc_core.frames import Frame
from bc_core.mask import GUIDED, Mask
from bc_core.policies.base import Policy

ROUNDS = 5


def warm_up(policy: Policy) -> float:
    """Run every mask that the policy supports a few times; returns the seconds of the last guided (else free) chunk."""
    values: dict[str, npt.NDArray[Any]] = {}
    for stream in policy.streams:
        observation = policy.contract.observations[stream]
        if observation.is_image:
            dtype = np.float32 if observation.is_depth else np.uint8
            values[stream] = np.zeros((policy.n_obs_steps, *observation.shape), dtype=dtype)
        else:
            width = len(observation.fields) * max(1, len(observation.names))
            values[stream] = np.ones((policy.n_obs_steps, width))  # ones: a quaternion of zeros would be none
    frame = Frame(tick=0, values=values, stamps=dict.fromkeys(policy.streams, (0,)))
    free = policy.infer(frame, None, 0, 1, Mask.FREE, seed=0)
    prefix = free[: policy.horizon // 2]  # no zeros: where poses are commanded, a row must hold a rotation
    seconds = 0.0
    for _ in range(ROUNDS):
        for mask in sorted(policy.masks):
            frozen = 0 if mask in (Mask.FREE, Mask.COHERENT) else policy.horizon // 4
            begin = time.monotonic()
            policy.infer(frame, prefix, frozen, policy.horizon // 2, mask, seed=0)
            if mask is Mask.FREE or mask in GUIDED:
                seconds = time.monotonic() - begin
    return seconds
