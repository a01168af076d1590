"""Clean made-up data that pass every gate, and the recipes that go with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core.recipe import Recipe
from tasks.core.rows import Identity, row_ids
from tasks.validate.expectations import Suite, load_suite
from tasks.validate.judge import Judgement, judge

FIRST_BATCH = 360


def clean_rows(rows: int = 480) -> pd.DataFrame:
    """Patients with a noisy diagnosis and a noisy cost; the last rows come as a second batch."""
    random = np.random.default_rng(7)
    radius = random.normal(14, 3, rows).clip(2, 40)
    texture = random.normal(19, 4, rows)
    clinic = random.choice(["north", "south", "west"], rows)
    malignant = radius + random.normal(0, 2, rows) > 15
    return pd.DataFrame(
        {
            "patient": [f"p{number:05d}" for number in range(rows)],
            "seen": pd.date_range("2024-01-01", periods=rows, freq="6h"),
            "radius": radius,
            "texture": texture,
            "clinic": clinic,
            "diagnosis": np.where(malignant, "malignant", "benign"),
            "cost": 100 * radius + random.normal(0, 200, rows),
            "batch": np.where(np.arange(rows) < FIRST_BATCH, 0, 1),
        }
    )


def recipe_of(**changes: Any) -> Recipe:
    """The recipe of `clean_rows`; `data__x` and `gates__x` change fields of these sections."""
    data = {
        "reader": {"kind": "csv", "path": "patients.csv"},
        "target": "diagnosis",
        "id": "patient",
        "time": "seen",
        "features": {"cost": {"kind": "drop"}, "radius": {"kind": "numeric"}},
        "expectations": "expectations.json",
    }
    gates: dict[str, Any] = {}
    problem = changes.pop("problem", "classification")
    for key, value in changes.items():
        section, _, name = key.partition("__")
        {"data": data, "gates": gates}[section][name] = value
    return Recipe.model_validate_json(
        json.dumps({"name": "patients", "problem": problem, "data": data, "gates": gates})
    )


def identified(frame: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The frame with the row ids ingest would give it."""
    features = tuple(name for name in frame.columns if name not in ("batch", recipe.data.target))
    # Ids that the frame has lost make its rows known by their features, as after an ingest of such a file.
    by = recipe.data.id if recipe.data.id in frame.columns else None
    ids = row_ids(frame.drop(columns="batch"), Identity(by, recipe.data.target, features))
    return frame.assign(row_id=ids)[["row_id", "batch", *(name for name in frame.columns if name != "batch")]]


@pytest.fixture
def patients() -> pd.DataFrame:
    """480 clean rows in two batches, this test's own."""
    return clean_rows()


@pytest.fixture(scope="session")
def make_recipe() -> Callable[..., Recipe]:
    """`make_recipe(problem=…, data__x=…, gates__y=…)`: the recipe of `patients` with changes."""
    return recipe_of


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """Rules of validity for `clean_rows`."""
    path: Path = tmp_path_factory.mktemp("suite") / "expectations.json"
    rules: list[dict[str, Any]] = [
        {
            "type": "expect_column_values_to_be_between",
            "kwargs": {"column": "radius", "min_value": 0, "max_value": 50},
        },
        {
            "type": "expect_column_values_to_be_in_set",
            "kwargs": {"column": "clinic", "value_set": ["north", "south", "west"]},
        },
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"max_value": 100_000}},
    ]
    path.write_text(json.dumps({"name": "patients", "expectations": rules}))
    return load_suite(path)


@pytest.fixture(scope="session")
def judged(suite: Suite) -> Callable[..., Judgement]:
    """Judge a frame of `clean_rows`' shape with the suite."""

    def run(
        frame: pd.DataFrame,
        recipe: Recipe | None = None,
        *,
        with_suite: bool = True,
        read: Collection[str] | None = None,
    ) -> Judgement:
        chosen = recipe or recipe_of()
        newest = int(frame["batch"].max()) if len(frame) else 0
        return judge(identified(frame, chosen), chosen, suite if with_suite else None, newest, read)

    return run
