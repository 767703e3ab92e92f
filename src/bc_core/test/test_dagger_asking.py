"""What DAgger with an expert who can be asked rests on: beta, row budgets, and the gate by disagreement."""

import numpy as np
import pytest

from bc_core.dagger.gate import Gate, disagreement
from bc_core.dagger.help import Help, HelpConfig, HelpDesk
from bc_core.dagger.mixture import Beta, Decay, RowBudget
from bc_core.errors import BcError
from bc_core.report.statistics import mean_interval
from bc_core.schema import Section

S = 1_000_000_000


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


def desk() -> HelpDesk:
    """A policy drives; help is asked for from 1 on, and awaited for 2 s."""
    made = HelpDesk(HelpConfig(threshold=1.0, patience=2.0, calm=2))
    made.on_mode(policy=True, hold=False)
    return made


def test_help_that_does_not_come_is_a_hold_that_lasts_until_somebody_decides() -> None:
    asks = desk()
    asks.on_disagreement(0.9, 0)
    assert asks.state is Help.NONE and asks.message == ""
    asks.on_disagreement(1.2, 1 * S)
    assert asks.state is Help.ASKED and "1.20 (limit 1.00)" in asks.message
    asks.on_disagreement(1.5, 2 * S)  # asked once, and waited for from then on
    assert not asks.must_hold(3 * S - 1) and asks.must_hold(3 * S)
    assert asks.must_hold(4 * S)  # the controller may not have heard
    asks.on_mode(policy=False, hold=True)
    assert not asks.must_hold(5 * S)
    assert asks.state is Help.HOLDING and asks.message.startswith("holds")
    asks.on_mode(policy=True, hold=False)  # resumed: somebody has looked
    assert asks.state is Help.NONE


@pytest.mark.parametrize("hold", [True, False])  # an operator holds the robot, or takes over
def test_help_that_comes_ends_the_request(hold: bool) -> None:
    asks = desk()
    asks.on_disagreement(1.2, 0)
    asks.on_mode(policy=False, hold=hold)
    assert asks.state is Help.NONE and not asks.must_hold(10 * S)
    asks.on_disagreement(9.0, 11 * S)  # of a chunk that nobody follows any more
    assert asks.state is Help.NONE


def test_members_who_agree_again_withdraw_the_request() -> None:
    asks = desk()
    for time, value in enumerate((1.2, 0.5, 1.1, 0.5)):
        asks.on_disagreement(value, time * S // 10)
        assert asks.state is Help.ASKED
    asks.on_disagreement(0.5, S)
    assert asks.state is Help.NONE and not asks.must_hold(10 * S)


def test_an_interval_over_runs_is_students() -> None:
    mean, low, high = mean_interval([0.2, 0.4, 0.6])
    assert mean == pytest.approx(0.4)
    assert high - mean == pytest.approx(mean - low) == pytest.approx(4.303 * 0.2 / 3**0.5, rel=1e-3)
    with pytest.raises(ValueError, match="two"):
        mean_interval([0.5])
