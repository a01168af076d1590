from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import binomtest, norm

from tasks.core.stats.proportions import (
    CONTINUITY,
    disagreement,
    mcnemar_midp,
    tango_interval,
    tango_statistic,
)
from tasks.core.stats.score import score_interval, score_statistic

tables = st.integers(1, 60).flatmap(
    lambda rows: st.integers(0, rows).flatmap(
        lambda gained: st.tuples(st.just(gained), st.integers(0, rows - gained), st.just(rows))
    )
)


# (challenger alone right, champion alone right, rows) with the published 95 % limits.
PUBLISHED = [
    # Fagerland, Lydersen, Laake (2014), Statistics in Medicine 33: airway hyper-responsiveness (Bentur 2009) …
    (1, 7, 21, -0.517, -0.026),
    # … and complete response before and after consolidation therapy (Cavo 2012).
    (6, 16, 161, -0.1240, -0.0054),
]


@pytest.mark.parametrize(("gained", "lost", "rows", "lower", "upper"), PUBLISHED)
def test_tango_interval_gives_the_published_limits(gained, lost, rows, lower, upper):
    assert tango_interval(gained, lost, rows, 0.95) == pytest.approx((lower, upper), abs=6e-4)


@pytest.mark.parametrize(
    ("gained", "lost", "two_sided"),
    [(7, 1, 0.0391), (16, 6, 0.0347)],  # Fagerland, Lydersen, Laake (2013), its two examples
)
def test_mcnemar_midp_gives_the_published_values(gained, lost, two_sided):
    assert 2 * mcnemar_midp(gained, lost) == pytest.approx(two_sided, abs=5e-5)


def test_mcnemar_midp_is_the_exact_test_less_half_the_observed_point():
    for gained, lost in [(3, 0), (5, 2), (0, 4), (10, 10)]:
        exact = binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue
        point = exact - binomtest(gained + 1, gained + lost, 0.5, alternative="greater").pvalue if lost else 0.5**gained
        assert mcnemar_midp(gained, lost) == pytest.approx(exact - point / 2, abs=1e-12)
    assert mcnemar_midp(0, 0) == 0.5


def test_tango_statistic_at_zero_is_mcnemars():
    assert float(tango_statistic(16, 6, 161, 0.0)) == pytest.approx(10 / np.sqrt(22))


@given(tables, st.floats(0.6, 0.99))
@settings(max_examples=60, deadline=None)
def test_swapping_the_models_mirrors_tangos_interval(table, confidence):
    gained, lost, rows = table
    lower, upper = tango_interval(gained, lost, rows, confidence, CONTINUITY)
    assert tango_interval(lost, gained, rows, confidence, CONTINUITY) == pytest.approx((-upper, -lower), abs=1e-9)
    assert lower - 1e-9 <= (gained - lost) / rows <= upper + 1e-9


@given(tables, st.floats(0.6, 0.9))
@settings(max_examples=60, deadline=None)
def test_more_confidence_never_narrows_tangos_interval(table, confidence):
    gained, lost, rows = table
    narrow = tango_interval(gained, lost, rows, confidence, CONTINUITY)
    wide = tango_interval(gained, lost, rows, confidence + 0.08, CONTINUITY)
    assert wide[0] <= narrow[0] + 1e-9
    assert wide[1] >= narrow[1] - 1e-9


@given(tables, st.floats(-0.9, 0.9))
@settings(max_examples=80, deadline=None)
def test_the_general_score_statistic_is_tangos_where_values_are_minus_one_zero_one(table, null):
    gained, lost, rows = table
    counts = np.array([lost, rows - gained - lost, gained], float)
    values = np.array([-1.0, 0.0, 1.0])[counts > 0]
    ours = score_statistic(values, counts[counts > 0], null, 1.0, CONTINUITY)
    theirs = float(tango_statistic(gained, lost, rows, null, CONTINUITY))
    assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("gained", "lost", "rows"), [(0, 0, 85), (3, 1, 85), (6, 16, 161), (0, 1, 44)])
def test_the_general_score_interval_is_tangos(gained, lost, rows):
    values = np.r_[np.ones(gained), -np.ones(lost), np.zeros(rows - gained - lost)]
    assert score_interval(values, 1.0, 0.9, CONTINUITY) == pytest.approx(
        tango_interval(gained, lost, rows, 0.9, CONTINUITY), abs=1e-7
    )


def trinomial(rows: int, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All tables with up to `reach` rows per discordant cell, and the logarithm of their multiplicity."""
    gained, lost = (grid.ravel() for grid in np.meshgrid(np.arange(reach + 1), np.arange(reach + 1)))
    fits = gained + lost <= rows
    gained, lost = gained[fits], lost[fits]
    ways = gammaln(rows + 1) - gammaln(gained + 1) - gammaln(lost + 1) - gammaln(rows - gained - lost + 1)
    return gained, lost, ways


def size(rows: int, margin: float, discordant: float, refused: np.ndarray, tables: tuple) -> float:
    """Exact chance of a table in `refused` when the challenger is worse by `margin`."""
    gained, lost, ways = tables
    up, down = max((discordant - margin) / 2, 1e-300), (discordant + margin) / 2
    logarithm = ways + gained * np.log(up) + lost * np.log(down) + (rows - gained - lost) * np.log1p(-up - down)
    return float(np.exp(logarithm[refused]).sum())


@pytest.mark.parametrize("rows", [50, 85, 270])
@pytest.mark.parametrize("margin_in_rows", [3.2, 4, 5, 7, 10])
def test_tango_with_the_correction_keeps_its_size_by_complete_enumeration(rows, margin_in_rows):
    margin = margin_in_rows / rows
    tables = trinomial(rows, min(rows, 70))
    refused = tango_statistic(tables[0], tables[1], rows, -margin, CONTINUITY) > norm.ppf(0.95)
    rates = [margin * factor for factor in (1.0, 1.05, 1.1, 1.2, 1.4, 1.7, 2, 3) if margin * factor < 0.9]
    assert max(size(rows, margin, rate, refused, tables) for rate in rates) <= 0.0505


def test_tango_without_the_correction_does_not_keep_its_size():
    tables = trinomial(85, 70)
    refused = tango_statistic(tables[0], tables[1], 85, -10 / 85) > norm.ppf(0.95)
    assert max(size(85, 10 / 85, 10 / 85 * factor, refused, tables) for factor in (1.0, 1.1, 1.4)) > 0.053


@pytest.mark.parametrize("rows", [20, 85, 270])
def test_mcnemar_midp_keeps_its_size_by_complete_enumeration(rows):
    tables = trinomial(rows, min(rows, 60))
    refused = np.array(
        [mcnemar_midp(*pair) <= 0.05 for pair in zip(tables[0].tolist(), tables[1].tolist(), strict=True)]
    )
    assert max(size(rows, 0.0, rate, refused, tables) for rate in (0.01, 0.02, 0.05, 0.1, 0.15)) <= 0.0505


def test_disagreement_is_the_share_of_discordant_rows():
    assert disagreement(2, 3, 100) == 0.05


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="5 \\+ 6 discordant rows do not fit into 10 rows"):
        tango_interval(5, 6, 10, 0.9)
