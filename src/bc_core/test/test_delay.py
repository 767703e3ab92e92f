"""Delay estimators: deterministic, forgetful, and honest about what they take in."""

import pytest

from bc_core.delay import ESTIMATORS, JacobsonKarels, Quantile, WindowMax, make_estimator
from bc_core.errors import BcError


def test_the_window_maximum_forgets_a_spike_after_its_window() -> None:
    estimator = WindowMax(initial=2, window=4)
    estimates = []
    for delay in (3, 9, 3, 3, 3, 3):
        estimator.observe(delay)
        estimates.append(estimator.estimate)
    assert estimates == [3, 9, 9, 9, 9, 3]


def test_the_quantile_is_not_moved_by_a_rare_spike_but_by_a_lasting_change() -> None:
    estimator = Quantile(initial=4, window=20, quantile=0.9)
    for _ in range(30):
        estimator.observe(5)
    estimator.observe(9)
    assert estimator.estimate == 5
    for _ in range(3):
        estimator.observe(8)
    assert estimator.estimate == 8


def test_jacobson_karels_follows_mean_and_deviation_and_forgets_both() -> None:
    estimator = JacobsonKarels(initial=4, deviations=4.0)
    estimator.observe(8)  # mean 4.5, deviation 1
    assert estimator.estimate == 9
    estimator.observe(8)  # mean 4.9375, deviation 0.75 + 3.5 / 4 = 1.625
    assert estimator.estimate == 12
    for _ in range(80):
        estimator.observe(5)
    assert estimator.estimate == 5  # the steady delay itself, to which the mean converges from above


@pytest.mark.parametrize("name", ESTIMATORS)
def test_before_anything_was_measured_the_estimate_is_the_initial_one(name: str) -> None:
    assert make_estimator(name, initial=6, window=5, quantile=0.9).estimate == 6


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_chunk_before_its_observation_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="delay -1"):
        make_estimator(name, initial=6, window=5, quantile=0.9).observe(-1)


@pytest.mark.parametrize(
    ("name", "initial", "quantile", "message"),
    [
        ("median", 1, 0.5, "'median': choose one of"),
        ("quantile", 0, 0.9, "at least 1"),
        ("quantile", 1, 0.0, "0.0"),
        ("jacobson_karels", 0, 0.9, "at least 1"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, initial: int, quantile: float, message: str) -> None:
    with pytest.raises(BcError, match=message):
        make_estimator(name, initial, window=5, quantile=quantile)
