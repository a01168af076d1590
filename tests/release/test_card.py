"""What the model card says of gaps: the transform decides, and a series has no place for a mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.core.context import Context
from tasks.core.contracts import Prepared
from tasks.core.home import Home
from tasks.core.recipe import Recipe
from tasks.release import card

NUMBER, SERIES = {"kind": "numeric"}, {"kind": "series", "length": 3}
IMAGE = {"kind": "image", "size": [2, 2]}


@pytest.mark.parametrize(
    ("features", "sequence", "says"),
    [
        ({"x": NUMBER}, (), "fills no gap and is told of each by a mask,"),
        ({"s": SERIES}, (), "refuses rows with a missing number,"),
        ({"p": IMAGE}, (), "refuses rows with a missing number,"),
        ({"s": SERIES, "x": NUMBER}, (3, 2), "told of each by a mask, but refuses one inside a series,"),
    ],
    ids=["numbers", "a series", "an image", "numbers beside a series"],
)
def test_gaps_that_are_left_are_masked_or_refused(features: dict[str, Any], sequence: tuple[int, ...], says: str):
    values = {
        "name": "small",
        "problem": "regression",
        "data": {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", "features": features},
        "model": {"kind": "recurrent" if "s" in features else "cnn" if "p" in features else "mlp"},
        "transforms": {"impute": "none"},
    }
    recipe = Recipe.model_validate_json(json.dumps(values))
    prepared = Prepared("", {"train": 9, "test": 3}, (4,), 1, (), tuple(features), sequence=sequence)
    assert says in card._limits(Context(recipe, Path(), Home(Path("/nowhere")), Path(), "k", "r"), prepared)
