"""Feature kinds: the recipe's word first, dtypes for the rest, answers never."""

from __future__ import annotations

import json

import pytest

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import DatetimeFeature
from tasks.core.features import columns_of, inputs_of, least_vocabulary, resolve
from tasks.core.recipe import Data


def data(**fields) -> Data:
    return Data.model_validate_json(json.dumps({"reader": {"kind": "csv", "path": "x.csv"}, "target": "y"} | fields))


def kinds(features: dict) -> dict[str, str]:
    return {name: feature.kind for name, feature in features.items()}


def test_kinds_are_inferred_from_dtypes_in_the_order_of_the_frame() -> None:
    columns = {
        "row_id": "object",
        "batch": "int64",
        "b": "bool",
        "n": "float64",
        "nullable": "Int64",
        "t": "datetime64[ns, UTC]",
        "word": "object",
        "y": "int64",
        "c": "category",
    }
    features = resolve(columns, data())
    assert kinds(features) == {
        "b": "categorical",
        "n": "numeric",
        "nullable": "numeric",
        "t": "datetime",
        "word": "categorical",
        "c": "categorical",
    }
    assert columns_of(features) == ("b", "n", "nullable", "t", "word", "c")
    assert features["t"] == DatetimeFeature(kind="datetime", parts=("hour", "weekday", "month"), timezone="UTC")
    spans = ["timedelta64[ns]", "period[D]", "interval"]
    assert set(kinds(resolve(dict(zip("abc", spans, strict=True)), data())).values()) == {"drop"}


def test_id_time_group_and_target_are_never_inferred_features() -> None:
    columns = dict.fromkeys(["key", "when", "patient", "a", "y"], "int64")
    features = resolve(columns, data(id="key", time="when", split={"group": "patient"}))
    assert kinds(features) == {"patient": "drop", "a": "numeric"}


def test_the_recipe_overrules_the_dtype_and_keeps_what_is_missing() -> None:
    features = resolve(
        {"a": "int64", "y": "int64"}, data(features={"a": {"kind": "categorical"}, "z": {"kind": "numeric"}})
    )
    assert kinds(features) == {"a": "categorical", "z": "numeric"}
    assert columns_of(features) == ("a", "z")


def test_an_image_covers_its_pixels_row_by_row() -> None:
    columns = {
        "pixel_1_1": "float64",
        "pixel_0_0": "float64",
        "pixel_0_1": "float64",
        "pixel_1_0": "float64",
        "y": "int64",
    }
    features = resolve(columns, data(features={"pixel": {"kind": "image", "size": [2, 2]}}))
    assert kinds(features) == {"pixel": "image"}
    assert columns_of(features) == ("pixel_0_0", "pixel_0_1", "pixel_1_0", "pixel_1_1")


def test_a_series_covers_its_steps_and_a_text_is_one_column() -> None:
    columns = dict.fromkeys(["s_1", "s_0", "a"], "float64") | {"y": "int64"}
    features = resolve(columns, data(features={"s": {"kind": "series", "length": 2}, "a": {"kind": "text"}}))
    assert kinds(features) == {"s": "series", "a": "text"}
    assert columns_of(features) == ("s_0", "s_1", "a")


@pytest.mark.parametrize("role", ["target", "id", "time"])
def test_an_answer_cannot_be_a_feature(role: str) -> None:
    with pytest.raises(RequestError, match=rf"data.features.secret .* data.{role}"):
        resolve({"secret": "int64"}, data(**{role: "secret"}, features={"secret": {"kind": "numeric"}}))


def test_the_time_is_a_feature_only_as_a_date() -> None:
    columns = {"when": "object", "a": "int64"}
    assert kinds(resolve(columns, data(time="when"))) == {"a": "numeric"}
    dated = data(time="when", split={"kind": "time"}, features={"when": {"kind": "datetime"}})
    assert columns_of(resolve(columns, dated)) == ("when", "a")
    with pytest.raises(RequestError) as caught:
        resolve(columns, data(time="when", features={"when": {"kind": "categorical"}}))
    assert "let it be {kind: datetime}" in caught.value.remedy


def test_dropping_the_id_by_hand_is_harmless() -> None:
    assert columns_of(resolve({"k": "int64", "a": "int64"}, data(id="k", features={"k": {"kind": "drop"}}))) == ("a",)


def test_the_shape_of_one_example_is_known_before_anything_is_fitted() -> None:
    picture, other = {"kind": "image", "size": [2, 3]}, {"kind": "drop"}
    columns = {"a": "int64", "y": "int64", "b": "object"}
    assert inputs_of(resolve(columns, data())) == (2,)
    assert inputs_of(resolve({}, data(features={"p": picture, "q": picture, "a": other}))) == (2, 2, 3)
    assert inputs_of(resolve(columns, data(features={"p": picture}))) == ()
    assert inputs_of(resolve({"y": "int64"}, data())) == ()
    text, series = {"kind": "text"}, {"kind": "series", "length": 5, "channels": ["c", "d"]}
    assert inputs_of(resolve({}, data(features={"t": text, "a": other}))) == (1,)
    assert inputs_of(resolve({}, data(features={"t": text, "u": text}))) == ()
    assert inputs_of(resolve({}, data(features={"s": series}))) == (5, 3)
    assert least_vocabulary(resolve({}, data(features={"t": text}))) == 2
    assert least_vocabulary(resolve({}, data(features={"s": series}))) == 0
