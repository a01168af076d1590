"""The retraining window: which training rows a model is fitted on, and what the window leaves alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core import splits
from tasks.core.errors import RequestError
from tasks.core.recipe import Recipe
from tasks.prepare.arrays import prepare
from tasks.prepare.window import newest

COUNT = 300


def recipe(window: dict[str, Any], **data: Any) -> Recipe:
    reader = {"kind": "csv", "path": "x.csv"}
    values = {
        "name": "small",
        "problem": "classification",
        "data": {"reader": reader, "target": "y", **data},
        "retraining": {"kind": "hybrid", "window": window},
    }
    return Recipe.model_validate_json(json.dumps(values))


def rows() -> pd.DataFrame:
    """One row a day in four batches; the order of the ids has nothing to do with the time."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "row_id": [f"{number:032x}" for number in draw.permutation(COUNT)],
            "batch": np.arange(COUNT) // 75,
            "x": np.arange(COUNT) / 10,
            "day": pd.date_range("2024-01-01", periods=COUNT).astype(str),
            "y": draw.choice(["no", "yes"], COUNT),
        }
    )


def sides_of(frame: pd.DataFrame, of: Recipe, folder: Path) -> dict[str, set[str]]:
    """Row ids of each split, as they were written."""
    folder.mkdir()
    prepare(frame, of, folder, "work/small/prepare/k")
    return {side: set(pd.read_parquet(folder / f"{side}_rows.parquet")["row_id"]) for side in splits.SPLITS}


@pytest.mark.parametrize("split", [{"kind": "random"}, {"kind": "time"}], ids=["random", "time"])
@pytest.mark.parametrize("window", [{"kind": "sliding", "days": 40}, {"kind": "sliding", "rows": 33}], ids=str)
def test_a_window_shortens_the_training_rows_and_nothing_else(
    split: dict[str, Any], window: dict[str, Any], tmp_path: Path
) -> None:
    frame = rows()
    whole = sides_of(frame, recipe({"kind": "expanding"}, time="day", split=split), tmp_path / "whole")
    short = sides_of(frame, recipe(window, time="day", split=split), tmp_path / "short")
    assert (short["validation"], short["test"]) == (whole["validation"], whole["test"])
    days = frame.set_index("row_id")["day"]
    inside, left_out = days[list(short["train"])], days[list(whole["train"] - short["train"])]
    assert len(inside) and len(left_out) and left_out.max() < inside.min()
    if "rows" in window:
        assert len(inside) == 33
    else:
        newest_day = pd.Timestamp(days[list(whole["train"])].max())
        assert left_out.max() < str(newest_day - pd.Timedelta(days=40))[:10] <= inside.min()


def test_what_is_estimated_comes_from_the_window(tmp_path: Path) -> None:
    sides_of(rows(), recipe({"kind": "sliding", "rows": 20}, time="day"), tmp_path / "a")
    older = rows()
    older.loc[: COUNT // 2, "x"] = 1e6
    sides_of(older, recipe({"kind": "sliding", "rows": 20}, time="day"), tmp_path / "b")
    for name in ("transform.json", "train_inputs.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_without_a_time_the_newest_batches_come_first_whatever_the_order_of_the_rows() -> None:
    frame = rows()
    of = recipe({"kind": "sliding", "rows": 100})
    kept = newest(frame, of.retraining.window, of.data)
    assert len(kept) == 100 and set(kept["batch"]) == {2, 3} and (kept["batch"] == 3).sum() == 75
    shuffled = newest(frame.sample(frac=1, random_state=1), of.retraining.window, of.data)
    assert set(shuffled["row_id"]) == set(kept["row_id"])


def test_equal_times_are_told_apart_by_id_and_unreadable_ones_are_oldest() -> None:
    frame = rows().assign(day="2024-05-05")
    frame.loc[:9, "day"] = "some day"
    of = recipe({"kind": "sliding", "rows": COUNT - 10}, time="day")
    kept = newest(frame, of.retraining.window, of.data)
    assert list(kept.index) == list(range(10, COUNT))
    fewer = newest(frame, recipe({"kind": "sliding", "rows": 5}, time="day").retraining.window, of.data)
    assert set(fewer["row_id"]) == set(frame["row_id"][10:].sort_values()[-5:])


def test_a_window_longer_than_the_history_holds_all_of_it() -> None:
    of = recipe({"kind": "sliding", "rows": COUNT + 1}, time="day")
    assert len(newest(rows(), of.retraining.window, of.data)) == COUNT


def test_days_need_dates() -> None:
    of = recipe({"kind": "sliding", "days": 3}, time="day")
    for frame in (rows().assign(day=range(COUNT)), rows().assign(day="soon")):
        with pytest.raises(RequestError, match=r"the column 'day' of data\.time holds no dates") as caught:
            newest(frame, of.retraining.window, of.data)
        assert "retraining.window.rows" in caught.value.remedy


def test_rows_outside_the_window_still_count_as_seen(tmp_path: Path) -> None:
    """An older model of the same recipe may have trained on them, so they decide about no promotion."""
    frame = rows()
    of = recipe({"kind": "sliding", "rows": 20}, time="day")
    inside = sides_of(frame, of, tmp_path / "a")["train"]
    seen = frame["row_id"][splits.trained_on(frame, of.data, None).to_numpy(dtype=bool)]
    assert inside < set(seen)
