"""Confusions, worst rows and slices, on small frames worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.evaluate.mistakes import class_matrix, confusion_pairs, in_words, row_losses, worst_rows
from tasks.evaluate.slices import gaps, slices, slicing_columns


def classified(true: str, said: str, sure: float = 0.8) -> pd.DataFrame:
    """A predictions frame of classes a, b, c: one letter per row, each said with probability `sure`."""
    frame = pd.DataFrame({"row_id": [f"r{number:02d}" for number in range(len(true))], "target": list(true)})
    frame["prediction"] = list(said)
    for label in "abc":
        frame[f"probability_{label}"] = np.where(frame["prediction"] == label, sure, (1 - sure) / 2)
    return frame


def test_the_most_common_confusion_is_named_with_its_share():
    words = in_words(classified("aaaabbbbcc", "abbbbbbbcc", 0.95), ("a", "b", "c"))
    assert words[0] == "3 of 10 rows are wrong."
    assert words[1] == "Most common confusion: a taken for b, 3 of 4 rows of a (75 %)."
    assert words[2] == "Class a is recognised least often: 25 % of its rows."
    assert words[-1] == "Mistakes made with more than 90 % confidence: 3 of 3."


def test_a_perfect_model_and_no_rows_are_said():
    assert in_words(classified("abc", "abc"), ("a", "b", "c")) == ["All 3 rows are right."]
    assert in_words(classified("", ""), ("a", "b", "c")) == ["There is no row to learn from."]


def test_a_class_that_is_never_predicted_is_named():
    assert "Never predicted: b." in in_words(classified("aab", "aaa"), ("a", "b", "c"))


def test_pairs_are_sorted_by_rows_and_only_wrong_ones_count():
    matrix = class_matrix(classified("aabbbc", "abaacc"), ("a", "b", "c"))
    pairs = [(pair.true, pair.predicted, pair.rows, pair.of) for pair in confusion_pairs(matrix, "abc")]
    assert pairs == [("b", "a", 2, 3), ("a", "b", 1, 2), ("b", "c", 1, 3)]


def test_the_surest_mistakes_come_first_and_right_rows_never():
    frame = pd.concat([classified("ab", "bb", 0.6), classified("ac", "ba", 0.9)], ignore_index=True)
    frame["row_id"] = ["w", "x", "y", "z"]
    assert worst_rows(frame, ("a", "b", "c"))["row_id"].tolist() == ["y", "z", "w"]
    assert row_losses(frame, ("a", "b", "c"))[2] == pytest.approx(-np.log(0.05))


def test_worst_rows_of_a_regression_have_the_largest_errors():
    frame = pd.DataFrame({"row_id": list("abc"), "target": [1.0, 2.0, 3.0], "prediction": [1.5, 0.0, 3.0]})
    assert worst_rows(frame, (), 2)["loss"].tolist() == [2.0, 0.5]


def test_a_biased_regression_is_said_to_be_too_high():
    target = np.arange(40.0)
    error = 2 + np.tile([-0.1, 0.1], 20) + np.where(target >= 30, 5, 0)
    words = in_words(pd.DataFrame({"target": target, "prediction": target + error}), ())
    assert words[0] == "Half of the predictions are within 2.1 of the truth."
    assert words[1] == "Predictions are too high by 3.25 on average."
    assert words[2] == "The highest quarter of the targets has the largest errors: 7 on average."


def test_columns_with_a_role_numbers_and_many_values_are_not_sliced_by():
    frame = pd.DataFrame(
        {
            "row_id": list("abcd"),
            "batch": [0, 0, 1, 1],
            "id": list("wxyz"),
            "size": [1.0, 2.0, 1.0, 2.0],
            "sex": ["f", "m", "f", None],
            "smokes": [True, False, True, False],
            "same": ["x"] * 4,
            "y": ["p", "q", "p", "q"],
        }
    )
    assert slicing_columns(frame, ("y", "id", None)) == ["batch", "sex", "smokes"]
    wide = pd.DataFrame({"batch": [0] * 13, "town": [f"t{number}" for number in range(13)]})
    assert slicing_columns(wide, ()) == []


def test_slices_have_their_metric_rows_and_distance_and_rare_values_share_one():
    frame = classified("a" * 20 + "b" * 20 + "c" * 3, "a" * 20 + "b" * 10 + "a" * 10 + "c" * 3)
    columns = pd.DataFrame({"region": ["north"] * 20 + ["south"] * 20 + [None] * 3})
    found = slices(frame, columns, "classification", "accuracy", ("a", "b", "c"))
    assert [(part.value, part.rows, part.metric) for part in found] == [
        ("north", 20, 1.0),
        ("south", 20, 0.5),
        ("all others", 3, 1.0),
    ]
    assert found[1].versus_all == pytest.approx(0.5 - 33 / 43)
    (gap,) = gaps(found, "accuracy")
    assert (gap.column, gap.gap, gap.best.value, gap.worst.value) == ("region", 0.5, "north", "south")


def test_a_slice_whose_metric_is_undefined_says_why_and_makes_no_gap():
    frame = classified("a" * 12 + "b" * 12, "a" * 12 + "b" * 12)
    columns = pd.DataFrame({"side": ["left"] * 12 + ["right"] * 12})
    found = slices(frame, columns, "classification", "roc_auc", ("a", "b", "c"))
    assert [part.metric for part in found] == [None, None]
    assert found[0].reason == "class a has all rows here"
    assert gaps(found, "roc_auc") == []


def test_the_gap_of_an_error_has_the_smallest_error_as_best():
    frame = pd.DataFrame({"target": np.zeros(40), "prediction": np.r_[np.ones(20), np.full(20, 3.0)]})
    columns = pd.DataFrame({"side": ["left"] * 20 + ["right"] * 20})
    (gap,) = gaps(slices(frame, columns, "regression", "mae", ()), "mae")
    assert (gap.best.value, gap.worst.value, gap.gap) == ("left", "right", 2.0)
