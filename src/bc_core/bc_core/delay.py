"""Estimators of the inference delay, in ticks (docs/protocol.md, "Delay")."""

from collections import deque
from typing import Protocol


class DelayEstimator(Protocol):
    """Predicts the delay of the next chunk from those measured so far; deterministic, knows no clock."""

    def observe(self, delay: int) -> None:
        """Take in one measured delay [ticks]."""

    @property
    def estimate(self) -> int:
        """Predicted delay of the next chunk [ticks], >= 1."""


class WindowMax:
    """The largest of the last `window` delays (Algorithm 1 of arXiv 2506.07339: a queue of maxlen b, first [d_init]).

    Being a sliding maximum it forgets: one slow inference raises the estimate for `window` chunks and no longer.
    """

    def __init__(self, initial: int, window: int) -> None:
        if initial < 1 or window < 1:
            raise ValueError(f"initial delay and window must be at least 1 tick, got {initial} and {window}")
        self._delays: deque[int] = deque([initial], maxlen=window)

    def observe(self, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"a chunk cannot take effect before its observation: delay {delay} ticks")
        self._delays.append(delay)

    @property
    def estimate(self) -> int:
        return max(1, max(self._delays))
