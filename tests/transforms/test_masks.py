"""`impute: none`: nothing is made up for a gap, and a mask tells it; statistics are those of what is there."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import CategoricalFeature, DatetimeFeature, ImageFeature, NumericFeature
from tasks.core.preprocessing import Transforms
from tasks.transforms import fit
from tasks.transforms.apply import apply, check_frame

NUMBER = NumericFeature(kind="numeric")
SCALES = ("standard", "minmax", "minmax_symmetric", "robust", "none")
CELL = st.none() | st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
TABLE = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12)


def fitted(frame: pd.DataFrame, **transforms: Any) -> dict[str, Any]:
    return fit(frame, dict.fromkeys(frame.columns, NUMBER), Transforms(impute="none", **transforms))


def table(rows: list[tuple[float | None, ...]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=list("abc"), dtype=float)


def test_a_gap_is_0_after_scaling_and_0_in_the_mask():
    frame = pd.DataFrame({"x": [1.0, 3.0, None], "y": [10.0, 20.0, 30.0]})
    state = fitted(frame)
    assert state["input_shape"] == [4]
    expected = [[-1, -(1.5**0.5), 1, 1], [1, 0, 1, 1], [0, 1.5**0.5, 0, 1]]
    assert apply(frame, state) == pytest.approx(np.array(expected), abs=1e-6)
    # No training row had a gap in y: its mask is there all the same, and tells the first one.
    first = pd.DataFrame({"x": [3.0], "y": [None]})
    check_frame(first, {"state": state})
    assert apply(first, state).tolist() == [[1, 0, 1, 0]]


def test_a_gap_is_told_from_a_value_that_scales_to_0_and_is_not_shifted():
    frame = pd.DataFrame({"x": [0.0, 10.0, None]})
    assert apply(frame, fitted(frame, scale="minmax_symmetric")).tolist() == [[-1, 1], [1, 1], [0, 0]]
    assert apply(frame, fitted(frame, scale="minmax")).tolist() == [[0, 1], [1, 1], [0, 0]]


@given(TABLE, TABLE, st.sampled_from(SCALES), st.sampled_from(["keep", "clip"]), st.data())
def test_what_is_there_does_not_depend_on_the_gaps_of_other_rows(training, asked, scale, outliers, data):
    state = fitted(table(training), scale=scale, outliers=outliers)
    frame = table(asked)
    whole = apply(frame, state)
    present = frame.notna().to_numpy()
    assert np.array_equal(whole[:, 3:], present) and (whole[:, :3][~present] == 0).all()
    row = data.draw(st.integers(0, len(frame) - 1))
    others = frame.copy()
    for other, column in data.draw(st.lists(st.tuples(st.integers(0, len(frame) - 1), st.sampled_from("abc")))):
        if other != row:
            others.loc[other, column] = np.nan
    assert np.array_equal(apply(others, state)[row], whole[row])
    # Nor on the gaps of its own: what is there is scaled as if nothing were missing.
    column = data.draw(st.integers(0, 2))
    own = frame.copy()
    own.iloc[row, column] = np.nan
    expected = whole[row].copy()
    expected[[column, 3 + column]] = 0
    assert np.array_equal(apply(own, state)[row], expected)


@given(TABLE, st.sampled_from(SCALES), st.sampled_from(["keep", "clip"]), st.integers(1, 5))
def test_training_rows_without_a_number_say_nothing(training, scale, outliers, count):
    frame = table(training)
    gaps = pd.DataFrame(np.nan, index=range(count), columns=frame.columns)
    state = fitted(frame, scale=scale, outliers=outliers)
    assert fitted(pd.concat([gaps, frame, gaps]), scale=scale, outliers=outliers) == state
    back = json.loads(json.dumps(state, allow_nan=False))
    assert np.array_equal(apply(frame, back), apply(frame, state)) and np.isfinite(apply(gaps, back)).all()


def test_a_missing_date_is_masked_as_a_number_is_and_a_missing_category_stays_what_it_was():
    frame = pd.DataFrame({"when": ["2024-01-01T06:00", None], "colour": ["red", None], "x": [1.0, 2.0]})
    date, label = DatetimeFeature(kind="datetime", parts=("hour", "year")), CategoricalFeature(kind="categorical")
    state = fit(
        frame, {"when": date, "colour": label, "x": NUMBER}, Transforms(impute="none", scale="none", rare_below=1)
    )
    # x, its mask, red, missing, the hour's sine and cosine, the year, the date's mask.
    assert apply(frame, state) == pytest.approx(
        np.array([[1, 1, 1, 0, 1, 0, 2024, 1], [2, 1, 0, 1, 0, 0, 0, 0]]), abs=1e-3
    )


@pytest.mark.parametrize("impute", ["none", "refuse"])
def test_beside_pixels_no_mask_can_stand_so_a_gap_is_refused(impute):
    image = {"p": ImageFeature(kind="image", size=(1, 2))}
    sound = pd.DataFrame({"p_0_0": [1.0, 2.0], "p_0_1": [3.0, 4.0]})
    torn = sound.assign(p_0_1=[3.0, None])
    state = fit(sound, image, Transforms(impute=impute))
    with pytest.raises(ValueError, match="The column 'p_0_1' has 1 missing values, and this model imputes none"):
        check_frame(torn, {"state": state})
    with pytest.raises(RequestError, match=f"impute is {impute}, and the pixel column 'p_0_1' has missing values"):
        fit(torn, image, Transforms(impute=impute))


def test_a_state_from_before_there_were_masks_goes_on_to_refuse_gaps():
    state = fitted(pd.DataFrame({"x": [1.0, 2.0]}))
    older = {name: value for name, value in state.items() if name not in ("mask", "dates")}
    older = {**older, "input_shape": [1], "numeric": [{**state["numeric"][0], "gaps": False}]}
    assert apply(pd.DataFrame({"x": [1.0]}), older).tolist() == [[-1]]
    with pytest.raises(ValueError, match="The column 'x' has 1 missing values"):
        check_frame(pd.DataFrame({"x": [None]}), {"state": older})
