"""Windows: each row gets the rows before it in time, none after it, and nobody else's."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.errors import GateStopped
from tasks.core.feature_kinds import DropFeature, SeriesFeature
from tasks.core.features import columns_of
from tasks.core.recipe import Data
from tasks.ingest.windows import with_windows

NAN = np.nan


def data(windows: dict[str, Any] | None, **fields: Any) -> Data:
    values = {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", "time": "t", **fields}
    return Data.model_validate_json(json.dumps(values | ({} if windows is None else {"windows": windows})))


def window(frame: pd.DataFrame, row: int, column: str = "y") -> list[float]:
    names = [name for name in frame if re.fullmatch(rf"past_{column}_\d+", name)]
    return [frame[name].iloc[row] for name in names]


def same(found: list[float], expected: list[float]) -> bool:
    return np.array_equal(np.array(found), np.array(expected), equal_nan=True)


def test_a_window_ends_the_horizon_before_its_row_whatever_the_order_of_the_source():
    frame = pd.DataFrame({"t": [3, 1, 5, 2, 4], "y": [30, 10, 50, 20, 40]}, index=[9, 8, 7, 6, 5])
    near = with_windows(frame, data({"columns": ["y"], "length": 2}))
    assert list(near.columns) == ["t", "y", "past_y_0", "past_y_1"] and list(near.index) == [9, 8, 7, 6, 5]
    assert window(near, 2) == [30, 40] and window(near, 0) == [10, 20]
    assert same(window(near, 3), [NAN, 10]) and same(window(near, 1), [NAN, NAN])
    far = with_windows(frame, data({"columns": ["y"], "length": 2, "horizon": 3}))
    assert window(far, 2) == [10, 20] and same(window(far, 4), [NAN, 10])


def test_windows_stay_among_the_rows_of_one_and_dates_are_read():
    frame = pd.DataFrame(
        {"t": ["2024-01-02", "2024-01-01", "2024-01-03", "2024-01-04"], "who": ["a", "a", "b", "a"], "y": [2, 1, 9, 3]}
    )
    found = with_windows(frame, data({"columns": ["y"], "length": 2, "by": "who"}))
    assert window(found, 3) == [1, 2] and same(window(found, 2), [NAN, NAN])


def test_rows_of_one_time_keep_their_order_and_a_row_without_a_time_is_in_no_window():
    frame = pd.DataFrame({"t": [1.0, 1.0, NAN, 2.0], "y": [1, 2, 99, 3], "x": ["5", "word", "7", "8"]})
    found = with_windows(frame, data({"columns": ["y", "x"], "length": 2}))
    assert window(found, 3) == [1, 2] and same(window(found, 3, "x"), [5, NAN])
    assert same(window(found, 2), [NAN, NAN])


def test_the_windows_of_a_recipe_are_a_feature_of_it():
    windows = {"columns": ["y", "x"], "length": 3, "feature": "before"}
    made = data(windows)
    series = SeriesFeature(kind="series", length=3, channels=("y", "x"))
    assert made.features == {"before": series, "x": DropFeature(kind="drop")}
    assert Data.model_validate_json(made.model_dump_json()) == made
    frame = pd.DataFrame({"t": [1, 2], "y": [1, 2], "x": [1, 2]})
    assert list(with_windows(frame, made).columns) == ["t", "y", "x", *columns_of(made.features)]
    assert with_windows(frame, data(None)) is frame


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab")), min_size=1, max_size=12), st.integers(1, 3))
def test_no_window_holds_a_row_that_comes_later(rows, horizon):
    frame = pd.DataFrame(rows, columns=["t", "who"]).assign(y=lambda frame: frame["t"])
    found = with_windows(frame, data({"columns": ["y"], "length": 3, "horizon": horizon, "by": "who"}))
    past = found[[f"past_y_{step}" for step in range(3)]].to_numpy()
    assert not (past > found["t"].to_numpy()[:, None]).any()
    # The values of a window never fall, and as many of them are there as there are earlier rows to take.
    assert not (np.diff(past, axis=1) < 0).any()
    for who, part in found.groupby("who"):
        there = np.sort(part[[f"past_y_{step}" for step in range(3)]].notna().sum(axis=1))
        assert list(there) == [min(max(place + 1 - horizon, 0), 3) for place in range(len(part))], who


@pytest.mark.parametrize(
    ("windows", "says"),
    [
        ({"columns": ["z"], "length": 2}, "The source has no column 'z', which data.windows needs."),
        ({"columns": ["y"], "length": 2, "by": "z"}, "The source has no column 'z', which data.windows needs."),
        ({"columns": ["y"], "length": 2, "feature": "own"}, "has a column 'own_y_1', which data.windows writes."),
    ],
)
def test_columns_that_are_absent_or_taken_are_named(windows, says):
    frame = pd.DataFrame({"t": [1], "y": [1], "own_y_1": [1]})
    with pytest.raises(GateStopped) as caught:
        with_windows(frame, data(windows))
    assert says in caught.value.gates[0].reason


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"time": None}, "data.time must name the column that orders them"),
        ({"features": {"past": {"kind": "drop"}}}, "data.features.past is what data.windows makes"),
    ],
)
def test_windows_without_an_order_or_beside_a_feature_of_their_name_are_refused(fields, says):
    with pytest.raises(ValidationError, match=says):
        data({"columns": ["y"], "length": 2}, **fields)
