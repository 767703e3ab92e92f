"""How long a chunk takes: from a frame to absolute actions, as the policy node asks for it."""

import time
from collections.abc import Sequence

import numpy as np
import torch

from bc_core.dataset import EpisodeTicks
from bc_core.frames import Frame
from bc_core.policies.chunk_policy import ChunkPolicy

WARM_UP = 5


def measure_latency(policy: ChunkPolicy, episodes: Sequence[EpisodeTicks], count: int) -> dict[str, float]:
    """Seconds of wall clock for `count` free chunks, one after the other: p50, p95, longest; and the threads used."""
    frames = [
        Frame(episode.first_tick + int(tick), {stream: episode.values[stream][tick] for stream in policy.streams}, {})
        for episode in episodes
        for tick in np.flatnonzero(episode.has_frame)[: WARM_UP + count]
    ]
    seconds = []
    for index in range(WARM_UP + count):
        begun = time.perf_counter()
        policy.infer(frames[index % len(frames)], seed=index)
        seconds.append(time.perf_counter() - begun)
    measured = seconds[WARM_UP:]
    p50, p95 = np.quantile(measured, (0.5, 0.95))
    return {"p50": float(p50), "p95": float(p95), "longest": max(measured), "chunks": count,
            "threads": torch.get_num_threads()}  # fmt: skip
