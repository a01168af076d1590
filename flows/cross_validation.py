"""K-fold cross-validation: a recipe trained k times, each time judged on rows it has not seen, with the spread.

Each fold is written down when it is done, so a run that was killed goes on with the folds that are missing,
and a training that was killed goes on from its last checkpoint.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from flows import fitting
from flows.fitting import Parts
from tasks.core import splits
from tasks.core.contracts import from_json, to_json
from tasks.core.errors import RequestError
from tasks.core.home import write_atomically
from tasks.core.recipe import Recipe
from tasks.core.truth import truth_of
from tasks.evaluate.baseline import trivial_metrics
from tasks.prepare.arrays import labelled_rows

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Fold:
    """One fold: the recipe trained without it, and judged on it."""

    number: int
    """From 1 on."""
    rows: dict[str, int]
    """Rows that were learned from (`train`), that chose the epoch (`validation`), and that were held out (`test`)."""
    metrics: dict[str, float]
    undefined: dict[str, str]
    """Metric → why it has no value on these rows."""
    baseline: dict[str, float]
    """Metrics of the best constant answer on the same rows."""
    best_epoch: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Spread:
    """A number over the folds."""

    mean: float
    sd: float | None
    """Standard deviation over the folds; none of a single value. No standard error of the mean: the folds share most
    of their training rows, and no unbiased one exists (Bengio & Grandvalet, 2004)."""
    values: tuple[float, ...] = field(default=())
    """One for each fold that has a value, in their order."""


def cross_validate(
    recipe: Recipe,
    frame: pd.DataFrame,
    k: int,
    work: Path,
    recipe_folder: Path,
    tell: Tell = lambda text: None,
) -> list[Fold]:
    """Train and judge a recipe on each of k folds.

    Transforms are fitted on the rows a fold learns from and on no others. The epoch is chosen by a part of them, as
    large as `data.split.validation` says, so the fold itself has no say in anything.

    Args:
        recipe: what is trained.
        frame: every row that takes part, with `row_id`, `batch` and the user's columns; those without a target are
            left out.
        k: folds, at least 2.
        work: a folder of this recipe, these rows and this k alone; what an earlier attempt left there is used.
        recipe_folder: where custom references are looked up.
        tell: is told of every fold.

    Raises:
        RequestError: a fold is empty, or has nothing to learn from, or the recipe cannot be trained.
    """
    labelled = labelled_rows(frame, recipe)
    numbers = splits.folds(labelled, recipe.data, k, classes=recipe.problem == "classification")
    found = []
    for number in range(k):
        file = work / f"fold-{number + 1:02d}.json"
        fold = _known(file)
        if fold is None:
            fold = _one(recipe, labelled, _parts(labelled, recipe, numbers, number), number, work, recipe_folder)
            write_atomically(file, json.dumps(to_json(fold), indent=1, allow_nan=False) + "\n")
            shutil.rmtree(_folder(work, number))
        found.append(fold)
        value = fold.metrics.get(recipe.metric)
        said = f"{recipe.metric} {value:.4f}" if value is not None else f"{recipe.metric} undefined"
        tell(f"fold {round(100 * (number + 1) / k):3d}% {number + 1} of {k}: {said}")
    return found


def spreads(values: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Mean, standard deviation and values of each metric that has a value in at least one fold."""
    names = dict.fromkeys(name for each in values for name in each)
    return {name: _spread([each[name] for each in values if name in each]) for name in names}


def _spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, tuple(values))


def _one(recipe: Recipe, labelled: pd.DataFrame, parts: Parts, number: int, work: Path, recipe_folder: Path) -> Fold:
    started = time.monotonic()
    folder = _folder(work, number)
    arrays = fitting.prepare_once(recipe, folder / "arrays", lambda: (labelled, parts))
    network, progress = fitting.train(recipe, arrays, folder / "train", recipe_folder)
    truth = truth_of(labelled.set_index("row_id"), recipe.data.target)
    metrics, undefined = fitting.measure(network, recipe, arrays, truth, "test")
    learned, held_out = (truth_of(parts[part], recipe.data.target).to_numpy() for part in ("train", "test"))
    baseline, _ = trivial_metrics(recipe.problem, learned, held_out, arrays.prepared.classes, arrays.folder, "test")
    return Fold(
        number=number + 1,
        rows=arrays.prepared.rows,
        metrics=metrics,
        undefined=undefined,
        baseline=baseline,
        best_epoch=progress.best_epoch,
        epochs=progress.epoch,
        seconds=round(time.monotonic() - started, 3),
    )


def _parts(labelled: pd.DataFrame, recipe: Recipe, numbers: pd.Series, number: int) -> Parts:
    """The rows of one fold; what it learns from gives up a part to choose the epoch by."""
    learned, held_out = splits.sides_of_fold(numbers, recipe.data, number)
    known = labelled[learned]
    chooses = splits.validation_of(known, recipe.data)
    parts = {"train": known[~chooses], "validation": known[chooses], "test": labelled[held_out]}
    empty = [name for name, part in parts.items() if part.empty]
    if empty:
        counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
        raise RequestError(
            f"Fold {number + 1} leaves no rows for {empty[0]} ({counts}).",
            remedy="Ask for fewer --folds, or bring more rows.",
            code="folds",
        )
    return parts


def _folder(work: Path, number: int) -> Path:
    return work / f"fold-{number + 1:02d}"


def _known(file: Path) -> Fold | None:
    if not file.is_file():
        return None
    fold: Fold = from_json(Fold, json.loads(file.read_text()))
    return fold
