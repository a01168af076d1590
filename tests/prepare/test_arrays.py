"""Preparation: what is written, what it depends on, and what it must not depend on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tasks.core import splits
from tasks.core.errors import RequestError
from tasks.core.recipe import Recipe
from tasks.prepare import arrays
from tasks.prepare.arrays import prepare
from tasks.transforms.apply import apply


def recipe(problem: str = "classification", **data: object) -> Recipe:
    reader = {"kind": "csv", "path": "x.csv"}
    return Recipe.model_validate_json(
        json.dumps({"name": "small", "problem": problem, "data": {"reader": reader, "target": "y", **data}})
    )


def rows(count: int = 200) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row_id": [f"{number:032x}" for number in generator.permutation(count)],
            "batch": np.zeros(count, dtype=np.int64),
            "x": np.where(generator.random(count) < 0.1, np.nan, generator.normal(5, 3, count)),
            "c": generator.choice(["u", "v", "w"], count),
            "y": generator.choice(["no", "yes"], count),
        }
    )


def prepared(frame: pd.DataFrame, folder: Path, of: Recipe | None = None):
    folder.mkdir(parents=True, exist_ok=True)
    return prepare(frame, of or recipe(), folder, "work/small/prepare/k")


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_the_contract_says_is_what_the_files_hold(tmp_path):
    frame = rows()
    found = prepared(frame, tmp_path)
    spec = json.loads((tmp_path / "transform.json").read_text())
    assert found.folder == "work/small/prepare/k" and found.classes == ("no", "yes") and found.output_size == 2
    assert found.feature_columns == ("x", "c") == tuple(spec["columns"])
    sides = splits.assign(frame, recipe().data)
    for split, count in found.rows.items():
        inputs = np.load(tmp_path / f"{split}_inputs.npy", mmap_mode="r")
        targets = np.load(tmp_path / f"{split}_targets.npy")
        ids = pd.read_parquet(tmp_path / f"{split}_rows.parquet")
        assert inputs.dtype == np.float32 and inputs.shape == (count, *found.input_shape)
        assert targets.dtype == np.int64 and len(targets) == len(ids) == count
        assert ids["row_id"].is_monotonic_increasing and set(ids["row_id"]) == set(frame["row_id"][sides == split])
        own = frame.set_index("row_id").loc[ids["row_id"]]
        assert np.array_equal(inputs, apply(own, spec["state"]))
        assert [found.classes[code] for code in targets] == own["y"].tolist()


def test_nothing_learned_comes_from_validation_or_test_rows(tmp_path):
    frame = rows()
    other = frame.copy()
    held_out = splits.assign(frame, recipe().data) != "train"
    other.loc[held_out, "x"] = 1e6
    other.loc[held_out, "c"] = "never seen in training"
    prepared(frame, tmp_path / "a")
    prepared(other, tmp_path / "b")
    one, two = files(tmp_path / "a"), files(tmp_path / "b")
    assert one["transform.json"] == two["transform.json"]
    assert one["train_inputs.npy"] == two["train_inputs.npy"] and one["test_inputs.npy"] != two["test_inputs.npy"]


def test_a_regression_target_is_standardised_by_training_rows_alone(tmp_path):
    frame = rows().assign(y=np.random.default_rng(1).normal(100, 7, 200))
    other = frame.copy()
    other.loc[splits.assign(frame, recipe().data) != "train", "y"] = -1e9
    found = prepared(frame, tmp_path / "a", recipe("regression"))
    prepared(other, tmp_path / "b", recipe("regression"))
    assert files(tmp_path / "a")["transform.json"] == files(tmp_path / "b")["transform.json"]
    targets = np.load(tmp_path / "a" / "train_targets.npy")
    assert found.output_size == 1 and found.classes == () and targets.dtype == np.float32
    assert targets.mean() == pytest.approx(0, abs=1e-5) and targets.std() == pytest.approx(1, abs=1e-5)


def test_the_order_of_the_source_changes_no_byte(tmp_path):
    prepared(rows(), tmp_path / "a")
    prepared(rows().sample(frac=1, random_state=3), tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_pieces_give_the_same_bytes_as_the_whole(tmp_path, monkeypatch):
    prepared(rows(), tmp_path / "a")
    monkeypatch.setattr(arrays, "ROWS_PER_PIECE", 7)
    prepared(rows(), tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_unlabelled_rows_are_in_no_split(tmp_path):
    frame = rows()
    frame.loc[:49, "y"] = None
    found = prepared(frame, tmp_path)
    assert sum(found.rows.values()) == 150


def test_leftovers_of_a_killed_attempt_are_overwritten(tmp_path):
    prepared(rows(), tmp_path / "a")
    prepared(rows(300), tmp_path / "b")
    prepared(rows(), tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_time_split_names_its_cutoff(tmp_path):
    frame = rows().assign(day=pd.date_range("2020-01-01", periods=200))
    found = prepared(frame, tmp_path, recipe(time="day", split={"kind": "time"}))
    assert found.cutoff is not None and found.cutoff.startswith("2020-0") and found.feature_columns == ("x", "c")


@pytest.mark.parametrize(
    ("change", "problem", "says"),
    [
        (lambda frame: frame.drop(columns="y"), "classification", "data.target names the column 'y'"),
        (lambda frame: frame.assign(y="yes"), "classification", "data.target 'y' has 1 distinct value"),
        (lambda frame: frame, "regression", "data.target 'y' is text in"),
        (lambda frame: frame.head(2), "classification", "data.split leaves the"),
        (lambda frame: frame.assign(y=None), "classification", "data.split leaves the train split"),
    ],
    ids=["no target", "one class", "text as a quantity", "two rows", "no labels"],
)
def test_data_that_cannot_be_prepared_are_refused(change, problem, says, tmp_path):
    with pytest.raises(RequestError) as caught:
        prepared(change(rows()), tmp_path, recipe(problem))
    assert says in caught.value.message and caught.value.remedy


def test_a_gap_in_a_held_out_row_is_refused_where_nothing_is_imputed(tmp_path):
    frame = rows().assign(x=1.0)
    frame.loc[frame.index[splits.assign(frame, recipe().data) == "test"][0], "x"] = None
    strict = recipe().model_copy(update={"transforms": recipe().transforms.model_copy(update={"impute": "refuse"})})
    with pytest.raises(RequestError, match=r"test rows .* The column 'x' has 1 missing values"):
        prepared(frame, tmp_path, strict)


def test_a_pixel_column_that_is_missing_is_named(tmp_path):
    with pytest.raises(RequestError, match="no column 'p_0_0'"):
        prepared(rows(), tmp_path, recipe(features={"p": {"kind": "image", "size": [1, 1]}}))
