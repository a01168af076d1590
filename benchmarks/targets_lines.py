"""The lines of benchmarks/targets.py: which recipe, on which rows it is judged, and what it is to reach.

A line is added to `LINES`, its alternative to `BESIDE` (benchmarks/targets_beside.py); nothing else knows of it.
Positions are those of the labelled rows in the order of their ids (`tasks/prepare/arrays.py`, `labelled_rows`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, train_test_split

from tasks.core.load import LoadedRecipe, load_recipe
from tasks.core.recipe import Recipe
from tasks.core.rows import Identity, row_ids
from tasks.core.splits import moments_of
from tasks.ingest.readers import read
from tasks.prepare.arrays import labelled_rows

ROOT = Path(__file__).resolve().parents[1]
Positions = npt.NDArray[np.int64]
Protocol = Callable[[pd.DataFrame, Recipe, int], Iterator[tuple[Positions, Positions]]]
"""(labelled rows, recipe, seed) → pairs of the rows that may be learned from and the rows that are held out."""

FOLDS = 10
HELD_OUT = 0.2
LATER = 1
"""The batch of rows that come in files of their own and are held out for that."""


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    recipe: str
    """File or folder below data/."""
    metric: str
    target: float
    stretch: float
    protocol: Protocol
    beside: str
    """The alternative's name in `BESIDE`."""
    bar: str
    """What others reach on these data, as published or measured before."""
    validation: float = 0.1
    """Share of the rows that may be learned from which choose the epoch; the alternative learns from them too."""
    unique: bool = False
    """Whether rows that repeat an earlier one, target included, are left out."""
    pooled: bool = False
    """Whether the metric is that of the held-out rows of all folds together. R² of a fold is divided by the variance of
    its own few rows, and the mean of such shares lies lower."""
    held_out: tuple[str, str] | None = None
    """Files of held-out rows: what stands in the reader's file names, and what to put in its place."""
    grouped: str | None = None
    """Column whose equal values are one piece of evidence where rows are held out once: neighbours resemble each
    other."""

    def load(self, overrides: Sequence[str] = ()) -> LoadedRecipe:
        """The line's recipe."""
        return load_recipe(str(ROOT / "data" / self.recipe), overrides)


@dataclass(frozen=True)
class Cut:
    """What is done with which rows; no row is in two of the three."""

    repeat: int
    """From 0; also the seed that the rows were drawn by and the network is trained with."""
    fold: int
    """From 1."""
    train: Positions
    validation: Positions
    test: Positions

    @property
    def learned(self) -> Positions:
        """What the alternative is trained on: training and validation rows."""
        return np.sort(np.concatenate([self.train, self.validation]))


def folds(frame: pd.DataFrame, recipe: Recipe, seed: int) -> Iterator[tuple[Positions, Positions]]:
    """Ten folds, each held out once; for classes with the shares of all rows."""
    kind = StratifiedKFold if recipe.problem == "classification" else KFold
    yield from kind(FOLDS, shuffle=True, random_state=seed).split(frame, frame[recipe.data.target])


def one_fifth(frame: pd.DataFrame, recipe: Recipe, seed: int) -> Iterator[tuple[Positions, Positions]]:
    """A fifth of the rows, drawn anew by each seed."""
    yield from ShuffleSplit(1, test_size=HELD_OUT, random_state=seed).split(frame)


def newest_fifth(frame: pd.DataFrame, recipe: Recipe, seed: int) -> Iterator[tuple[Positions, Positions]]:
    """The newest fifth of the rows: by `data.time`, rows of one time by `data.id`."""
    moments, own = moments_of(frame, recipe.data).to_numpy(), frame[str(recipe.data.id)].to_numpy()
    order = np.lexsort((own, moments))
    end = round(len(order) * (1 - HELD_OUT))
    yield np.sort(order[:end]), np.sort(order[end:])


def later_files(frame: pd.DataFrame, recipe: Recipe, seed: int) -> Iterator[tuple[Positions, Positions]]:
    """The rows of the files that are held out (`Line.held_out`)."""
    later = frame["batch"].to_numpy() == LATER
    yield np.flatnonzero(~later), np.flatnonzero(later)


def rows_of(line: Line, loaded: LoadedRecipe) -> pd.DataFrame:
    """The labelled rows as `prepare` gets them: read by the recipe's reader, with ids as `ingest` gives them.

    Raises:
        RequestError: the file is not there.
    """
    data = loaded.recipe.data
    frame = read(data.reader, loaded.folder).assign(batch=0)
    if line.held_out is not None:
        frame = pd.concat([frame, _later(line, loaded).assign(batch=LATER)], ignore_index=True)
    columns = [str(column) for column in frame.columns if column not in (data.target, "batch")]
    if line.unique:
        frame = frame[~frame.duplicated([*columns, data.target])].reset_index(drop=True)
    ids = row_ids(frame.drop(columns="batch"), Identity(data.id, data.target, tuple(sorted(columns))))
    return labelled_rows(frame.assign(row_id=ids), loaded.recipe)


def _later(line: Line, loaded: LoadedRecipe) -> pd.DataFrame:
    """The rows of the reader's files under the other name."""
    reader: Any = loaded.recipe.data.reader
    here, there = line.held_out or ("", "")
    files = {field: value.replace(here, there) for field, value in reader.model_dump().items() if field in FILES}
    return read(reader.model_copy(update=files), loaded.folder)


FILES = ("path", "images", "labels")
"""Fields of a reader that name files."""


def cuts(line: Line, frame: pd.DataFrame, recipe: Recipe, seeds: Sequence[int], most: int | None) -> Iterator[Cut]:
    """Every cut of the protocol; `most` limits those of a seed."""
    for seed in seeds:
        for number, (learned, test) in enumerate(line.protocol(frame, recipe, seed), 1):
            if most is not None and number > most:
                break
            classes = frame[recipe.data.target].to_numpy()[learned] if recipe.problem == "classification" else None
            train, validation = train_test_split(
                learned, test_size=line.validation, random_state=seed, stratify=classes
            )
            yield Cut(seed, number, np.sort(train), np.sort(validation), np.asarray(test))


LINES: dict[str, Line] = {
    "fashion_mnist": Line(
        "fashion_mnist",
        "accuracy",
        0.930,
        0.935,
        later_files,
        "hog_svm",
        "HOG + SVM .926; small CNNs .92 to .93",
        validation=0.05,
        held_out=("train-", "t10k-"),
    ),
    "digits": Line("digits", "accuracy", 0.985, 0.990, folds, "svm", "SVC .9905"),
    "bikes_time": Line(
        "bike_hours/all_columns.yaml",
        "rmse",
        63.0,
        58.0,
        newest_fifth,
        "slow_boosting",
        "HistGradientBoosting 63.3",
        grouped="dteday",
    ),
    "bikes_random": Line(
        "bike_hours/at_random.yaml", "rmse", 40.5, 37.0, one_fifth, "slow_boosting", "HistGradientBoosting 40.3"
    ),
    "white_wine": Line("white_wine", "rmse", 0.72, 0.69, folds, "boosting", "HistGradientBoosting .705", unique=True),
    "breast_cancer": Line(
        "breast_cancer/averaged.yaml", "roc_auc", 0.993, 0.995, folds, "logistic", "logistic regression .995"
    ),
    "diabetes": Line("diabetes/averaged.yaml", "r2", 0.47, 0.50, folds, "ridge", "ridge .493", pooled=True),
}
"""Name → line, in the order they are printed in."""
