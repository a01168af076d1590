from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from tasks.core.stats.bootstrap import LARGE, by_group, ratio, ratio_error, ratio_freedom, studentised_interval
from tasks.core.stats.score import BINS, compress, score_interval


def normal(seed: int, count: int = 80) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.normal(0.2, 1, count), np.ones(count)


def test_error_of_a_mean_is_the_textbook_one():
    values, ones = normal(0)
    assert ratio_error(values, ones) == pytest.approx(values.std(ddof=1) / np.sqrt(len(values)))


def test_error_within_strata_leaves_out_the_difference_between_them():
    strata = np.repeat([0, 1], 40)
    values = normal(1)[0] + 100 * strata
    apart = [values[strata == label].var(ddof=1) / 40 for label in (0, 1)]
    assert ratio_error(values, np.ones(80), strata) == pytest.approx(np.sqrt(sum(apart)) / 2)


def test_normal_values_keep_their_degrees_of_freedom_and_one_large_loss_takes_nearly_all():
    values, ones = normal(11, 5000)
    assert ratio_freedom(values, ones) == pytest.approx(4999, rel=0.1)
    values[0] = 1e4
    assert ratio_freedom(values, ones) == pytest.approx(2, rel=0.01)
    assert ratio_freedom(np.ones(9), np.ones(9)) == 8


def test_the_bootstrap_of_normal_values_is_students_interval():
    values, ones = normal(2, 60)
    half = student.ppf(0.95, 59) * values.std(ddof=1) / np.sqrt(60)
    lower, upper = studentised_interval(values, ones, 0.9)
    assert lower == pytest.approx(values.mean() - half, abs=0.12 * half)
    assert upper == pytest.approx(values.mean() + half, abs=0.12 * half)


def test_the_interval_leans_towards_the_long_tail():
    values = np.random.default_rng(3).lognormal(0, 1, 100)
    lower, upper = studentised_interval(values, np.ones(100), 0.9)
    assert upper - values.mean() > 1.2 * (values.mean() - lower)


@pytest.mark.parametrize("strata", [None, np.repeat([0, 1], [30, 50])])
def test_order_of_rows_does_not_matter(strata):
    values, ones = normal(4)
    order = np.random.default_rng(0).permutation(80)
    moved = studentised_interval(values[order], ones, 0.9, strata=None if strata is None else strata[order])
    assert moved == pytest.approx(studentised_interval(values, ones, 0.9, strata=strata), rel=1e-9)


def test_the_sign_mirrors_the_interval():
    values, ones = normal(5)
    lower, upper = studentised_interval(values, ones, 0.9)
    assert studentised_interval(-values, ones, 0.9) == pytest.approx((-upper, -lower), rel=1e-9)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    values, ones = normal(6)
    assert studentised_interval(values, ones, 0.9) == studentised_interval(values, ones, 0.9)
    assert studentised_interval(values, ones, 0.9) != studentised_interval(values, ones, 0.9, seed=1)


def test_resamples_without_spread_leave_the_interval_unbounded():
    values = np.zeros(40)
    values[0] = -1.0
    assert studentised_interval(values, np.ones(40), 0.9)[0] == -np.inf


def test_many_rows_take_the_normal_interval():
    values, ones = normal(7, LARGE)
    lower, upper = studentised_interval(values, ones, 0.9)
    assert upper - lower == pytest.approx(2 * 1.6448536 * ratio_error(values, ones), rel=1e-6)


def test_by_group_keeps_the_mean_and_widens_the_error_of_rows_that_agree():
    groups = np.repeat(np.arange(20), 5)
    values = np.repeat(np.random.default_rng(8).normal(size=20), 5)
    sums = by_group(values, groups)
    assert ratio(sums, np.ones(20)) == pytest.approx(values.mean())
    assert ratio_error(sums, np.ones(20)) > 2 * ratio_error(values, np.ones(100))


def test_compress_keeps_mean_and_variance_of_many_values():
    values = np.random.default_rng(9).normal(size=50_000)
    distinct, counts = compress(values)
    assert len(distinct) <= BINS
    assert distinct @ counts / counts.sum() == pytest.approx(values.mean(), abs=1e-9)
    assert (distinct**2) @ counts / counts.sum() == pytest.approx((values**2).mean(), rel=1e-5)


def test_the_score_interval_of_many_small_differences_is_the_normal_one():
    values = np.random.default_rng(10).normal(0.01, 0.1, 4000)
    half = 1.6448536 * values.std() / np.sqrt(4000)
    lower, upper = score_interval(values, 1.0, 0.9)
    assert (lower, upper) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.05 * half)


def test_no_difference_at_all_still_leaves_a_width_of_about_three_rows():
    lower, upper = score_interval(np.zeros(270), 1.0, 0.9, 0.25)
    assert -lower == pytest.approx(upper)
    assert 3.0 / 270 < upper < 3.4 / 270
