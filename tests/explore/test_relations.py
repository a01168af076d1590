"""Correlations, ratios and Cramér's V agree with references, ignore what is missing and correct for chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import contingency

from tasks.explore.relations import correlation, correlation_ratio, cramers_v, redundant_pairs, related_groups


def test_correlations_agree_with_pandas_also_where_values_are_missing():
    random = np.random.default_rng(0)
    columns = random.normal(size=(200, 5)) @ random.normal(size=(5, 5)) + 1e6
    columns[random.random(columns.shape) < 0.2] = np.nan
    expected = pd.DataFrame(columns).corr(min_periods=3).to_numpy()
    assert correlation(columns) == pytest.approx(expected, abs=1e-9)


def test_a_constant_or_empty_column_has_no_correlation():
    columns = np.column_stack([np.arange(5.0), np.full(5, 0.1), np.full(5, np.nan)])
    matrix = correlation(columns)
    assert matrix[0, 0] == pytest.approx(1)
    assert np.isnan(matrix[1:]).all()


def test_two_rows_have_no_correlation_and_no_columns_give_no_matrix():
    assert np.isnan(correlation(np.array([[1.0, 2.0], [2.0, 1.0]]))[0, 1])
    assert correlation(np.empty((5, 0))).shape == (0, 0)


def test_the_correlation_ratio_is_one_where_groups_settle_the_value_and_near_zero_by_chance():
    groups = np.repeat([0.0, 1.0, 2.0], 50)
    assert correlation_ratio(groups, groups * 2) == 1.0
    noise = np.random.default_rng(1).normal(size=150)
    assert correlation_ratio(groups, noise) < 0.2
    # Hand-worked: 4 of the 5 units of variation lie between the means 0.5 and 2.5; 4 rows in 2 groups.
    expected = np.sqrt(1 - (1 - 4 / 5) * 3 / 2)
    assert correlation_ratio(np.array([0.0, 0, 1, 1]), np.array([0.0, 1, 2, 3])) == pytest.approx(expected)


def test_an_identifier_does_not_seem_to_settle_the_target():
    identifiers, target = np.arange(300.0), np.random.default_rng(2).integers(0, 2, 300).astype(float)
    assert np.isnan(cramers_v(identifiers, target))
    assert np.isnan(correlation_ratio(identifiers, target))
    almost = np.floor(identifiers / 2)
    assert cramers_v(almost, target) < 0.35


def test_cramers_v_agrees_with_scipy_for_many_rows():
    random = np.random.default_rng(3)
    left = random.integers(0, 4, 20_000)
    right = np.where(random.random(20_000) < 0.3, left % 3, random.integers(0, 3, 20_000))
    table = np.zeros((4, 3), int)
    np.add.at(table, (left, right), 1)
    expected = contingency.association(table, method="cramer")
    assert cramers_v(left.astype(float), right.astype(float)) == pytest.approx(expected, abs=0.002)


def test_one_group_has_no_strength():
    assert np.isnan(cramers_v(np.zeros(9), np.arange(9.0) % 2))
    assert np.isnan(correlation_ratio(np.zeros(9), np.arange(9.0)))
    assert np.isnan(correlation_ratio(np.arange(9.0) % 2, np.full(9, 3.0)))


def test_redundant_pairs_hang_together_in_groups():
    matrix = np.eye(5)
    for left, right, value in [(0, 1, 0.99), (1, 2, -0.97), (3, 4, 0.96), (0, 2, 0.9)]:
        matrix[left, right] = matrix[right, left] = value
    pairs = redundant_pairs(matrix, tuple("abcde"))
    assert pairs == (("a", "b", 0.99), ("b", "c", -0.97), ("d", "e", 0.96))
    assert related_groups(pairs) == [["a", "b", "c"], ["d", "e"]]


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_a_relation_does_not_depend_on_the_unit(scale: float):
    random = np.random.default_rng(5)
    groups = np.arange(300) % 3.0
    values = groups + random.normal(size=300)
    assert correlation_ratio(groups, values * scale) == pytest.approx(correlation_ratio(groups, values))
    both = np.column_stack([values, random.normal(size=300) + values])
    assert correlation(both * scale) == pytest.approx(correlation(both))
