"""Series of any length: columns become steps, gaps at the ends make them shorter, and one scale holds for a channel."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import NumericFeature, SeriesFeature, TextFeature
from tasks.core.features import columns_of, inputs_of
from tasks.core.hashing import canonical_json
from tasks.core.recipe import Transforms
from tasks.transforms import fit
from tasks.transforms.apply import apply, check_frame

NAN = np.nan


def series(length: int, *channels: str) -> dict:
    return {"s": SeriesFeature(kind="series", length=length, channels=channels)}


def frame_of(rows: list, *channels: str) -> pd.DataFrame:
    """Rows [N, L], or [N, C, L] where channels have names."""
    values = np.array(rows, dtype=float).reshape(len(rows), -1)
    return pd.DataFrame(values, columns=columns_of(series(values.shape[1] // (len(channels) or 1), *channels)))


def test_channels_are_told_apart_by_name_and_steps_by_number():
    features = series(2, "hot", "cold")
    assert columns_of(features) == ("s_hot_0", "s_hot_1", "s_cold_0", "s_cold_1")
    assert columns_of(series(2)) == ("s_0", "s_1")
    assert inputs_of(features) == (2, 3) and inputs_of(series(4)) == (4, 2)
    assert inputs_of(features | {"x": NumericFeature(kind="numeric")}) == (2 * 3 + 1,)


def test_a_step_holds_its_channels_and_whether_it_is_there():
    frame = frame_of([[[1, 2, 3], [10, 20, 30]], [[4, 5, NAN], [40, 50, NAN]]], "a", "b")
    state = fit(frame, series(3, "a", "b"), Transforms(scale="none"))
    assert state["input_shape"] == [3, 3]
    assert apply(frame, state).tolist() == [[[1, 10, 1], [2, 20, 1], [3, 30, 1]], [[4, 40, 1], [5, 50, 1], [0, 0, 0]]]


def test_missing_steps_at_the_start_make_a_series_shorter_too():
    frame = frame_of([[NAN, NAN, 7, 8], [1, 2, 3, 4], [NAN] * 4, [NAN, 5, NAN, NAN]])
    found = apply(frame, fit(frame, series(4), Transforms(scale="none")))
    assert found[..., 0].tolist() == [[7, 8, 0, 0], [1, 2, 3, 4], [0] * 4, [5, 0, 0, 0]]
    assert found[..., 1].sum(axis=1).tolist() == [2, 4, 0, 1]


def test_each_channel_has_one_scale_over_all_steps_of_the_training_rows():
    frame = frame_of([[[0, 2], [100, 300]], [[4, NAN], [200, 400]]], "a", "b")
    state = fit(frame, series(2, "a", "b"), Transforms())
    inputs = apply(frame, state)
    there = np.array([[True, True], [True, False]])
    assert inputs[..., 0][there].mean() == pytest.approx(0, abs=1e-6)
    assert inputs[..., 0][there].std() == pytest.approx(1, abs=1e-6)
    assert inputs[..., 1].std() == pytest.approx(1, abs=1e-6)
    later = apply(frame_of([[[2, 2], [250, 250]]], "a", "b"), state)
    assert np.abs(later[..., :2]).max() < 1e-6


def test_a_gap_between_two_steps_is_filled_as_the_recipe_says_and_the_step_is_there():
    frame = frame_of([[1, NAN, 3], [1, 1, 3]])
    for how, fill in (({"impute": "median"}, 1), ({"impute": "constant", "fill_value": 9.0}, 9)):
        state = fit(frame, series(3), Transforms(scale="none", **how))
        assert apply(frame, state)[0].tolist() == [[1, 1], [fill, 1], [3, 1]]


def test_a_gap_in_one_channel_ends_no_series():
    frame = frame_of([[[1, NAN], [5, 6]]], "a", "b")
    assert apply(frame, fit(frame, series(2, "a", "b"), Transforms(scale="none")))[0, :, 2].tolist() == [1, 1]


def test_ends_may_be_missing_where_nothing_is_imputed_and_gaps_may_not():
    sound, torn = frame_of([[1, 2, NAN], [NAN, 4, 5]]), frame_of([[1, NAN, 3]])
    state = fit(sound, series(3), Transforms(impute="none"))
    check_frame(sound, {"state": state})
    with pytest.raises(RequestError, match="impute is none, and 's' has 1 gaps between steps"):
        fit(torn, series(3), Transforms(impute="none"))
    for call in (lambda: check_frame(torn, {"state": state}), lambda: apply(torn, state)):
        with pytest.raises(ValueError, match="The series from 's_0' on has 1 gaps between its steps"):
            call()


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.floats(), st.integers()), min_size=4, max_size=4), min_size=1, max_size=5
    ),
    st.sampled_from(["standard", "minmax", "robust", "none"]),
    st.sampled_from(["keep", "clip"]),
)
def test_whatever_the_numbers_inputs_are_finite_and_steps_stand_at_the_start(rows, scale, outliers):
    frame = pd.DataFrame(rows, columns=columns_of(series(2, "a", "b")), dtype=object)
    state = json.loads(canonical_json(fit(frame, series(2, "a", "b"), Transforms(scale=scale, outliers=outliers))))
    check_frame(frame, {"state": state})
    inputs = apply(frame, state)
    assert inputs.dtype == np.float32 and np.isfinite(inputs).all()
    assert set(np.unique(inputs[..., -1])) <= {0, 1}
    assert (np.diff(inputs[..., -1], axis=1) <= 0).all()
    assert not inputs[inputs[..., -1] == 0].any()


@pytest.mark.parametrize(
    ("features", "transforms", "says"),
    [
        (series(2) | {"x": TextFeature(kind="text")}, {}, "mixes the series 's' with 'x'"),
        (series(2) | {"t": SeriesFeature(kind="series", length=1)}, {}, "has the series 's' and 't'"),
        (series(3), {}, "data.features.s: the data have no column 's_2', which its length and channels ask for"),
        (series(2), {"missing_flag": "always"}, "'s' is a series, beside whose steps no flag can stand"),
    ],
)
def test_what_cannot_be_a_series_is_refused_in_one_sentence(features, transforms, says):
    with pytest.raises(RequestError, match=re.escape(says)):
        fit(frame_of([[1, 2]]).assign(x=1), features, Transforms(**transforms))


def test_no_rows_are_no_series():
    state = fit(frame_of([[[1, 2], [3, 4]]], "a", "b"), series(2, "a", "b"), Transforms())
    nothing = frame_of([[[1, 2], [3, 4]]], "a", "b")[:0]
    check_frame(nothing, {"state": state})
    assert apply(nothing, state).shape == (0, 2, 3)


def test_dates_are_no_steps():
    with pytest.raises(RequestError, match=r"data\.features\.s: The column 's_0' holds datetime64"):
        fit(pd.DataFrame({"s_0": pd.to_datetime(["2020-01-01"])}), series(1), Transforms())


def test_a_frame_without_a_step_is_refused():
    state = fit(frame_of([[1, 2]]), series(2), Transforms())
    with pytest.raises(ValueError, match="The column 's_1' is missing"):
        check_frame(frame_of([[1, 2]]).drop(columns="s_1"), {"state": state})
