"""A text or a series with columns beside it: each part as it is alone, side by side in one flat example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tasks.prepare.stage
from tasks.core.errors import RequestError
from tasks.core.feature_kinds import (
    CategoricalFeature,
    DropFeature,
    Feature,
    ImageFeature,
    NumericFeature,
    SeriesFeature,
    TextFeature,
)
from tasks.core.features import columns_of, inputs_of, resolve, sequence_of
from tasks.core.hashing import canonical_json, code_hashes
from tasks.core.recipe import Data, Transforms
from tasks.release.golden import golden_frame
from tasks.transforms import fit
from tasks.transforms.apply import apply, check_frame

COLUMNS: dict[str, Feature] = {"age": NumericFeature(kind="numeric"), "kind": CategoricalFeature(kind="categorical")}
TEXT: dict[str, Feature] = {"note": TextFeature(kind="text")}
SERIES: dict[str, Feature] = {"s": SeriesFeature(kind="series", length=2)}
FRAME = pd.DataFrame(
    {
        "age": [1.0, None, 3.0],
        "note": ["a b a b", "b a", None],
        "kind": ["x", "y", "x"],
        "s_0": [1.0, 2.0, 3.0],
        "s_1": [4.0, None, 6.0],
    }
)
PARTS = {"text": TEXT, "series": SERIES}


def fitted(features: dict[str, Feature], **transforms: Any) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(canonical_json(fit(FRAME, features, Transforms(**transforms))))
    return state


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("flag", ["auto", "always", "never"])
def test_an_example_is_the_sequence_and_then_the_columns(name: str, flag: Any) -> None:
    sequence = PARTS[name]
    ours = {"age": COLUMNS["age"]} | sequence | {"kind": COLUMNS["kind"]}
    state = fitted(ours, missing_flag=flag)
    alone, beside = fitted(sequence), fitted(COLUMNS, missing_flag=flag)
    check_frame(FRAME, {"state": state})
    expected = [apply(FRAME, alone).reshape(3, -1), apply(FRAME, beside)]
    assert np.array_equal(apply(FRAME, state), np.concatenate(expected, axis=1))
    assert state["input_shape"] == [sum(part.shape[1] for part in expected)]
    assert apply(FRAME[:0], state).shape == (0, *state["input_shape"])
    assert state["sequence"]["input_shape"] == alone["input_shape"]
    assert state["vocabulary"] == alone.get("vocabulary", 0) and state["columns"] == list(columns_of(ours))


def test_the_shape_is_known_before_anything_is_fitted_and_says_which_part_is_the_sequence() -> None:
    assert (inputs_of(TEXT | COLUMNS), sequence_of(TEXT | COLUMNS)) == ((3,), (1,))
    assert (inputs_of(SERIES | COLUMNS), sequence_of(SERIES | COLUMNS)) == ((6,), (2, 2))
    dropped = {"age": DropFeature(kind="drop")}
    image = {"p": ImageFeature(kind="image", size=(1, 1))}
    for features in (TEXT, SERIES | dropped, COLUMNS, TEXT | SERIES | COLUMNS, TEXT | image, SERIES | image | COLUMNS):
        assert sequence_of(features) == ()
    assert inputs_of(TEXT | image) == inputs_of(TEXT | SERIES) == ()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"age": ["old", 2, 3]}, "The column 'age' holds text that is not a number."),
        ({"s_1": ["old", 2, 3]}, "The column 's_1' holds text that is not a number."),
        ({"s_1": [None, 2, 3], "s_0": [None, 2, 3], "age": [1, None, 3]}, "'age' has 1 missing values"),
    ],
)
def test_a_frame_that_one_part_cannot_take_is_refused(changed: dict[str, Any], says: str) -> None:
    state = fit(FRAME.dropna(), SERIES | COLUMNS, Transforms(impute="refuse"))
    with pytest.raises(ValueError, match=says):
        check_frame(FRAME.assign(**changed), {"state": state})
    with pytest.raises(ValueError, match="The column 'kind' is missing"):
        check_frame(FRAME.drop(columns="kind"), {"state": state})


def test_nothing_stands_beside_an_image_and_no_second_sequence() -> None:
    image: dict[str, Feature] = {"p": ImageFeature(kind="image", size=(1, 1))}
    frame = FRAME.assign(p_0_0=1.0)
    for features, says in (
        (image | COLUMNS, "mixes the image 'p' with 'age'"),
        (COLUMNS | TEXT | image, "mixes the text 'note' with 'p'"),
        (COLUMNS | TEXT | SERIES, "mixes the text 'note' with 's'"),
        (SERIES | COLUMNS | {"t": SeriesFeature(kind="series", length=1)}, "has the series 's' and 't'"),
    ):
        with pytest.raises(RequestError, match=says):
            fit(frame, features, Transforms())


@pytest.mark.parametrize("name", PARTS)
def test_the_code_of_both_parts_enters_the_cache_key_of_a_recipe_that_names_the_sequence(name: str) -> None:
    stage = Path(tasks.prepare.stage.__file__)
    found = set(code_hashes(stage, "prepare", frozenset({name})))
    assert {f"tasks/transforms/{part}.py" for part in (name, "mixed", "tabular")} <= found
    assert not {f"tasks/transforms/{part}.py" for part in PARTS if part != name} & found


def test_golden_rows_are_those_of_both_parts_in_the_order_of_the_frame() -> None:
    ours = {"age": COLUMNS["age"]} | TEXT | {"kind": COLUMNS["kind"]}
    rows = golden_frame(fitted(ours))
    assert list(rows.columns) == ["age", "note", "kind"]
    apart = [golden_frame(fitted(part)) for part in (TEXT, COLUMNS)]
    assert len(rows) == max(len(part) for part in apart)
    for part in apart:
        pd.testing.assert_frame_equal(rows[: len(part)][list(part.columns)], part)


def test_the_row_s_own_values_of_what_its_window_holds_are_not_known_when_it_is_asked_about() -> None:
    values = {
        "reader": {"kind": "csv", "path": "x.csv"},
        "target": "y",
        "time": "t",
        "windows": {"columns": ["y", "wind", "sun"], "length": 1},
        "features": {"sun": {"kind": "numeric"}},
    }
    data = Data.model_validate_json(json.dumps(values))
    found = resolve(dict.fromkeys(["t", "y", "wind", "sun", "hour", *columns_of(data.features)], "float64"), data)
    assert columns_of(found) == ("sun", "hour", "past_y_0", "past_wind_0", "past_sun_0")
    assert data.features["wind"].kind == "drop" and "y" not in data.features
