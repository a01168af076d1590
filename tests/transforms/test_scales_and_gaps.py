"""Scales, gaps and outliers: scikit-learn's numbers where it has them, hand-worked ones elsewhere."""

from __future__ import annotations

import json
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import ImageFeature, NumericFeature
from tasks.core.preprocessing import Transforms
from tasks.transforms import fit
from tasks.transforms.apply import apply, check_frame

NUMBER = NumericFeature(kind="numeric")


def choices(field: str) -> set[str]:
    return set(get_args(Transforms.model_fields[field].annotation))


def fitted(column: Any, **transforms: Any) -> dict[str, Any]:
    return fit(pd.DataFrame({"x": column}), {"x": NUMBER}, Transforms(**transforms))


def applied(state: dict[str, Any], column: Any) -> list[list[float]]:
    return apply(pd.DataFrame({"x": column}), state).tolist()


@pytest.fixture
def columns() -> pd.DataFrame:
    """A bell, a long tail, whole numbers; 101 rows, each with some gaps."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "bell": generator.normal(40, 7, 101),
            "tail": generator.lognormal(2, 2, 101),
            "counts": generator.poisson(3, 101).astype(float),
        }
    )
    for place, column in enumerate(frame.columns):
        frame.loc[frame.index[place :: 10 + place], column] = np.nan
    return frame


SCALERS = {
    "standard": StandardScaler(),
    "minmax": MinMaxScaler(),
    "minmax_symmetric": MinMaxScaler((-1, 1)),
    "robust": RobustScaler(),
    "none": None,
}
IMPUTERS = {
    "mean": SimpleImputer(strategy="mean"),
    "median": SimpleImputer(strategy="median"),
    "constant": SimpleImputer(strategy="constant", fill_value=-5.5),
    "none": None,
    "refuse": None,
}


def test_every_choice_is_compared_with_scikit_learn():
    assert set(SCALERS) == choices("scale") and set(IMPUTERS) == choices("impute")
    assert choices("missing_flag") == {"auto", "always", "never"} and choices("outliers") == {"keep", "clip", "exclude"}


@pytest.mark.parametrize("scale", SCALERS)
def test_scales_are_those_of_scikit_learn(columns, scale):
    state = fit(columns, dict.fromkeys(columns, NUMBER), Transforms(scale=scale, missing_flag="never"))
    new = (columns * 1.3 - 2).dropna()
    scaler = SCALERS[scale]
    expected = new if scaler is None else scaler.fit(columns).transform(new)
    assert np.allclose(apply(new, state), expected, rtol=1e-6)


@pytest.mark.parametrize("impute", [kind for kind, imputer in IMPUTERS.items() if imputer is not None])
def test_fillings_and_flags_are_those_of_scikit_learn(columns, impute):
    settings = Transforms(scale="none", impute=impute, fill_value=-5.5 if impute == "constant" else None)
    state = fit(columns, dict.fromkeys(columns, NUMBER), settings)
    values = IMPUTERS[impute].fit(columns).transform(columns)
    flags = MissingIndicator(features="missing-only").fit(columns).transform(columns)
    assert np.allclose(apply(columns, state), np.hstack([values, flags]), rtol=1e-6)


@pytest.mark.parametrize(
    ("flag", "with_gaps", "without"),
    [("auto", [[4, 1]], [[1.5]]), ("always", [[4, 1]], [[1.5, 1]]), ("never", [[4]], [[1.5]])],
)
def test_a_flag_stands_beside_a_number_as_asked_for(flag, with_gaps, without):
    assert applied(fitted([3.0, 5.0, None], scale="none", missing_flag=flag), [None]) == with_gaps
    assert applied(fitted([1.0, 2.0], scale="none", missing_flag=flag), [None]) == without


def test_a_robust_scale_falls_back_on_the_deviation_where_the_quartiles_are_equal():
    column = [0.0] * 9 + [10.0]
    assert applied(fitted(column, scale="robust"), [0.0, 10.0]) == [[0], [pytest.approx(10 / np.std(column))]]


def test_outliers_are_cut_off_at_tukeys_fences_before_anything_else_is_fitted():
    column = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 100.0]
    # Quartiles 3 and 7, so the fences are 3 - 6 and 7 + 6.
    state = fitted(column, outliers="clip", scale="minmax", impute="mean")
    (entry,) = state["numeric"]
    assert entry["fences"] == pytest.approx([-3, 13]) and (entry["shift"], entry["scale"]) == pytest.approx((1, 12))
    assert entry["fill"] == pytest.approx(49 / 9)
    assert applied(state, [-50.0, 1.0, 13.0, 1e300]) == [[pytest.approx(-4 / 12)], [0], [1], [1]]
    assert applied(fitted(column, scale="none"), [1e6]) == [[1e6]]


def test_a_constant_that_stands_for_gaps_is_not_clipped_and_a_gap_stays_a_gap():
    column = [1.0, 2.0, 3.0, 4.0, None]
    state = fitted(column, outliers="clip", scale="none", impute="constant", fill_value=-99.0)
    assert applied(state, [None, 50.0]) == [[-99, 1], [pytest.approx(5.5), 0]]


@pytest.mark.parametrize("column", [[0.0] * 9 + [1.0], [3.0] * 5, [None, None], [0.0, 0.0]])
def test_a_column_with_equal_quartiles_has_no_fences(column):
    assert fitted(column, outliers="clip")["numeric"][0]["fences"] is None


@pytest.mark.parametrize("scale", SCALERS)
@pytest.mark.parametrize("column", [[0.1] * 5, [None] * 5, [1e308, -1e308, 5e307, 1e307, 0.0], [1e-310, 2e-310]])
def test_any_training_column_gives_finite_inputs_with_fences_too(scale, column):
    state = fitted(column, scale=scale, outliers="clip", missing_flag="always")
    back = json.loads(json.dumps(state, allow_nan=False))
    probes = pd.DataFrame({"x": [0.1, 1e308, -1e308, np.nan, 0.0]})
    inputs = apply(probes, back)
    assert np.isfinite(inputs).all() and np.array_equal(inputs, apply(probes, state))


def test_a_state_from_before_there_were_fences_is_applied_as_it_was():
    state = fitted([1.0, 2.0, 6.0, None])
    entry = {name: value for name, value in state["numeric"][0].items() if name != "fences"}
    older = {**state, "numeric": [entry]}
    frame = pd.DataFrame({"x": [1e9, None, 3.0]})
    check_frame(frame, {"state": older})
    assert np.array_equal(apply(frame, older), apply(frame, state))
    picture = pictures()
    state = fit(picture, IMAGE, Transforms())
    older = {name: value for name, value in state.items() if name != "fences"}
    assert np.array_equal(apply(picture, older), apply(picture, state))


IMAGE = {"p": ImageFeature(kind="image", size=(1, 3))}


def pictures() -> pd.DataFrame:
    return pd.DataFrame({"p_0_0": [1.0, 2.0, 3.0], "p_0_1": [4.0, 5.0, 6.0], "p_0_2": [7.0, 8.0, 100.0]})


def test_pixels_share_fences_scale_and_constant():
    settings = Transforms(outliers="clip", scale="minmax_symmetric", impute="constant", fill_value=7.0)
    state = fit(pictures(), IMAGE, settings)
    assert state["fences"] == pytest.approx([-3, 13])
    frame = pictures()
    frame.loc[0, "p_0_0"] = None
    highest = state["fences"][1]
    assert apply(frame, state).max() == 1 and apply(frame, state)[0, 0, 0, 0] == pytest.approx(
        (7 - (1 + highest) / 2) / ((highest - 1) / 2)
    )


def test_flags_beside_pixels_are_refused():
    with pytest.raises(RequestError) as caught:
        fit(pictures(), IMAGE, Transforms(missing_flag="always"))
    assert "transforms.missing_flag is always, and 'p' is an image" in caught.value.message


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"impute": "constant"}, "transforms.fill_value must say which number"),
        ({"fill_value": 1.0}, "transforms.impute is median; set impute to constant, or remove fill_value"),
        ({"impute": "refuse", "missing_flag": "always"}, "transforms.missing_flag is always, .* refuse leaves no gap"),
        (
            {"impute": "none", "missing_flag": "always"},
            "missing_flag is always, .* none has a mask beside every number",
        ),
        ({"impute": "none", "missing_flag": "never"}, "missing_flag is never, .* none has a mask beside every number"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, says):
    with pytest.raises(ValidationError, match=says):
        Transforms(**settings)
