"""Excluded outliers: which rows they are, that nothing is fitted to them, and that no row judging a model is one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from tasks.core import splits
from tasks.core.errors import RequestError
from tasks.core.feature_kinds import DropFeature, NumericFeature
from tasks.core.recipe import Recipe
from tasks.evaluate.score import training_rows
from tasks.prepare.arrays import prepare
from tasks.prepare.outliers import outside

NUMBER = NumericFeature(kind="numeric")


def recipe(outliers: str = "exclude", problem: str = "classification", **sections: Any) -> Recipe:
    data = {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y", **sections.pop("data", {})}
    transforms = {"outliers": outliers, **sections.pop("transforms", {})}
    values = {"name": "far", "problem": problem, "data": data, "transforms": transforms, **sections}
    return Recipe.model_validate_json(json.dumps(values))


def rows() -> pd.DataFrame:
    """300 rows: a bell, a column with a long tail and gaps, a category, two classes."""
    generator = np.random.default_rng(0)
    tail = generator.lognormal(0, 1, 300)
    return pd.DataFrame(
        {
            "row_id": [f"{place:032x}" for place in generator.permutation(300)],
            "batch": 0,
            "bell": generator.normal(40, 7, 300) + 100 * (np.arange(300) % 40 == 0),
            "tail": np.where(generator.random(300) < 0.1, np.nan, tail),
            "colour": generator.choice(["red", "blue"], 300),
            "y": generator.choice(["no", "yes"], 300, p=[0.8, 0.2]),
        }
    )


def made(folder: Path, of: Recipe, frame: pd.DataFrame | None = None) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    return prepare(rows() if frame is None else frame, of, folder, "prepared")


def test_rows_beyond_tukeys_fences_of_any_column_are_outside():
    # Quartiles 3 and 7, so the fences are 3 - 6 and 7 + 6: -3 and 13 are kept.
    frame = pd.DataFrame(
        {
            "x": [1.0, 2, 3, 4, 5, 6, 7, 8, 100, np.nan],
            "flat": [0.0] * 9 + [9.0],
            "away": [1.0] * 9 + [1e9],
            "y": ["a", "b"] * 5,
        }
    )
    features = {"x": NUMBER, "flat": NUMBER, "away": DropFeature(kind="drop")}
    found = outside(frame, features, "y", "classification")
    assert np.flatnonzero(found.rows).tolist() == [8] and found.columns == {"x": 1}
    assert found.notes == ("1 of 10 training rows lie beyond the fences of x (1) and were left out.",)
    fence = pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6, 7, 8, 13], "y": list("ababababa")})
    assert not outside(fence, {"x": NUMBER}, "y", "classification").rows.any()


def test_nothing_is_fitted_to_what_is_outside_and_other_splits_keep_all_their_rows(tmp_path):
    frame = rows()
    plain = made(tmp_path / "plain", recipe("keep"), frame)
    found = made(tmp_path / "exclude", recipe(), frame)
    train = frame[splits.assign(frame, recipe().data) == "train"].set_index("row_id").sort_index()
    lower, upper = train["tail"].quantile([0.25, 0.75])
    beyond = {"tail": train["tail"] > upper + 1.5 * (upper - lower)}
    lower, upper = train["bell"].quantile([0.25, 0.75])
    beyond["bell"] = (train["bell"] - (lower + upper) / 2).abs() > 2 * (upper - lower)
    far = beyond["tail"] | beyond["bell"]
    assert 5 < far.sum() < 40 and beyond["bell"].any()
    kept = pd.read_parquet(tmp_path / "exclude" / "train_rows.parquet")
    left = pd.read_parquet(tmp_path / "exclude" / "left_out_rows.parquet")
    assert kept["row_id"].tolist() == train.index[~far].tolist() and not kept["synthetic"].any()
    assert sorted(left["row_id"]) == train.index[far].tolist() and set(left["reason"]) == {"outlier"}
    assert found.rows == {**plain.rows, "train": int((~far).sum())} and str(int(far.sum())) in found.notes[0]
    bell = json.loads((tmp_path / "exclude" / "transform.json").read_text())["state"]["numeric"][0]
    assert bell["fences"] is None
    assert bell["shift"] == pytest.approx(train["bell"][~far].mean())
    assert bell["scale"] == pytest.approx(train["bell"][~far].std(ddof=0))
    for split in ("validation", "test"):
        one, two = (pd.read_parquet(tmp_path / name / f"{split}_rows.parquet") for name in ("plain", "exclude"))
        assert one.equals(two)
        assert len(np.load(tmp_path / "exclude" / f"{split}_inputs.npy")) == len(one)


def test_fences_are_those_of_training_rows_alone(tmp_path):
    frame = rows()
    other = frame.copy()
    other.loc[splits.assign(frame, recipe().data) != "train", ["bell", "tail"]] = 1e9
    made(tmp_path / "a", recipe(), frame)
    made(tmp_path / "b", recipe(), other)
    for name in ("transform.json", "train_rows.parquet", "left_out_rows.parquet", "train_inputs.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_trivial_predictor_knows_all_training_rows_and_balancing_comes_after(tmp_path):
    frame = rows()
    found = made(tmp_path, recipe(transforms={"balance": "undersample"}), frame)
    left = pd.read_parquet(tmp_path / "left_out_rows.parquet")
    assert set(left["reason"]) == {"outlier", "undersampled"} and left["row_id"].is_unique
    train = frame["row_id"][splits.assign(frame, recipe().data) == "train"]
    assert sorted(training_rows(tmp_path)) == sorted(train)
    assert found.rows["train"] == len(train) - len(left) and len(found.notes) == 2
    assert np.bincount(np.load(tmp_path / "train_targets.npy")).tolist() == [found.rows["train"] // 2] * 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f: f.assign(**_many_tails()), r"\d+ of \d+ training rows lie beyond the fences of some column"),
        (lambda f: f.assign(bell=np.where(f["y"] == "yes", 1e6, f["bell"])), "every training row of the class 'yes'"),
        (lambda f: f.assign(bell=pd.Timestamp("2020-01-01")), "data.features.bell: The column 'bell' holds datetime"),
    ],
    ids=["more than half", "a whole class", "dates"],
)
def test_what_would_leave_too_little_is_refused(change, says, tmp_path):
    features = {"bell": {"kind": "numeric"}}
    with pytest.raises(RequestError, match=says) as caught:
        made(tmp_path, recipe(data={"features": features}), change(rows()))
    assert caught.value.remedy


def _many_tails() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(5)
    return {f"t{place}": generator.lognormal(0, 2, 300) for place in range(20)}


def test_pixels_are_not_judged_one_by_one():
    with pytest.raises(ValidationError, match="'p' is an image with a pixel far outside"):
        recipe(data={"features": {"p": {"kind": "image", "size": [2, 2]}}})


def test_a_quantity_has_no_class_to_lose(tmp_path):
    frame = rows().assign(y=np.arange(300.0))
    (note,) = made(tmp_path, recipe(problem="regression"), frame).notes
    assert re.match(r"\d+ of \d+ training rows lie beyond the fences of tail", note)
