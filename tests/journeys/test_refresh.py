"""New rows for an old recipe: decided as a refresh, on rows that neither model has trained on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core import results
from tasks.core.contracts import Prepared, from_json
from tasks.core.hashing import json_sha256
from tasks.core.home import Home
from tasks.stores import datasets

RECIPE = """\
name: refreshed
problem: classification
data:
  reader: {kind: csv, path: rows.csv}
  target: outcome
  id: order
model: {kind: mlp, hidden: [8]}
training: {epochs: 8, batch_size: 32, optimizer: {kind: adamw, lr: 0.01}}
gates: {promotion: {margin: 0.1}}
"""
SIDES = ("train", "validation", "test")


def orders(first: int, count: int) -> pd.DataFrame:
    """Rows whose outcome follows from two of three numbers, with some noise."""
    random = np.random.default_rng(first + 1)
    frame = pd.DataFrame(random.normal(size=(count, 3)).round(4), columns=["a", "b", "c"])
    frame.insert(0, "order", range(first, first + count))
    frame["outcome"] = np.where(frame["a"] + 0.5 * frame["b"] + 0.2 * random.normal(size=count) > 0, "yes", "no")
    return frame


class Refreshed:
    """One recipe whose source changes between runs."""

    def __init__(self, evergreen: Callable[..., Any], folder: Path) -> None:
        self.evergreen, self.home, self.recipe = evergreen, Home(folder / "home"), folder / "refreshed"
        self.recipe.mkdir()
        (self.recipe / "recipe.yaml").write_text(RECIPE)

    def run(self, rows: pd.DataFrame, *words: str) -> Any:
        """Write the source and run."""
        rows.to_csv(self.recipe / "rows.csv", index=False)
        ended = self.evergreen(self.home.root, "run", self.recipe, *words)
        assert "error" not in ended.answer, ended.errors
        return ended

    def dataset(self) -> pd.DataFrame:
        """Rows of the newest dataset version."""
        record = results.latest(self.home, "refreshed", "version")
        assert record is not None
        return datasets.load_rows(self.home.path(record.output["folder"]))

    def sides(self) -> dict[str, set[str]]:
        """Row ids of each side, as the newest `prepare` wrote its tensors."""
        record = results.latest(self.home, "refreshed", "prepare")
        assert record is not None
        folder = self.home.path(from_json(Prepared, record.output).folder)
        return {side: set(pd.read_parquet(folder / f"{side}_rows.parquet")["row_id"]) for side in SIDES}


@pytest.fixture
def refreshed(evergreen: Callable[..., Any], tmp_path: Path) -> Refreshed:
    return Refreshed(evergreen, tmp_path)


def rows_that_decided(gate: dict[str, Any], rows: pd.DataFrame, *runs: dict[str, set[str]]) -> pd.DataFrame:
    """The rows the gate says it decided on, after showing that no model was fitted to one, nor stopped by one.

    They are those of the newest batches among the test rows that no `prepare` put on another side; the gate
    names them by a hash over their ids.
    """
    seen = set().union(*(sides["train"] | sides["validation"] for sides in runs))
    free = rows[rows["row_id"].isin(runs[-1]["test"] - seen)]
    evidence = gate["evidence"]
    newest = [free[free["batch"] >= batch] for batch in sorted(set(free["batch"]))]
    named = [part for part in newest if json_sha256(sorted(part["row_id"])) == evidence["rows_sha256"]]
    assert len(named) == 1, evidence
    assert evidence["rows"] == len(named[0])
    assert evidence["seen_by_one"] == len(runs[-1]["test"]) - len(free)
    guarding = evidence["guard"]["rows"] if evidence["guard"] else 0
    assert guarding == len(free) - len(named[0])
    return named[0]


def test_appended_rows_are_a_refresh_decided_on_rows_neither_model_has_seen(refreshed: Refreshed) -> None:
    first = refreshed.run(orders(0, 700))
    assert (first.code, first.answer["status"]) == (0, "promoted"), first.answer["reason"]
    before = refreshed.sides()

    second = refreshed.run(pd.concat([orders(0, 700), orders(700, 300)]))
    assert (second.code, second.answer["status"]) == (0, "promoted"), second.answer["reason"]
    assert second.answer["decision"]["rule"] == "non_inferior"
    assert second.answer["previous_champion"] == "1"
    after = refreshed.sides()
    # Once test, always test; and so for the other sides.
    assert all(before[side] < after[side] for side in SIDES)
    rows = refreshed.dataset()
    assert rows.groupby("batch").size().to_dict() == {0: 700, 1: 300}
    decided = rows_that_decided(second.gate("better_than_champion"), rows, before, after)
    assert second.answer["decision"]["rows"] == len(decided) > 0
    # They are the appended ones; the older ones guard.
    assert set(decided["batch"]) == {1}

    told = refreshed.evergreen(refreshed.home.root, "history", "refreshed").answer
    moves = [(entry["from"], entry["to"]) for entry in told["entries"] if entry["to"]]
    assert moves == [(None, "1"), ("1", "2")]
    assert told["champion"] == "2"


@pytest.mark.slow
def test_edits_supersede_absences_stay_and_another_split_leaves_few_rows_to_decide(refreshed: Refreshed) -> None:
    source = orders(0, 700)
    refreshed.run(source)
    first = refreshed.sides()

    edited = source.copy()
    edited.loc[5, "a"] += 1
    refreshed.run(edited, "--until", "prepare")
    rows = refreshed.dataset().set_index("order")
    assert (len(rows), rows.loc[5, "batch"], rows.loc[5, "a"]) == (700, 0, edited.loc[5, "a"])
    assert refreshed.sides() == first

    ended = refreshed.run(edited.drop(index=[7, 8]), "--until", "prepare")
    assert ended.answer["dataset"]["rows"] == 700
    assert {7, 8} <= set(refreshed.dataset()["order"])
    assert refreshed.sides() == first

    # Under another key most test rows are rows the champion was trained on: they must not decide.
    other = refreshed.run(edited, "data.split.key=1")
    assert other.answer["decision"]["rule"] == "superior"
    decided = rows_that_decided(other.gate("better_than_champion"), refreshed.dataset(), first, refreshed.sides())
    assert 0 < len(decided) < 0.3 * len(refreshed.sides()["test"])
