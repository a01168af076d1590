"""What new rows are compared with: the rows the champion was made from, and what it says about those it never saw."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.core import features, splits
from tasks.core.errors import RequestError
from tasks.core.feature_kinds import Feature
from tasks.core.home import Home
from tasks.core.recipe import Data
from tasks.core.truth import has_truth
from tasks.stores import datasets
from tasks.stores.ledger import Entry, Ledger
from tasks.stores.packaged import verified

_NO_READER = {"kind": "csv", "path": ""}
"""A package does not say where its rows came from."""


@dataclass(frozen=True)
class Reference:
    """The champion and the rows it stands for."""

    name: str
    version: str
    problem: str
    dataset: str
    """The dataset version it was trained on."""
    features: dict[str, Feature]
    """What it looks at: name → kind, without dropped columns."""
    columns: tuple[str, ...]
    """Columns its frame must have."""
    target: str | None
    classes: tuple[Any, ...]
    """Labels it can answer; empty for regression."""
    scorer: Any
    """The packaged scorer: `predict(None, frame)`."""
    history: pd.DataFrame
    """Rows of that dataset [N] in time, else in the order of their batches; quarantined ones are left out."""
    trained: np.ndarray[Any, np.dtype[np.bool_]]
    """Which of them [N] it may have been fitted or chosen by."""

    @property
    def test_rows(self) -> int:
        """Labelled rows of its dataset that it was tested on."""
        return int((has_truth(self.history, self.target).to_numpy(dtype=bool) & ~self.trained).sum())

    def predict(self, rows: pd.DataFrame, what: str) -> pd.DataFrame:
        """`prediction` and, for classification, `probability_<class>` with the index of `rows`.

        Raises:
            RequestError: a column is missing or is nothing the champion can read; the message names it.
        """
        try:
            found: pd.DataFrame = self.scorer.predict(None, rows)
        except ValueError as error:
            raise RequestError(
                f"{what}: {error}",
                remedy=f"Correct the rows; `evergreen data show {self.name}` shows some as it was trained on them.",
                code="schema",
            ) from error
        return found

    def history_answers(self) -> pd.Series | None:
        """Its answers on its history [N], missing where it was trained on the row; None where it was on all."""
        unseen = self.history[~self.trained]
        if unseen.empty:
            return None
        return self.predict(unseen, f"The dataset {self.dataset[:12]}")["prediction"].reindex(self.history.index)

    def seen(self, row_ids: pd.Series) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which rows [N] it may have been trained on; equal features count as the same row where there is no id."""
        members = set(_member(self.history["row_id"][self.trained]))
        return _member(row_ids).isin(members).to_numpy(dtype=bool)


def open_reference(home: Home, name: str, version: str) -> Reference:
    """Load a version and the rows it was trained on.

    Raises:
        RequestError: the version, its files or its dataset are not in this home.
        GateError: files are not those that were registered or committed.
        ServiceError: the registry does not answer.
    """
    model = verified(home, name, version)
    recipe, spec = model.read("recipe.json"), model.read("transform.json")
    data = Data.model_validate_json(json.dumps({**recipe["data"], "reader": _NO_READER}))
    rows = datasets.version_rows(home, name, recipe["dataset"], quarantined=False)
    rows = _in_order(rows, data.time)
    dtypes = {str(column): str(dtype) for column, dtype in rows.dtypes.items()}
    kinds = features.resolve(dtypes, data)
    looked_at = set(spec["state"]["columns"])  # fewer than the recipe has where transforms.select left some out
    return Reference(
        name=name,
        version=version,
        problem=recipe["problem"],
        dataset=recipe["dataset"],
        features={
            column: kind
            for column, kind in kinds.items()
            if looked_at.intersection(features.columns_of({column: kind}))
        },
        columns=tuple(spec["state"]["columns"]),
        target=data.target,
        classes=tuple(spec["classes"] or ()),
        scorer=model.scorer(home),
        history=rows,
        trained=splits.trained_on(rows, data, recipe["cutoff"]).to_numpy(dtype=bool),
    )


def expected(home: Home, name: str, version: str, metric: str) -> float | None:
    """The metric on the test rows when the champion was decided on; None where this home's ledger does not say."""
    decisions = [entry for entry in Ledger(home.ledger).entries(name) if _decided(entry, version)]
    return decisions[-1].body.get("test", {}).get(metric) if decisions else None


def _decided(entry: Entry, version: str) -> bool:
    """Whether a run, and not a person, decided on this version here."""
    body = entry.body
    return entry.kind in ("promote", "hold", "reject") and body.get("version") == version and not body.get("by_person")


def _in_order(rows: pd.DataFrame, time: str | None) -> pd.DataFrame:
    """Oldest first; rows of one batch, and of one time, stay in the order of their ids, which says nothing."""
    rows = rows.sort_values(["batch", "row_id"], kind="stable", ignore_index=True)
    if time is not None and time in rows.columns:
        rows = rows.loc[moments(rows[time]).sort_values(kind="stable", na_position="first").index]
    return rows.reset_index(drop=True)


def moments(column: pd.Series) -> pd.Series:
    """A time column as numbers or UTC times; missing where it cannot be read."""
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float64)
    return pd.to_datetime(column, errors="coerce", utc=True, format="mixed")


def _member(row_ids: pd.Series) -> pd.Series:
    return row_ids.str.split("-", n=1).str[0]
