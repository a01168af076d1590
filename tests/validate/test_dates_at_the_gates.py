"""Dates at the data gates: what is none is set aside, near ones are near, and a part that knows the answer is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from tasks.core.recipe import Recipe
from tasks.validate.candidate import candidate_of
from tasks.validate.giveaway import find
from tasks.validate.judge import Judgement
from tasks.validate.leakage import overlap_of

DATED = {"cost": {"kind": "drop"}, "seen": {"kind": "datetime"}}


def test_cells_that_are_no_dates_cost_their_rows_and_a_column_without_dates_stops(
    patients: pd.DataFrame, make_recipe: Callable[..., Recipe], judged: Callable[..., Judgement]
) -> None:
    recipe = make_recipe(data__features=DATED, data__time=None)
    dated = patients.assign(seen=patients["seen"].astype(str))
    assert not any(gate.blocks for gate in judged(dated, recipe).gates)
    dated.loc[[3, 4], "seen"] = ["soon", "2024-02-30"]
    dated.loc[5, "seen"] = None
    judgement = judged(dated, recipe)
    assert sorted(judgement.reasons.values()) == [["seen: not a date in ISO 8601"]] * 2
    assert not any(gate.blocks for gate in judgement.gates)
    for column in (patients["seen"].dt.strftime("%d.%m.%Y"), np.arange(len(patients))):
        gate = judged(patients.assign(seen=column), recipe).gates[0]
        assert gate.name == "schema" and gate.blocks
        assert "column 'seen' should hold dates in ISO 8601 and mostly does not" in gate.reason


def test_copies_with_their_dates_moved_by_a_moment_are_near_duplicates(
    patients: pd.DataFrame, make_recipe: Callable[..., Recipe]
) -> None:
    recipe = make_recipe(data__features=DATED, data__time=None, data__id=None)
    copies = patients.iloc[:40].assign(seen=lambda rows: rows["seen"] + pd.Timedelta(seconds=1))
    both = pd.concat([patients, copies], ignore_index=True).assign(row_id=lambda rows: rows.index.astype(str))
    sides = pd.Series(np.where(both.index < len(patients), "train", "test"))
    looked = candidate_of(both.drop(columns="patient"), recipe.data, recipe.problem)
    assert overlap_of(looked, sides).overlapping == 40
    far = both.assign(seen=both["seen"].where(sides == "train", both["seen"] + pd.Timedelta(days=90)))
    assert overlap_of(candidate_of(far.drop(columns="patient"), recipe.data, recipe.problem), sides).overlapping == 0


def test_a_part_that_tells_the_class_is_a_giveaway_and_the_passing_of_time_is_none(
    patients: pd.DataFrame, make_recipe: Callable[..., Recipe]
) -> None:
    recipe = make_recipe(
        data__features={**DATED, "seen": {"kind": "datetime", "parts": ["weekday", "hour"]}}, data__time=None
    )
    rows = patients.assign(row_id=patients.index.astype(str))

    def found(labels: np.ndarray) -> list[tuple[str, ...]]:
        looked = candidate_of(rows.assign(diagnosis=labels), recipe.data, recipe.problem)
        return [giveaway.columns for giveaway in find(looked)]

    assert found(np.where(rows["seen"].dt.dayofweek > 4, "a", "b")) == [("seen",)]
    # The model is not told when, only at which hour of which day.
    assert found(np.where(rows.index > 240, "a", "b")) == []
