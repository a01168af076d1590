"""Champion and challenger on the same rows, now: which rows neither has seen, and what each says about them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tasks.core import splits
from tasks.core.context import Context
from tasks.core.contracts import Evaluated, Prepared, Versioned
from tasks.core.recipe import Data
from tasks.release.answers import Scores
from tasks.stores import datasets
from tasks.stores.packaged import Verified
from tasks.transforms.units import units

_NO_READER = {"kind": "csv", "path": ""}
"""A package does not say where its rows came from: addresses and arguments of readers can hold secrets."""


class Incomparable(Exception):
    """The two models cannot be compared on these rows; the message is one clause that says why."""


@dataclass(frozen=True)
class Rows:
    """Test rows of this decision [N] and what the challenger says about them."""

    frame: pd.DataFrame
    """The dataset's columns, `row_id` and `batch`, in the order of the arrays."""
    targets: np.ndarray[Any, Any]
    """Class labels as text, or numbers."""
    groups: np.ndarray[Any, Any] | None
    """Labels of rows that belong together, where the recipe names a group column."""
    answers: pd.DataFrame
    """`prediction` and `probability_<class>` of the challenger."""

    def only(self, chosen: np.ndarray[Any, Any]) -> Rows:
        """The rows where `chosen` [N] is true."""
        groups = None if self.groups is None else self.groups[chosen]
        return Rows(self.frame[chosen], self.targets[chosen], groups, self.answers[chosen])


def test_rows(context: Context, versioned: Versioned, evaluated: Evaluated) -> Rows:
    """The rows `evaluate` held out for the test, with their features."""
    predictions = pd.read_parquet(context.home.path(evaluated.predictions))
    answers = predictions[predictions["split"] == "test"].reset_index(drop=True)
    dataset = datasets.load_rows(context.home.path(versioned.folder)).set_index("row_id", drop=False)
    frame = dataset.loc[answers["row_id"]].reset_index(drop=True)
    group = getattr(context.recipe.data.split, "group", None)
    groups = None if group is None else frame[group].astype(str).to_numpy()
    targets = answers["target"].to_numpy()
    if context.recipe.problem == "classification":
        targets = label_texts(targets)
    return Rows(frame, targets, groups, answers.drop(columns=["row_id", "batch", "split", "target"]))


def unseen(rows: Rows, context: Context, prepared: Prepared, others: Sequence[Verified]) -> np.ndarray[Any, Any]:
    """Which rows [N] no model has trained on: neither the challenger nor any of `others`.

    Raises:
        Incomparable: one of them was made for another problem, or from rows that are told apart in another way.
    """
    now = context.recipe.data
    free = ~splits.trained_on(rows.frame, now, prepared.cutoff).to_numpy(dtype=bool)
    for other in others:
        recipe = other.read("recipe.json")
        if recipe["problem"] != context.recipe.problem:
            raise Incomparable(
                f"version {other.info.version} answers another question ({recipe['problem']}) than this model "
                f"({context.recipe.problem})"
            )
        data = Data.model_validate_json(json.dumps({**recipe["data"], "reader": _NO_READER}))
        if data.id != now.id or (now.id is None and data.target != now.target):
            raise Incomparable(
                f"version {other.info.version} knew its rows by {data.id or 'their features'}, and now they are known "
                f"by {now.id or 'their features'}, so nobody can say which rows it has seen"
            )
        free &= ~splits.trained_on(rows.frame, data, recipe["cutoff"]).to_numpy(dtype=bool)
        if data.id is None or (data.split.kind == "random" and data.split.group is None):
            continue  # an edit cannot move a row that is placed by its identity
        # A row whose group or time was corrected since may lie elsewhere now than when that model was made.
        then = datasets.version_rows(context.home, context.recipe.name, recipe["dataset"])
        seen = then.loc[splits.trained_on(then, data, recipe["cutoff"]).to_numpy(dtype=bool), "row_id"]
        free &= ~rows.frame["row_id"].isin(set(seen)).to_numpy(dtype=bool)
    return free


def shared_units(models: Sequence[Verified]) -> dict[str, float]:
    """The inputs that all these autoencoders reproduce, in the units of the first: name → unit.

    Raises:
        Incomparable: there is no such input.
    """
    own, *others = (units(model.read("transform.json")["state"]) for model in models)
    shared = {name: unit for name, unit in own.items() if all(name in other for other in others)}
    if not shared:
        raise Incomparable("the models have no input in common, so their reconstructions cannot be compared")
    return shared


def answers_of(
    model: Verified, context: Context, rows: Rows, common: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """What a registered model says about the rows; anomaly scores in `common` units, where they are given.

    Raises:
        Incomparable: it cannot be loaded, or cannot take the rows as they are now.
    """
    try:
        found: pd.DataFrame = model.scorer(context.home).predict(
            None, rows.frame, None if common is None else {"units": common}
        )
    except Exception as error:  # another version's code runs here and may raise anything; the gate reports it
        first = (str(error).strip().splitlines() or ["no message"])[0][:300]
        raise Incomparable(
            f"version {model.info.version} does not load or predict ({type(error).__name__}: {first})"
        ) from error
    return found.reset_index(drop=True)


def scores(problem: str, answers: pd.DataFrame, classes: Sequence[str]) -> Scores:
    """Answers as arrays; a class the model does not know has probability 0."""
    if problem != "classification":
        return Scores(answers["prediction"].to_numpy(dtype=np.float64))
    nothing = np.zeros(len(answers))
    columns = [
        answers[name].to_numpy(np.float64) if (name := f"probability_{label}") in answers else nothing
        for label in classes
    ]
    return Scores(label_texts(answers["prediction"].to_numpy()), np.column_stack(columns))


def classes_of(prepared: Prepared, rows: Rows, answers: Sequence[pd.DataFrame]) -> tuple[str, ...]:
    """Class labels as text: the challenger's in its order, then those only other models or the rows have."""
    if not prepared.classes:
        return ()
    known = [
        column.removeprefix("probability_") for frame in answers for column in frame.columns if column != "prediction"
    ]
    others = sorted({*known, *(str(label) for label in rows.targets)} - set(prepared.classes))
    return (*prepared.classes, *others)


def label_texts(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Labels by their text, whole floats as integers, so that 3, "3" and 3.0 are one class."""
    plain = [label.item() if hasattr(label, "item") else label for label in labels]
    texts = [str(int(label)) if isinstance(label, float) and label.is_integer() else str(label) for label in plain]
    return np.array(texts, dtype=str)
