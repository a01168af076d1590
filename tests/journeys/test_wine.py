"""Wines that were entered twice are found, counted, and kept on one side of the split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core import results, splits
from tasks.core.home import Home
from tasks.core.load import load_recipe
from tasks.stores import datasets

RECIPE = """\
name: {name}
problem: regression
data:
  reader: {{kind: csv, path: {path}}}
  target: quality
"""


def ran(evergreen: Callable[..., Any], folder: Path, name: str, path: Path) -> tuple[Any, pd.DataFrame]:
    """The data stages through the flow: their answer, and the rows of the dataset with their side and content."""
    recipe = folder / name
    recipe.mkdir()
    (recipe / "recipe.yaml").write_text(RECIPE.format(name=name, path=path))
    ended = evergreen(folder / "home", "run", recipe, "--until", "version")
    assert (ended.code, ended.answer["status"]) == (0, "completed"), (ended.answer, ended.errors)
    record = results.latest(Home(folder / "home"), name, "version")
    assert record is not None
    rows = datasets.load_rows(folder / "home" / record.output["folder"])
    rows["side"] = splits.assign(rows, load_recipe(str(recipe)).recipe.data)
    return ended, rows


def assert_one_side(rows: pd.DataFrame) -> None:
    """No two equal rows on different sides, however often a row is repeated."""
    content = [name for name in rows.columns if name not in ("row_id", "batch", "side")]
    assert rows.groupby(content, dropna=False)["side"].nunique().max() == 1
    assert rows["row_id"].is_unique
    assert set(rows["side"]) == set(splits.SPLITS)


def test_white_wine_has_937_duplicates_none_on_two_sides(
    evergreen: Callable[..., Any], tmp_path: Path, shared_data: Path
) -> None:
    ended, rows = ran(evergreen, tmp_path, "white", shared_data / "wine_quality" / "wine-quality.csv")
    gate = ended.gate("duplicates")
    assert gate["state"] == "passed"
    assert gate["evidence"]["duplicates"] == 937
    assert gate["evidence"]["groups_on_two_sides"] == 0
    assert len(rows) == 4898
    assert_one_side(rows)


@pytest.mark.parametrize("planted", [1, 40])
def test_planted_duplicates_are_counted_and_stand_on_one_side(
    evergreen: Callable[..., Any], tmp_path: Path, planted: int
) -> None:
    random = np.random.default_rng(planted)
    frame = pd.DataFrame(random.normal(size=(300, 4)), columns=["a", "b.c", "d e", "f"])
    frame["quality"] = frame["a"] + random.normal(size=300)
    again = frame.sample(planted, random_state=1)
    shuffled = pd.concat([frame, again, again.head(planted // 2)]).sample(frac=1, random_state=2)
    shuffled.to_csv(tmp_path / "planted.csv", index=False)
    ended, rows = ran(evergreen, tmp_path, "planted", tmp_path / "planted.csv")
    evidence = ended.gate("duplicates")["evidence"]
    assert evidence["duplicates"] == planted + planted // 2
    assert evidence["groups"] == planted
    assert evidence["groups_on_two_sides"] == 0
    assert_one_side(rows)
