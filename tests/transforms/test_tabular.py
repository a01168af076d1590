"""Numeric and categorical columns: what is learned from training rows and how it is applied."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import CategoricalFeature, DropFeature, NumericFeature
from tasks.core.recipe import Transforms
from tasks.transforms import KINDS, fit
from tasks.transforms.apply import apply, check_frame

NUMBER = NumericFeature(kind="numeric")
LABEL = CategoricalFeature(kind="categorical")


def fitted(column: object, kind=NUMBER, **transforms: object) -> dict:
    return fit(pd.DataFrame({"x": column}), {"x": kind}, Transforms(**transforms))


def applied(state: dict, column: object) -> list:
    return apply(pd.DataFrame({"x": column}), state).tolist()


def test_standard_scale_gives_mean_zero_and_deviation_one():
    state = fitted([1.0, 2.0, 3.0, 6.0])
    inputs = apply(pd.DataFrame({"x": [1.0, 2.0, 3.0, 6.0]}), state)
    assert inputs.dtype == np.float32 and inputs.shape == (4, 1)
    assert inputs.mean() == pytest.approx(0, abs=1e-6) and inputs.std() == pytest.approx(1, abs=1e-6)


def test_minmax_scale_gives_zero_to_one():
    assert applied(fitted([2.0, 4.0, 10.0], scale="minmax"), [2, 4, 10]) == [[0], [0.25], [1]]


def test_scale_none_keeps_values():
    assert applied(fitted([2.0, 4.0], scale="none"), [2, 7]) == [[2], [7]]


@pytest.mark.parametrize(("how", "filling"), [("mean", 3.0), ("median", 2.0)])
def test_gaps_are_filled_and_marked(how, filling):
    state = fitted([1.0, 2.0, 6.0, None], impute=how, scale="none")
    assert applied(state, [5.0, None]) == [[5, 0], [filling, 1]]


def test_a_gap_where_training_had_none_is_filled_without_a_marker():
    assert applied(fitted([1.0, 2.0, 6.0], scale="none"), [None]) == [[2.0]]


def test_infinities_count_as_gaps():
    state = fitted([1.0, 2.0, 6.0, np.inf], scale="none")
    assert applied(state, [-np.inf, 3.0]) == [[2, 1], [3, 0]]


@pytest.mark.parametrize("scale", ["standard", "minmax", "none"])
@pytest.mark.parametrize("column", [[0.1] * 5, [0.0] * 5, [None] * 5, [1e308, -1e308, 5e307], [1e-310, 2e-310]])
def test_any_training_column_gives_finite_inputs(scale, column):
    state = fitted(column, scale=scale)
    json.dumps(state, allow_nan=False)
    probes = pd.DataFrame({"x": [0.1, 1e308, -1e308, np.nan, 0.0]})
    assert np.isfinite(apply(probes, state)).all()


def test_constant_columns_become_zero():
    assert applied(fitted([0.1, 0.1, 0.1]), [0.1]) == [[0.0]]


@pytest.mark.parametrize(
    "column",
    [
        [1, 0, 1],
        [1.0, 0.0, 1.0],
        [True, False, True],
        pd.array([1, 0, 1], dtype="Int64"),
        pd.array([True, False, True], dtype="boolean"),
        pd.Series(["1", "0", " 1"], dtype=object),
        pd.Series(["1", 0, True], dtype=object),
        pd.Series(["1", "0", "1"], dtype="string"),
        pd.Categorical([1, 0, 1]),
    ],
    ids=lambda column: str(getattr(column, "dtype", type(column[0]).__name__)),
)
@pytest.mark.parametrize("kind", [NUMBER, LABEL], ids=["numeric", "categorical"])
def test_one_value_is_read_alike_whatever_its_type(column, kind):
    state = fitted([1, 0, 1, 0], kind, scale="none")
    assert applied(state, column) == applied(state, [1, 0, 1])


def test_categories_get_columns_rare_ones_share_other_and_gaps_are_marked():
    state = fitted(["b", "a", "a", "b", "rare", None], LABEL, rare_below=2)
    assert applied(state, ["a", "b", "rare", "never seen", None, " "]) == [
        [1, 0, 0, 0],
        [0, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
    ]


def test_max_categories_keeps_the_most_frequent():
    state = fitted(list("aaabbc"), LABEL, rare_below=1, max_categories=2)
    assert state["categorical"][0]["categories"] == ["a", "b"] and state["categorical"][0]["other"]


def test_a_new_category_without_an_other_column_sets_none():
    assert applied(fitted(list("aabb"), LABEL), ["c", None]) == [[0, 0], [0, 0]]


def test_the_state_does_not_depend_on_the_order_of_the_rows():
    frame = pd.DataFrame({"x": [3.0, None, 1.0, 8.0], "c": ["u", "v", "v", "u"]})
    features = {"x": NUMBER, "c": LABEL}
    backwards = fit(frame[::-1], features, Transforms())
    assert fit(frame, features, Transforms()) == backwards


def test_text_among_numbers_counts_as_a_gap_and_is_remembered():
    state = fitted(pd.Series(["1", "2", "unknown"], dtype=object), scale="none")
    assert applied(state, pd.Series(["unknown", "3"], dtype=object)) == [[1.5, 1], [3, 0]]
    check_frame(pd.DataFrame({"x": ["unknown"]}), {"state": state})


def test_apply_takes_columns_in_any_order_and_ignores_others():
    features = {"x": NUMBER, "y": NUMBER}
    state = fit(pd.DataFrame({"x": [1.0, 2.0], "y": [5.0, 9.0]}), features, Transforms(scale="none"))
    assert apply(pd.DataFrame({"z": ["?"], "y": [2], "x": [1]}), state).tolist() == [[1, 2]]


def test_no_rows_give_no_inputs():
    assert apply(pd.DataFrame({"x": []}), fitted([1.0, None])).shape == (0, 2)


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ([[1.0]], "a pandas DataFrame"),
        (pd.DataFrame({"y": [1.0]}), "The column 'x' is missing"),
        (pd.DataFrame([[1.0, 2.0]], columns=["x", "x"]), "The column 'x' is there more than once"),
        (pd.DataFrame({"x": ["high"]}), "The column 'x' holds text that is not a number"),
        (pd.DataFrame({"x": pd.to_datetime(["2020-01-01"])}), "The column 'x' holds datetime64[ns] values"),
        (pd.DataFrame({"x": pd.Series([pd.Timestamp("2020-01-01")], dtype=object)}), "The column 'x' holds datetime"),
        (pd.DataFrame({"x": [1 + 2j]}), "The column 'x' holds complex128 values"),
        (pd.DataFrame({"x": [[1, 2]]}), "The column 'x' holds text that is not a number"),
        (pd.DataFrame({"x": [1.0, None, np.inf]}), "The column 'x' has 2 missing values, and this model imputes none"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "frame",
)
def test_a_frame_that_breaks_the_contract_is_refused_naming_the_column(frame, says):
    with pytest.raises(ValueError) as caught:
        check_frame(frame, {"state": fitted([1.0, 2.0], impute="refuse")})
    assert says in str(caught.value)


def test_a_frame_that_keeps_the_contract_passes():
    check_frame(pd.DataFrame({"x": [1, 2]}), {"state": fitted([1.0, 2.0], impute="refuse")})
    check_frame(pd.DataFrame({"x": [None, "3", " "]}), {"state": fitted([1.0, 2.0])})


def test_integers_beyond_any_float_count_as_gaps():
    assert applied(fitted([1.0, 2.0], scale="none"), pd.Series([10**400, 2], dtype=object)) == [[1.5], [2]]


@pytest.mark.parametrize(
    ("frame", "features", "transforms", "says"),
    [
        (
            {"x": [1.0, None]},
            {"x": NUMBER},
            {"impute": "refuse"},
            "transforms.impute is refuse, and the column 'x' has 1 gaps",
        ),
        ({"x": [1.0]}, {"x": DropFeature(kind="drop")}, {}, "data.features leaves no column"),
        ({"x": pd.to_datetime(["2020-01-01"])}, {"x": NUMBER}, {}, "data.features.x: The column 'x' holds datetime64"),
        ({"x": [[1], [2]]}, {"x": LABEL}, {}, "holds values that are no labels"),
    ],
    ids=["gaps", "nothing", "dates", "lists"],
)
def test_a_recipe_that_does_not_fit_the_columns_is_refused(frame, features, transforms, says):
    with pytest.raises(RequestError) as caught:
        fit(pd.DataFrame(frame), features, Transforms(**transforms))
    assert says in caught.value.message


def test_every_kind_of_transform_can_be_imported():
    import importlib

    for place in KINDS.values():
        module, _, name = place.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
