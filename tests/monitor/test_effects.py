"""Effect sizes: in [0, 1], scale-free, without a unit, and the same for a part of the reference."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from tasks.core.feature_kinds import (
    CategoricalFeature,
    DropFeature,
    ImageFeature,
    NumericFeature,
    SeriesFeature,
    TextFeature,
)
from tasks.monitor.effects import Kind, effect, kinds, reference, values_of

numbers = st.lists(st.one_of(st.none(), st.integers(-9, 9), st.floats(-50, 50)), min_size=1, max_size=40)
labels = st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c", "1", "1.0"])), min_size=1, max_size=40)
anything = st.lists(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([1])),
    min_size=1,
    max_size=20,
)


def column(values: list) -> pd.Series:
    return pd.Series(values, dtype=object)


@settings(deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40), st.lists(st.integers(-9, 9), min_size=1, max_size=40))
def test_numbers_have_the_distance_of_kolmogorov_and_smirnov(old, new):
    known = ks_2samp(old, new, method="asymp").statistic
    assert effect(column(old), column(new), "numbers") == pytest.approx(known, abs=1e-12)


@settings(deadline=None)
@given(labels, labels)
def test_labels_have_half_the_sum_of_the_differences_of_their_shares(old, new):
    shares = [pd.Series([str(label) for label in side]).value_counts(normalize=True) for side in (old, new)]
    expected = shares[0].subtract(shares[1], fill_value=0).abs().sum() / 2
    assert effect(column(old), column(new), "labels") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kind", ["numbers", "labels"])
@settings(deadline=None)
@given(values=numbers)
def test_a_frame_has_not_moved_from_itself_in_whatever_order(kind: Kind, values):
    assert effect(column(values), column(values[::-1]), kind) == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(numbers, numbers, st.sampled_from(["numbers", "labels"]))
def test_an_effect_is_a_share_and_does_not_care_which_side_is_which(old, new, kind: Kind):
    found = effect(column(old), column(new), kind)
    assert 0 <= found <= 1
    assert found == pytest.approx(effect(column(new), column(old), kind), abs=1e-12)


@settings(deadline=None)
@given(numbers, numbers)
def test_a_monotone_change_of_scale_changes_nothing(old, new):
    both = [[None if value is None else float(value) for value in side] for side in (old, new)]
    plain = effect(column(both[0]), column(both[1]), "numbers")
    ranks = {value: place for place, value in enumerate(sorted({v for side in both for v in side if v is not None}))}
    for scaled in (lambda v: 3.0 * ranks[v] + 7, lambda v: -float(ranks[v])):
        moved = [column([None if value is None else scaled(value) for value in side]) for side in both]
        assert effect(*moved, "numbers") == pytest.approx(plain, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=40), st.floats(0, 4), st.floats(0, 4))
def test_a_larger_shift_is_no_smaller_an_effect(values, step, more):
    old, near, far = (np.array(values) + shift for shift in (0, step, step + more))
    assert (
        effect(pd.Series(old), pd.Series(near), "numbers") <= effect(pd.Series(old), pd.Series(far), "numbers") + 1e-9
    )


@settings(deadline=None)
@given(numbers, numbers)
def test_the_difference_of_the_missing_shares_is_never_passed_over(old, new):
    missing = [pd.Series(side, dtype=object).isna().mean() for side in (old, new)]
    assert effect(column(old), column(new), "numbers") >= abs(missing[0] - missing[1]) - 1e-12


@settings(deadline=None, max_examples=60)
@given(anything, anything, st.sampled_from(["numbers", "labels"]))
def test_odd_values_are_compared_and_never_raise(old, new, kind: Kind):
    assert 0 <= effect(column(old), column(new), kind) <= 1


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=6, max_size=60), st.data())
def test_a_window_inside_the_reference_is_compared_with_the_rest(values, data):
    rows = data.draw(st.integers(1, len(values) - 1))
    start = data.draw(st.integers(0, len(values) - rows))
    part, rest = values[start : start + rows], values[:start] + values[start + rows :]
    for kind in ("numbers", "labels"):
        whole = effect(column(values), column(part), kind) * len(values) / (len(values) - rows)
        assert whole == pytest.approx(effect(column(rest), column(part), kind), abs=1e-9)


def test_new_labels_and_new_numbers_count():
    assert effect(pd.Series(["a", "b"]), pd.Series(["c", "d"]), "labels") == 1
    assert effect(pd.Series([1, 2]), pd.Series([8, 9]), "numbers") == 1
    assert effect(pd.Series(["a"] * 9), pd.Series(["a"] * 8 + ["new", "newer"]), "labels") == pytest.approx(0.2)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([True, False, None, True], dtype="boolean"),
        pd.Series([1, 0, None, 1], dtype="Int64"),
        pd.Series([1.0, 0.0, np.nan, 1.0]),
        pd.Series(["1", "0", None, "1"]),
        pd.Series(["1", "0", None, "1"], dtype="category"),
        pd.Series([1, 0, None, 1], dtype="Float64"),
    ],
    ids=lambda series: str(series.dtype),
)
def test_the_type_of_a_column_is_not_its_distribution(series):
    assert effect(pd.Series([1, 0, None, 1], dtype=object), series, "numbers") == 0


def test_times_are_numbers_and_times_that_are_none_are_missing():
    old = pd.Series(pd.to_datetime(["2026-01-01", "2026-01-02", None]))
    assert effect(old, old.dt.tz_localize("Europe/Paris"), "numbers") == pytest.approx(1 / 3)
    assert effect(old, pd.Series(pd.to_timedelta([None, None, None])), "numbers") == pytest.approx(2 / 3)


def test_many_labels_are_counted_as_few_are(monkeypatch):
    random = np.random.default_rng(0)
    values = values_of(pd.Series(random.integers(0, 300, 4000).astype(str)), "labels")
    against = reference(values, "labels")
    windows = against.encode(values).reshape(20, 200)
    filled = against.effects(windows)
    monkeypatch.setattr("tasks.monitor.effects.DENSE", 0)
    assert np.allclose(against.effects(windows), filled)


def test_every_pixel_is_a_column_and_what_is_dropped_is_none():
    features = {
        "a": CategoricalFeature(kind="categorical"),
        "image": ImageFeature(kind="image", size=(1, 2)),
        "b": NumericFeature(kind="numeric"),
        "c": DropFeature(kind="drop"),
    }
    assert kinds(features) == {"a": "labels", "image_0_0": "numbers", "image_0_1": "numbers", "b": "numbers"}


def test_sixty_four_columns_of_two_hundred_windows_take_less_than_two_seconds():
    random = np.random.default_rng(0)
    rows = random.normal(size=(64, 20_000))
    windows = random.integers(0, 20_000, (200, 2000))
    started = time.process_time()
    for values in rows:
        against = reference(values, "numbers")
        against.effects(against.encode(values)[windows])
    assert time.process_time() - started < 2


def test_texts_are_compared_by_their_number_of_words_and_steps_as_numbers():
    features = {"note": TextFeature(kind="text"), "s": SeriesFeature(kind="series", length=2)}
    assert kinds(features) == {"note": "texts", "s_0": "numbers", "s_1": "numbers"}
    assert values_of(column(["a  b c", "", None, 5, np.nan]), "texts").tolist()[:2] == [3, 0]
    old, new = column(["one two", "three four", "x"]), column(["other words", "entirely different", "y"])
    assert effect(old, new, "texts") == 0
    assert effect(old, column(["a b c", "a b c d"]), "texts") == 1
