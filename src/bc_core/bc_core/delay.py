"""Estimators of the inference delay, in ticks (docs/protocol.md, "Delay")."""

import math
from collections import deque
from typing import Protocol

import numpy as np

from bc_core.errors import BcError


class DelayEstimator(Protocol):
    """Predicts the delay of the next chunk from those measured so far; deterministic, knows no clock."""

    def observe(self, delay: int) -> None:
        """Take in one measured delay [ticks]."""

    @property
    def estimate(self) -> int:
        """Predicted delay of the next chunk [ticks], >= 1."""


class Quantile:
    """A quantile of the last `window` delays: a rare spike is taken as it comes instead of prepared for all the time.

    A maximum that a spike raises freezes that many rows of every chunk until it is forgotten, and the policy acts on
    old rows meanwhile. Underestimating a spike costs one jump of the reference, which the controller fades out.
    """

    def __init__(self, initial: int, window: int, quantile: float) -> None:
        if initial < 1 or window < 1 or not 0.0 < quantile <= 1.0:
            raise ValueError(
                f"initial delay and window must be at least 1 tick and the quantile in (0, 1], got {initial}, {window}"
                f" and {quantile}"
            )
        self._delays: deque[int] = deque([initial], maxlen=window)
        self._quantile = quantile
        self._estimate = initial

    def observe(self, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"a chunk cannot take effect before its observation: delay {delay} ticks")
        self._delays.append(delay)
        # Here and not where it is asked for: a request waits for that.
        self._estimate = max(1, int(np.quantile(self._delays, self._quantile, method="inverted_cdf")))

    @property
    def estimate(self) -> int:
        return self._estimate


class WindowMax(Quantile):
    """The largest of the last `window` delays (Algorithm 1 of arXiv 2506.07339: a queue of maxlen b, first [d_init]).

    Being a sliding maximum it forgets: one slow inference raises the estimate for `window` chunks and no longer.
    """

    def __init__(self, initial: int, window: int) -> None:
        super().__init__(initial, window, quantile=1.0)


class JacobsonKarels:
    """Smoothed mean plus a multiple of the smoothed deviation (Jacobson, Karels 1988; RFC 6298, gains 1/8 and 1/4).

    deviations: how many are added to the mean. TCP adds 4, because a needless retransmission is dear to everybody; here
    an estimate too high freezes rows that could have reacted. A mean approaches a steady delay without end: less than
    SLACK [ticks] above a whole number counts as that number, or one slow inference would cost a row for ever.
    """

    SLACK = 0.1

    MEAN_GAIN = 1 / 8
    DEVIATION_GAIN = 1 / 4

    def __init__(self, initial: int, deviations: float) -> None:
        if initial < 1 or deviations < 0.0:
            raise ValueError(
                f"initial delay must be at least 1 tick and deviations not negative, got {initial} and {deviations}"
            )
        self._mean = float(initial)
        self._deviation = 0.0
        self._factor = deviations

    def observe(self, delay: int) -> None:
        if delay < 0:
            raise ValueError(f"a chunk cannot take effect before its observation: delay {delay} ticks")
        error = delay - self._mean
        self._mean += self.MEAN_GAIN * error
        self._deviation += self.DEVIATION_GAIN * (abs(error) - self._deviation)

    @property
    def estimate(self) -> int:
        return max(1, math.ceil(self._mean + self._factor * self._deviation - self.SLACK))


ESTIMATORS = ("quantile", "window_max", "jacobson_karels")


def make_estimator(name: str, initial: int, window: int, quantile: float, deviations: float = 2.0) -> DelayEstimator:
    """An estimator by name. BcError: no such estimator, or unusable numbers."""
    try:
        if name == "quantile":
            return Quantile(initial, window, quantile)
        if name == "window_max":
            return WindowMax(initial, window)
        if name == "jacobson_karels":
            return JacobsonKarels(initial, deviations)
    except ValueError as error:
        raise BcError(f"delay estimator '{name}': {error}") from error
    raise BcError(f"delay estimator is '{name}': choose one of {', '.join(ESTIMATORS)}")
