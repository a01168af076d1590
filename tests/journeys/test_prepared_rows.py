"""Rows made, rows left out and columns left out, from a CSV to a champion that scores and is watched without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

RECIPE = """\
name: prepared
problem: classification
data: {reader: {kind: csv, path: rows.csv}, target: outcome, id: id}
transforms:
  outliers: exclude
  select: redundancy
  balance: {kind: smote, neighbours: 3}
model: {kind: mlp, hidden: [16]}
training: {epochs: 12, device: cpu, optimizer: {kind: adam, lr: 0.01}}
gates: {promotion: {metric: roc_auc}}
"""


def rows(first: int, count: int) -> pd.DataFrame:
    draw = np.random.default_rng(first)
    age, income, wait = draw.normal(45, 12, count), draw.lognormal(7, 0.8, count), draw.normal(0, 1, count)
    odds = (age - 60) / 6 + wait
    return pd.DataFrame(
        {
            "id": range(first, first + count),
            "age": age,
            "months": 12 * age + draw.normal(0, 1, count),
            "income": income,
            "wait": wait,
            "region": draw.choice(["north", "south"], count),
            "outcome": np.where(odds + 0.3 * draw.normal(size=count) > 0, "yes", "no"),
        }
    )


@pytest.mark.slow
def test_a_champion_made_from_prepared_rows_needs_only_what_was_kept(
    evergreen: Callable[..., Any], tmp_path: Path
) -> None:
    home, folder = tmp_path / "home", tmp_path / "recipe"
    folder.mkdir()
    (folder / "recipe.yaml").write_text(RECIPE)
    rows(0, 1_500).to_csv(folder / "rows.csv", index=False)
    ended = evergreen(home, "run", folder)
    assert (ended.code, ended.answer["status"]) == (0, "promoted"), (ended.answer, ended.errors)
    far, columns, even = ended.answer["preparation"]
    assert "training rows lie beyond the fences of income" in far
    assert columns.startswith("By transforms.select the model does not look at months (|r| = ")
    assert "Classes were evened out by smote" in even
    card = Path(ended.answer["reports"]["card"]).read_text()
    assert far in card and columns in card and even in card and "Its probabilities are those of a world" in card

    new = rows(5_000, 300).drop(columns=["months", "outcome"])
    new.to_csv(tmp_path / "new.csv", index=False)
    scored = evergreen(home, "predict", "prepared", tmp_path / "new.csv", "-o", tmp_path / "scored.csv")
    assert (scored.code, scored.answer["rows"]) == (0, 300), scored.answer
    watched = evergreen(home, "monitor", folder, "--data", tmp_path / "new.csv")
    assert watched.code == 0, watched.answer
    assert "months" not in {column["name"] for column in watched.answer["drift"]["columns"]}
