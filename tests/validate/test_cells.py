"""Cells are read the way training will read them, whatever their dtype."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.validate.cells import as_numbers, is_empty, is_not_a_number, is_not_a_time, share_of_numbers


@pytest.mark.parametrize(
    ("values", "numbers", "refused"),
    [
        ([1, 2], [1.0, 2.0], [False, False]),
        (pd.array([1, None], dtype="Int64"), [1.0, np.nan], [False, False]),
        (pd.array([True, None], dtype="boolean"), [1.0, np.nan], [False, False]),
        ([True, False], [1.0, 0.0], [False, False]),
        ([1.5, np.inf, np.nan], [1.5, np.inf, np.nan], [False, True, False]),
        (
            [" 7 ", "1e3", "12 kg", "", "  ", None],
            [7, 1000, np.nan, np.nan, np.nan, np.nan],
            [False, False, True] + [False] * 3,
        ),
        (pd.Categorical(["3", "x"]), [3.0, np.nan], [False, True]),
        (pd.array(["3", None], dtype="string"), [3.0, np.nan], [False, False]),
        ([datetime.datetime(2024, 1, 1)], [np.nan], [True]),
    ],
)
def test_numbers_gaps_and_words_are_told_apart(values: Any, numbers: list[float], refused: list[bool]) -> None:
    column = pd.Series(values, name="x")
    np.testing.assert_array_equal(as_numbers(column).to_numpy(), np.array(numbers))
    assert is_not_a_number(column).tolist() == refused


def test_white_space_is_a_gap() -> None:
    assert is_empty(pd.Series(["a", " ", None, "\t\n"])).tolist() == [False, True, True, True]


def test_the_share_of_numbers_counts_filled_cells_only() -> None:
    assert share_of_numbers(pd.Series(["1", "2", "x", None])) == pytest.approx(2 / 3)
    assert np.isnan(share_of_numbers(pd.Series([None, ""])))


def test_times_in_several_spellings_are_times() -> None:
    column = pd.Series(["2024-01-31", "31 Jan 2024", "2024-01-31T10:00:00+02:00", "soon", None])
    assert is_not_a_time(column).tolist() == [False, False, False, True, False]
    assert not is_not_a_time(pd.Series([1, 2])).any()
