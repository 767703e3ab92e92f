"""Intervals against published values, and properties that they must have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bc_core.report.statistics import paired_difference, quantile, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_equals_the_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3."""
    found = wilson(successes, trials)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_paired_interval_equals_the_published_one() -> None:
    """Newcombe, Statistics in Medicine 17 (1998) 2635-2650, table II, method 10: 36, 12, 2 and 0 pairs."""
    found = paired_difference([True] * 48 + [False] * 2, [True] * 36 + [False] * 12 + [True] * 2)
    assert (found.only_a, found.only_b) == (12, 2)
    assert (found.difference, found.low, found.high) == pytest.approx((0.2, 0.0569, 0.3404), abs=5e-5)


def test_mcnemar_counts_only_pairs_that_differ() -> None:
    """Five to nothing: 2 * 0.5 ** 5, however many pairs agree."""
    found = paired_difference([True] * 25, [False] * 5 + [True] * 20)
    assert found.p_value == pytest.approx(2 * 0.5**5)


def test_agreement_of_all_pairs_is_no_certainty() -> None:
    found = paired_difference([True] * 10, [True] * 10)
    assert found.difference == 0.0
    assert found.low < -0.05
    assert found.high > 0.05
    assert found.p_value == 1.0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_paired_difference_is_antisymmetric_and_inside_its_interval(pairs: list[tuple[bool, bool]]) -> None:
    a, b = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    there, back = paired_difference(a, b), paired_difference(b, a)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert -1 - 1e-9 <= there.low <= there.difference <= there.high <= 1 + 1e-9


def test_nothing_has_no_rate_and_no_pairs() -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="1 and 2"):
        paired_difference([True], [True, False])


def test_quantile_ignores_what_is_not_finite() -> None:
    assert quantile([1.0, float("nan"), 3.0, float("inf")], 0.5) == 2.0
    assert quantile([float("nan")], 0.5) is None
