"""Folds of a classification: every class evenly spread, as in scikit-learn's stratified folds; groups stay together."""

from __future__ import annotations

import json
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tasks.core.recipe import Data
from tasks.core.splits import folds
from tasks.core.stratify import stratified
from tests.docs.reading import ROOT


def data(**split: object) -> Data:
    fields = {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", "time": "t", "split": split}
    return Data.model_validate_json(json.dumps(fields))


def rows(labels: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"row_id": [f"{place:032x}" for place in range(len(labels))], "y": labels})


def table(numbers: np.ndarray, classes: np.ndarray, k: int) -> np.ndarray:
    """Rows of each fold and class [K, C]."""
    found = np.zeros((k, int(classes.max()) + 1), dtype=int)
    np.add.at(found, (numbers, classes), 1)
    return found


def spread(counts: np.ndarray) -> float:
    """What StratifiedGroupKFold lowers: over classes, the mean deviation of the folds' shares of a class."""
    return float(np.mean(np.std(counts / counts.sum(axis=0), axis=0)))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=80), st.integers(2, 7), st.integers(0, 3))
def test_of_single_rows_no_two_folds_differ_by_more_than_one_row_of_a_class_nor_in_all(labels, k, key):
    classes = np.array(labels)
    order = np.random.default_rng(key).random(len(classes))
    numbers = stratified(np.arange(len(classes)), classes, order, k)
    assert ((numbers >= 0) & (numbers < k)).all()
    counts = table(numbers, classes, k)
    assert np.ptp(counts, axis=0).max() <= 1 and np.ptp(counts.sum(axis=1)) <= 1
    shuffled = np.random.default_rng(9).permutation(len(classes))
    again = stratified(np.arange(len(classes)), classes[shuffled], order[shuffled], k)
    assert np.array_equal(again, numbers[shuffled])


@pytest.mark.parametrize("k", [2, 3, 5, 10])
def test_each_class_has_as_many_rows_in_a_fold_as_in_stratified_k_fold(k):
    labels = np.random.default_rng(k).choice(["common", "rare", "rarest"], 500, p=[0.8, 0.17, 0.03])
    numbers = folds(rows(list(labels)), data(kind="random"), k, classes=True).to_numpy()
    ours = pd.crosstab(numbers, labels)
    parts = StratifiedKFold(k, shuffle=True, random_state=0).split(labels, labels)
    theirs = pd.DataFrame([pd.Series(labels[held]).value_counts() for _, held in parts]).fillna(0)
    for label in ours:
        assert sorted(ours[label]) == sorted(theirs[label])


@given(st.integers(0, 200), st.integers(2, 6))
def test_groups_stay_together_and_are_spread_as_evenly_as_stratified_group_k_fold_does(seed, k):
    draw = np.random.default_rng(seed)
    groups = draw.integers(0, 60, 400)
    # A group has mostly rows of one class, as a patient has.
    classes = np.where(draw.random(400) < 0.8, groups % 3 == 0, draw.random(400) < 0.2).astype(int)
    frame = rows(list(classes)).assign(patient=groups)
    numbers = folds(frame, data(kind="random", group="patient"), k, classes=True).to_numpy()
    assert pd.Series(numbers).groupby(groups).nunique().max() == 1
    theirs = np.zeros(400, dtype=int)
    for fold, (_, held) in enumerate(StratifiedGroupKFold(k).split(groups, classes, groups)):
        theirs[held] = fold
    assert spread(table(numbers, classes, k)) <= spread(table(theirs, classes, k)) + 0.02
    by_chance = folds(frame, data(kind="random", group="patient"), k).to_numpy()
    assert spread(table(numbers, classes, k)) <= spread(table(by_chance, classes, k)) + 1e-12


def test_single_rows_make_up_for_what_groups_make_uneven():
    groups = np.r_[np.zeros(30), np.full(20, 1), np.arange(2, 152)].astype(int)
    classes = np.r_[np.zeros(30), np.ones(20), np.tile([0, 1, 1], 50)].astype(int)
    frame = rows(list(classes)).assign(patient=groups)
    numbers = folds(frame, data(kind="random", group="patient"), 2, classes=True).to_numpy()
    assert table(numbers, classes, 2).tolist() == [[40, 60], [40, 60]]


def test_duplicates_stay_in_one_fold_and_the_key_gives_other_folds():
    labels = ["a", "b"] * 60
    frame = rows(labels)
    frame["row_id"] = [f"{place // 3:032x}-{place % 3}" for place in range(120)]
    numbers = folds(frame, data(kind="random"), 4, classes=True)
    assert numbers.groupby(frame["row_id"].str[:32]).nunique().max() == 1
    assert np.ptp(pd.crosstab(numbers, frame["y"]).to_numpy(), axis=0).max() <= 3
    assert list(folds(frame, data(kind="random", key=1), 4, classes=True)) != list(numbers)
    backwards = folds(frame[::-1], data(kind="random"), 4, classes=True)
    assert list(backwards[::-1]) == list(numbers) and numbers.name == "fold"


def test_how_often_a_fold_by_chance_lacks_a_rare_class_is_what_is_told():
    page = " ".join((ROOT / "docs" / "explanation" / "preparing.md").read_text().split())
    chances = {
        rows: sum((-1) ** (out + 1) * comb(5, out) * (1 - out / 5) ** rows for out in range(1, 5)) for rows in (10, 20)
    }
    assert (
        f"lack a class of ten rows in {100 * chances[10]:.0f} % of all cases, one of 20 in {100 * chances[20]:.0f} %"
        in page
    )
    for count, chance in chances.items():
        frame = rows(["rare"] * count)
        lacking = [folds(frame, data(kind="random", key=key), 5).nunique() < 5 for key in range(400)]
        assert np.mean(lacking) == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 400))


def test_with_a_time_split_the_order_of_time_goes_before_the_classes():
    frame = rows(["a", "b"] * 10).assign(t=np.arange(20.0))
    numbers = folds(frame, data(kind="time"), 4, classes=True)
    assert list(numbers) == list(folds(frame, data(kind="time"), 4)) and numbers.is_monotonic_increasing


def test_a_class_with_fewer_rows_than_folds_is_in_as_many_folds_as_it_has_rows():
    numbers = folds(rows(["common"] * 50 + ["rare"] * 3), data(kind="random"), 5, classes=True)
    assert sorted(numbers.value_counts()) == [10, 10, 11, 11, 11] and numbers[50:].nunique() == 3
