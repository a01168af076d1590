"""The threshold keeps its budget of false alarms, for independent rows and for slow series, and says when it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.monitor.budget import LARGEST_SHARE, Budget, Persistence, alarm_share, choose_rank, expected_alarms, reach
from tasks.monitor.calibrate import calibrate
from tasks.monitor.effects import reference
from tasks.monitor.stillness import FEWEST_WINDOWS, MOST_WINDOWS, Still, still, window_rows, window_starts
from tests.monitor.streams import alarms, series

WEEKLY = Budget(alarms=4, windows=52, confirm=2, of=2)
DAILY = Budget(alarms=4, windows=365, confirm=2, of=2)
HOURLY = Budget(alarms=4, windows=8760, confirm=2, of=2)
INDEPENDENT = Persistence.of([0.0])


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_the_budget_holds_on_a_short_history(correlation):
    found = alarms(correlation, 1200, 100, WEEKLY, histories=40)
    assert found.a_year - 3 * found.error <= WEEKLY.alarms
    assert found.above < 0.2


def test_scattered_windows_would_promise_too_much_on_a_slow_series():
    """Why windows are contiguous: effects of scattered ones are much smaller on a series with a memory."""
    random = np.random.default_rng(0)
    values = series(1, 2400, 0.9, random)[0]
    against = reference(values, "numbers")
    found = still(against, against.encode(values), np.ones(2400, bool), window_starts(2400, 100), 100)
    assert found.contiguous.mean() > 2 * found.scattered.mean()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9, 0.97])
@pytest.mark.parametrize(
    ("history", "rows", "budget"),
    [(1200, 100, WEEKLY), (2400, 200, DAILY), (3000, 100, DAILY), (6000, 60, HOURLY), (1200, 100, HOURLY)],
)
def test_the_budget_holds_in_every_world(correlation, history, rows, budget):
    found = alarms(correlation, history, rows, budget, histories=300)
    # Twelve windows of a hundred rows with a memory of thirty: at hourly windows nothing is known that far out.
    allowed = 2 * budget.alarms if budget is HOURLY and correlation > 0.95 else budget.alarms
    assert found.a_year - 3 * found.error <= allowed
    assert found.above < 0.15


def test_independent_windows_confirm_as_the_binomial_law_says():
    share = np.array([0.01, 0.1, 0.4])
    assert alarm_share(share, share, 1, 1) == pytest.approx(share)
    assert alarm_share(share, share, 2, 2) == pytest.approx(share**2)
    assert alarm_share(share, share, 2, 3) == pytest.approx(share * (1 - (1 - share) ** 2))
    assert INDEPENDENT.after(share) == pytest.approx(share, rel=1e-6)


def test_windows_that_resemble_each_other_confirm_more_often():
    share = np.array([0.05])
    slow = Persistence.of([0.8]).after(share)
    assert slow > 5 * share
    simulated = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 400_000)
    above = np.abs(simulated) > np.quantile(np.abs(simulated), 0.95)
    assert slow[0] == pytest.approx((above[:, 0] & above[:, 1]).mean() / 0.05, rel=0.05)


@settings(deadline=None, max_examples=40)
@given(st.integers(12, 400), st.floats(0, 0.9), st.integers(1, 3), st.integers(0, 2))
def test_the_rank_keeps_the_budget_and_the_single_verdict(windows, serial, confirm, more):
    budget = Budget(4, 365, confirm, confirm + more)
    persistence = Persistence.of([serial])
    rank, supported = choose_rank(windows, persistence, budget)
    assert supported == expected_alarms(1, windows, persistence, budget)
    assert rank == 1 or expected_alarms(rank, windows, persistence, budget) <= budget.alarms
    assert rank == 1 or rank / (windows + 1) <= LARGEST_SHARE


def test_the_largest_of_m_is_expected_to_lie_below_two_of_two_as_the_beta_law_says():
    assert expected_alarms(1, 12, INDEPENDENT, WEEKLY) == pytest.approx(52 * 2 / (13 * 14), rel=0.05)


def test_a_history_too_short_for_the_budget_says_so_and_goes_beyond_its_windows():
    columns = [Still(np.linspace(0.05, 0.1, 12), np.linspace(0.05, 0.1, 60), 0.0)]
    weekly, hourly = (calibrate(columns, 100, budget) for budget in (WEEKLY, HOURLY))
    assert not weekly.extrapolated and weekly.supported_rate <= 4
    assert hourly.extrapolated and hourly.supported_rate > 4
    assert hourly.threshold > 1.5 * weekly.threshold
    assert reach(INDEPENDENT, HOURLY, hourly.supported_rate) > reach(INDEPENDENT, DAILY, 10) > 1


def test_a_longer_history_supports_a_smaller_rate():
    rates = [choose_rank(windows, INDEPENDENT, HOURLY)[1] for windows in (12, 50, 200)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > HOURLY.alarms > rates[2]


def test_a_column_that_never_varied_needs_more_than_one_new_value():
    found = calibrate([Still(np.zeros(12), np.zeros(60), 0.0)], 100, WEEKLY)
    assert found.spreads[0] == 0.01
    assert found.threshold == 0


def test_windows_are_disjoint_end_with_the_newest_row_and_are_many_but_not_too_many():
    starts = window_starts(1003, 100)
    assert list(starts) == list(range(3, 1003, 100))
    many = window_starts(100_000, 20)
    assert len(many) == MOST_WINDOWS and many[-1] == 99_980 and (np.diff(many) >= 20).all()


def test_a_window_larger_than_the_history_allows_is_judged_by_smaller_ones():
    assert window_rows(1200, 100) == 100
    assert window_rows(1200, 5000) == 100
    assert window_rows(FEWEST_WINDOWS * 10 - 1, 50) == 0
