"""Inference latency injected for experiments: what a larger network, or a network link, would add."""

import numpy as np

from bc_core.errors import BcError

PROFILES = ("none", "jitter")
JITTER_RANGE = (0.150, 0.250)  # s
SPIKE = 0.400  # s
SPIKE_PROBABILITY = 0.02


class InjectedLatency:
    """Draws one latency per inference [s]: "none", or "jitter" (uniform 150 ... 250 ms, 400 ms in 2 % of the cases)."""

    def __init__(self, profile: str, seed: int) -> None:
        if profile not in PROFILES:
            raise BcError(f"inject_latency is '{profile}': choose one of {', '.join(PROFILES)}")
        self._profile = profile
        self._rng = np.random.default_rng(seed)

    def draw(self) -> float:
        if self._profile == "none":
            return 0.0
        spike = self._rng.random() < SPIKE_PROBABILITY
        jitter = float(self._rng.uniform(*JITTER_RANGE))
        return SPIKE if spike else jitter
