"""What DAgger with an expert who can be asked rests on: beta, row budgets, and the gate by disagreement."""

import numpy as np
import pytest

from bc_core.dagger.gate import Gate, disagreement
from bc_core.dagger.mixture import Beta, Decay, RowBudget
from bc_core.errors import BcError
from bc_core.report.statistics import mean_interval
from bc_core.schema import Section


def test_beta_falls_as_in_the_paper() -> None:
    assert [Beta(Decay.INDICATOR).of(i) for i in range(3)] == [1.0, 0.0, 0.0]
    assert [Beta(Decay.EXPONENTIAL, 0.5).of(i) for i in range(4)] == [1.0, 0.5, 0.25, 0.125]
    rng = np.random.default_rng(0)
    half = [Beta(Decay.EXPONENTIAL, 0.5).expert_drives(1, rng) for _ in range(2000)]
    assert np.mean(half) == pytest.approx(0.5, abs=0.05)
    assert not any(Beta().expert_drives(1, rng) for _ in range(50))
    assert Beta.from_section(Section({"decay": "exponential", "p": 0.7}, "file")).of(2) == pytest.approx(0.49)
    with pytest.raises(BcError, match="decay"):
        Beta.from_section(Section({"decay": "linear"}, "file"))


def test_a_budget_counts_rows_and_is_not_overdrawn() -> None:
    budget = RowBudget(50)
    budget.spend(24)
    budget.spend(24)
    assert budget.left == 2 and not budget.affords(24)
    with pytest.raises(ValueError, match="2 of 50"):
        budget.spend(24)
    assert budget.spent == 48


def test_the_gate_asks_where_members_disagree() -> None:
    chunks = np.zeros((3, 4, 8, 2))
    chunks[:, 1] = np.array([-1.0, 0.0, 1.0])[:, None, None]
    chunks[:, 2] = 0.1 * np.array([-1.0, 0.0, 1.0])[:, None, None]
    apart = disagreement(chunks)
    np.testing.assert_allclose(apart, np.sqrt(2.0 / 3.0) * np.array([0.0, 1.0, 0.1, 0.0]))
    assert Gate(0.5).asks(apart).tolist() == [False, True, False, False]
    assert Gate.at_share(apart, 0.5).asks(apart).tolist() == [False, True, True, False]
    with pytest.raises(ValueError, match="two"):
        disagreement(chunks[:1])


def test_an_interval_over_runs_is_students() -> None:
    mean, low, high = mean_interval([0.2, 0.4, 0.6])
    assert mean == pytest.approx(0.4)
    assert high - mean == pytest.approx(mean - low) == pytest.approx(4.303 * 0.2 / 3**0.5, rel=1e-3)
    with pytest.raises(ValueError, match="two"):
        mean_interval([0.5])
