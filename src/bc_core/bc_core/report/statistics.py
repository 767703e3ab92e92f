"""Intervals and tests for success rates over few, paired trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, t


@dataclass(frozen=True)
class Proportion:
    """Successes among trials; `low` and `high` bound the 95 % Wilson score interval."""

    successes: int
    trials: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """Rate of `a` less rate of `b` over the same seeds.

    only_a, only_b: seeds at which one alone succeeded. low, high: 95 % interval of the difference. p_value: exact
    two-sided McNemar test of "both succeed equally often".
    """

    pairs: int
    only_a: int
    only_b: int
    difference: float
    low: float
    high: float
    p_value: float


def wilson(successes: int, trials: int) -> Proportion:
    """The rate with its 95 % Wilson score interval (Wilson 1927). ValueError unless 0 <= successes <= trials > 0."""
    if trials <= 0:
        raise ValueError(f"a rate needs at least one trial, got {trials}")
    interval = binomtest(successes, trials).proportion_ci(confidence_level=0.95, method="wilson")
    return Proportion(successes, trials, successes / trials, float(interval.low), float(interval.high))


def paired_difference(a: Sequence[bool], b: Sequence[bool]) -> PairedDifference:
    """Compare two ways on the same seeds; a[i] and b[i] belong to seed i. ValueError if empty or of unequal length.

    Interval: Newcombe's method 10 (Statistics in Medicine 17 (1998) 2635-2650), built from the two Wilson intervals and
    the correlation of the pairs. Unlike the bootstrap it keeps its width when every pair agrees.
    """
    if len(a) != len(b) or not a:
        raise ValueError(f"pairs needed, got {len(a)} and {len(b)} results")
    both = sum(x and y for x, y in zip(a, b, strict=True))
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    neither = len(a) - both - only_a - only_b
    first, second = wilson(both + only_a, len(a)), wilson(both + only_b, len(a))
    phi = _correlation(both, only_a, only_b, neither)
    difference = first.rate - second.rate
    below = _combine(first.rate - first.low, second.high - second.rate, phi)
    above = _combine(first.high - first.rate, second.rate - second.low, phi)
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return PairedDifference(len(a), only_a, only_b, difference, difference - below, difference + above, p_value)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent runs with its 95 % interval by Student's t: mean, low, high. ValueError below two runs."""
    if len(values) < 2:
        raise ValueError(f"an interval over runs needs at least two, got {len(values)}")
    mean = float(np.mean(values))
    half = float(t.ppf(0.975, len(values) - 1)) * float(np.std(values, ddof=1)) / sqrt(len(values))
    return mean, mean - half, mean + half


def _correlation(both: int, only_a: int, only_b: int, neither: int) -> float:
    """Continuity-corrected phi of the 2x2 table of pairs; 0 where a margin is empty."""
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if margins == 0:
        return 0.0
    product = both * neither - only_a * only_b
    half = (both + only_a + only_b + neither) / 2
    corrected = max(product - half, 0.0) if product > 0 else float(product)
    return corrected / sqrt(margins)


def _combine(left: float, right: float, phi: float) -> float:
    return sqrt(max(left**2 - 2 * phi * left * right + right**2, 0.0))


def quantile(values: npt.ArrayLike, q: float) -> float | None:
    """The q-quantile (linear interpolation) of the finite values; None if there are none."""
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return float(np.quantile(finite, q)) if finite.size else None
