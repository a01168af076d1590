"""From labelled rows to memory-mapped tensors: split, fit on the training rows, write in bounded pieces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.core import splits
from tasks.core.contracts import Prepared
from tasks.core.errors import RequestError
from tasks.core.feature_kinds import Feature
from tasks.core.features import columns_of, resolve
from tasks.core.hashing import canonical_json
from tasks.core.home import write_atomically
from tasks.core.recipe import Recipe
from tasks.core.truth import has_truth, truth_of
from tasks.prepare.balance import UNDERSAMPLED, balance_notes, balance_training
from tasks.prepare.outliers import OUTLIER, Outside, outside
from tasks.prepare.window import newest
from tasks.transforms import fit, targets
from tasks.transforms.apply import apply
from tasks.transforms.selection import select

ROWS_PER_PIECE = 65_536
"""Rows transformed at once; bounds the memory beside the frame itself."""
NAMED = 12
"""Columns that a sentence names."""


def prepare(frame: pd.DataFrame, recipe: Recipe, folder: Path, name: str) -> Prepared:
    """Write `<split>_inputs.npy`, `<split>_targets.npy`, `<split>_rows.parquet`, left_out_rows.parquet, transform.json.

    Inputs are float32 [N, *input_shape]; targets int64 [N] positions in the classes, or float32 [N]
    standardised, or 0 where the inputs themselves are what is to be reproduced. Rows are in the order of their ids, so
    nothing depends on the order of the source; behind them stand the training rows that were made to even out the
    classes.

    Args:
        frame: `row_id`, `batch` and the user's columns. Rows without a target are left out.
        recipe: `problem`, `data`, `transforms` and `retraining.window` are read.
        folder: An existing folder; files of these names are overwritten.
        name: What the contract calls the folder.

    Raises:
        RequestError: a split has no rows, a column cannot be what the recipe says it is, or classes cannot be
            evened out as it says.
    """
    labelled = labelled_rows(frame, recipe)
    sides = splits.assign(labelled, recipe.data)
    return prepare_parts(labelled, {split: labelled[sides == split] for split in splits.SPLITS}, recipe, folder, name)


def labelled_rows(frame: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The rows with a target, or all where none is predicted, in the order of their ids.

    Raises:
        RequestError: there is no such column.
    """
    _refuse_absent_target(frame, recipe)
    return frame[has_truth(frame, recipe.data.target)].sort_values("row_id", kind="stable", ignore_index=True)


def prepare_parts(
    labelled: pd.DataFrame, parts: dict[str, pd.DataFrame], recipe: Recipe, folder: Path, name: str
) -> Prepared:
    """What `prepare` writes, for parts that somebody else has chosen.

    Args:
        labelled: Every row with a target that may be known of: gives column types and the set of classes.
        parts: Rows of `labelled` by part; `train` is fitted on, after `retraining.window`.
        recipe: As in `prepare`.
        folder: An existing folder; files of these names are overwritten.
        name: What the contract calls the folder.

    Raises:
        RequestError: a part has no rows, or a column cannot be what the recipe says it is.
    """
    _refuse_empty(parts)
    # Only what is fitted on gets shorter: which rows choose the epoch or judge the model does not change.
    train = newest(parts["train"], recipe.retraining.window, recipe.data)
    far = _outside(labelled, train, recipe)
    excluded, train = train[far.rows], train[~far.rows]
    parts = parts | {"train": train}
    spec = fit_spec(labelled, parts["train"], recipe)
    write_atomically(folder / "transform.json", canonical_json(spec) + "\n")
    for split, part in parts.items():
        _write_split(part, spec, recipe, folder, split)
    counts = {split: len(part) for split, part in parts.items()}
    unbalanced, synthetic = balance_training(folder, spec, recipe.transforms.balance)
    _write_left_out({OUTLIER: excluded, UNDERSAMPLED: unbalanced}, folder)
    return Prepared(
        folder=name,
        rows={**counts, "train": counts["train"] - len(unbalanced)},
        input_shape=tuple(spec["input_shape"]),
        output_size=math.prod(spec["input_shape"]) if recipe.problem == "reconstruction" else len(spec["classes"]) or 1,
        classes=tuple(str(label) for label in spec["classes"]),
        feature_columns=tuple(spec["columns"]),
        cutoff=splits.cutoff_of(labelled, recipe.data),
        vocabulary=spec["vocabulary"],
        sequence=tuple(spec["sequence"]),
        synthetic=synthetic,
        notes=(
            *far.notes,
            *selection_notes(spec["left_out"]),
            *balance_notes(recipe.transforms.balance.kind, counts["train"], len(unbalanced), synthetic),
        ),
    )


def fit_spec(labelled: pd.DataFrame, training: pd.DataFrame, recipe: Recipe) -> dict[str, Any]:
    """The content of transform.json: everything between a model frame and the network, and back.

    Of `labelled`, all rows with a target, only the column types and the set of classes are used;
    whatever is estimated comes from `training`.
    """
    features = features_of(labelled, recipe)
    truth = truth_of(training, recipe.data.target)
    classes: list[targets.Label] = []
    if recipe.problem == "classification":
        classes = targets.fit_classes(truth_of(labelled, recipe.data.target))
    known = targets.encode_classes(truth, classes) if classes else targets.quantity(truth)
    selected = select(training, features, known, recipe.problem, recipe.transforms.select)
    features = selected.features
    state = fit(training, features, recipe.transforms)
    return {
        "problem": recipe.problem,
        "features": {feature: part.model_dump(mode="json") for feature, part in features.items()},
        "columns": state["columns"],
        "input_shape": state["input_shape"],
        "vocabulary": state.get("vocabulary", 0),
        "sequence": state["sequence"]["input_shape"] if state["kind"] == "mixed" else [],
        "state": state,
        "left_out": selected.left_out,
        "classes": classes,
        "target": targets.fit_quantity(known) if recipe.problem == "regression" else None,
    }


def features_of(labelled: pd.DataFrame, recipe: Recipe) -> dict[str, Feature]:
    """Every feature and its kind.

    Raises:
        RequestError: a column that the recipe names is not there.
    """
    dtypes = {column: str(labelled[column].dtype) for column in labelled.columns if column not in ("row_id", "batch")}
    features = resolve(dtypes, recipe.data)
    absent = [column for column in columns_of(features) if column not in dtypes]
    if absent:
        raise RequestError(
            f"data.features: the data have no column '{absent[0]}'.", remedy="Correct data.features, or the source."
        )
    return features


def _outside(labelled: pd.DataFrame, training: pd.DataFrame, recipe: Recipe) -> Outside:
    if recipe.transforms.outliers != "exclude":
        return Outside(np.zeros(len(training), dtype=bool), {})
    return outside(training, features_of(labelled, recipe), recipe.data.target, recipe.problem)


def _write_left_out(parts: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """`left_out_rows.parquet`: reason → training rows that no weight is fitted to."""
    listed = [part[["row_id", "batch"]].assign(reason=reason) for reason, part in parts.items()]
    filled = [part for part in listed if len(part)] or listed[:1]
    pd.concat(filled, ignore_index=True).to_parquet(folder / "left_out_rows.parquet", index=False)


def selection_notes(left_out: Mapping[str, str]) -> tuple[str, ...]:
    """Which columns were left out and why, in a sentence; none where all were kept."""
    if not left_out:
        return ()
    named = [f"{column} ({why})" for column, why in list(left_out.items())[:NAMED]]
    more = [f"{len(left_out) - NAMED} more"] if len(left_out) > NAMED else []
    return (f"By transforms.select the model does not look at {', '.join([*named, *more])}.",)


def _write_split(part: pd.DataFrame, spec: dict[str, Any], recipe: Recipe, folder: Path, split: str) -> None:
    rows = part[["row_id", "batch"]]
    # Only training rows can be made up; the others are what the model is judged by.
    rows = rows.assign(synthetic=False) if split == "train" else rows
    rows.to_parquet(folder / f"{split}_rows.parquet", index=False)
    np.save(folder / f"{split}_targets.npy", _targets(truth_of(part, recipe.data.target), spec))
    inputs = np.lib.format.open_memmap(
        folder / f"{split}_inputs.npy", mode="w+", dtype=np.float32, shape=(len(part), *spec["input_shape"])
    )
    for start in range(0, len(part), ROWS_PER_PIECE):
        piece = part.iloc[start : start + ROWS_PER_PIECE]
        try:
            inputs[start : start + len(piece)] = apply(piece, spec["state"])
        except ValueError as error:
            raise RequestError(
                f"The {split} rows do not fit what the training rows taught: {error}",
                remedy="Choose another transforms.impute, or drop the column with {kind: drop}.",
            ) from error
    inputs.flush()


def _targets(column: pd.Series[Any], spec: dict[str, Any]) -> np.ndarray[Any, Any]:
    if spec["problem"] == "classification":
        return targets.encode_classes(column, spec["classes"])
    if spec["problem"] == "reconstruction":
        return column.to_numpy(np.float32)
    return targets.encode_quantity(targets.quantity(column), spec["target"])


def _refuse_absent_target(frame: pd.DataFrame, recipe: Recipe) -> None:
    if recipe.data.target is not None and recipe.data.target not in frame.columns:
        raise RequestError(
            f"data.target names the column '{recipe.data.target}', which the data do not have.",
            remedy="Name one of the data's columns.",
        )


def _refuse_empty(parts: dict[str, pd.DataFrame]) -> None:
    counts = ", ".join(f"{split} {len(part)}" for split, part in parts.items())
    for split, part in parts.items():
        if part.empty:
            raise RequestError(
                f"data.split leaves the {split} split without a labelled row ({counts}).",
                remedy="Bring more rows, or change data.split.",
            )
