"""One trial of a search: a recipe with some fields changed, trained and judged on rows that are not test rows."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from flows import fitting
from flows.candidates import candidate
from flows.fitting import Parts
from tasks.core import splits
from tasks.core.errors import RequestError
from tasks.core.hashing import json_sha256
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.core.recipe import SMALLER_IS_BETTER, Recipe
from tasks.core.truth import truth_of
from tasks.core.tuning import LOSS
from tasks.prepare.arrays import labelled_rows
from tasks.stores.datasets import load_rows
from tasks.train.checkpoints import Progress
from tasks.tune.search import Pruner
from tasks.tune.trials import Trial

Curve = tuple[float | None, ...]


@dataclass(frozen=True)
class Task:
    """All that is needed to train one trial, in this process or in another: paths and plain values."""

    trial: Trial
    file: Path
    """Of the recipe."""
    overrides: tuple[str, ...]
    dataset: Path
    """Folder of the dataset version."""
    study: Path
    """Folder of the study."""
    others: tuple[Curve, ...] | None = None
    """Curves of complete trials, by which this one may be given up; None: it is trained to its end."""


class GivenUp(Exception):
    """The trial was worse than half the others; carries its curve so far."""

    def __init__(self, curve: Curve) -> None:
        super().__init__()
        self.curve = curve


def maximised(recipe: Recipe) -> bool:
    """Whether a larger value of what is tuned is better."""
    return recipe.tuning.metric != LOSS and recipe.tuning.metric not in SMALLER_IS_BETTER


def train_trial(task: Task) -> Trial:
    """Train and judge a trial; what it became, or why it could not be trained.

    One that was killed goes on from its last checkpoint.
    """
    started, trial = time.monotonic(), task.trial
    try:
        loaded = load_recipe(str(task.file), task.overrides)
        found = _judged(task, candidate(loaded, trial.parameters))
    except GivenUp as given_up:
        reason = f"worse than half the others after {len(given_up.curve)} steps"
        found = replace(trial, state="pruned", curve=given_up.curve, reason=reason)
    except RequestError as error:
        found = replace(trial, state="failed", reason=error.message)
    except torch.OutOfMemoryError:
        found = replace(trial, state="failed", reason="it needs more memory than the device has")
    return replace(found, seconds=round(time.monotonic() - started, 3))


def _judged(task: Task, loaded: LoadedRecipe) -> Trial:
    folds = loaded.recipe.tuning.folds
    return _by_validation_rows(task, loaded) if folds is None else _by_folds(task, loaded, folds)


def _by_validation_rows(task: Task, loaded: LoadedRecipe) -> Trial:
    recipe = loaded.recipe
    pruner = _pruner(task, recipe.training.epochs // 3, 1)

    def after_epoch(progress: Progress) -> None:
        if pruner is not None and progress.stopped is None and pruner.prunes(_losses(progress)):
            raise GivenUp(_losses(progress))

    outcome = _trained(task, loaded, 0, _own_parts, after_epoch)
    return _told(task.trial, outcome.value, outcome.why, _losses(outcome.progress), outcome.metrics)


def _by_folds(task: Task, loaded: LoadedRecipe, folds: int) -> Trial:
    recipe = loaded.recipe
    sign = -1 if maximised(recipe) else 1
    pruner = _pruner(task, 1, sign)
    values: list[float] = []
    every: list[dict[str, float]] = []
    for fold in range(folds):
        outcome = _trained(task, loaded, fold, functools.partial(_fold_parts, recipe=recipe, folds=folds, fold=fold))
        if outcome.value is None:
            return _told(task.trial, None, f"fold {fold + 1}: {outcome.why}", _means(values), {})
        values.append(outcome.value)
        every.append(outcome.metrics)
        if pruner is not None and fold + 1 < folds and pruner.prunes([sign * mean for mean in _means(values)]):
            raise GivenUp(_means(values))
    known = [name for name in every[0] if all(name in metrics for metrics in every)]
    means = {name: sum(metrics[name] for metrics in every) / folds for name in known}
    return _told(task.trial, sum(values) / folds, "", _means(values), means)


@dataclass(frozen=True)
class _Outcome:
    value: float | None
    why: str
    """Why there is no value."""
    metrics: dict[str, float]
    progress: Progress


def _trained(
    task: Task,
    loaded: LoadedRecipe,
    fold: int,
    parts: Callable[[Rows], Parts],
    after_epoch: Callable[[Progress], None] = lambda progress: None,
) -> _Outcome:
    """Train on one division of the rows, and judge by those that choose the epoch."""
    recipe, metric = loaded.recipe, loaded.recipe.tuning.metric
    rows = rows_of(task.dataset, str(task.file), task.overrides)
    # What varies images in training is applied there, and changes no array.
    transforms = json_sha256(recipe.transforms.model_dump(mode="json", exclude={"augment"}))[:16]
    folder = task.study / "arrays" / f"{transforms}-{fold}"
    arrays = fitting.prepare_once(recipe, folder, lambda: (rows.frame, parts(rows)))
    work = work_of(task.study, task.trial) / str(fold)
    network, progress = fitting.train(recipe, arrays, work, loaded.folder, [after_epoch])
    truth = truth_of(rows.frame.set_index("row_id"), recipe.data.target)
    metrics, undefined = fitting.measure(network, recipe, arrays, truth, "validation")
    if progress.best_loss is None:
        return _Outcome(None, "the validation loss was never finite", {}, progress)
    value = progress.best_loss if metric == LOSS else metrics.get(metric)
    return _Outcome(value, undefined.get(metric, ""), metrics, progress)


def work_of(study: Path, trial: Trial) -> Path:
    """Where the checkpoints of a trial lie while it is trained."""
    return study / "work" / str(trial.number)


@dataclass(frozen=True)
class Rows:
    """Labelled rows that no gate and no promotion is judged on, and the split of each: "train" or "validation"."""

    frame: pd.DataFrame
    sides: pd.Series


@functools.lru_cache(maxsize=1)
def rows_of(dataset: Path, file: str, overrides: tuple[str, ...]) -> Rows:
    """The rows of a dataset version that a search may look at; kept, as one trial after the other wants them."""
    return without_test_rows(load_rows(dataset), load_recipe(file, overrides).recipe)


def without_test_rows(frame: pd.DataFrame, recipe: Recipe) -> Rows:
    """Leave the test rows out, before anything else is done with a row.

    Raises:
        RequestError: the target, group or time column is not there.
    """
    labelled = labelled_rows(frame, recipe)
    sides = splits.assign(labelled, recipe.data)
    seen = sides != "test"
    return Rows(labelled[seen].reset_index(drop=True), sides[seen].reset_index(drop=True))


def _own_parts(rows: Rows) -> Parts:
    return {part: rows.frame[rows.sides == part] for part in ("train", "validation")}


def _fold_parts(rows: Rows, recipe: Recipe, folds: int, fold: int) -> Parts:
    numbers = splits.folds(rows.frame, recipe.data, folds, classes=recipe.problem == "classification")
    learned, held_out = splits.sides_of_fold(numbers, recipe.data, fold)
    return {"train": rows.frame[learned], "validation": rows.frame[held_out]}


def _pruner(task: Task, warmup: int, sign: int) -> Pruner | None:
    if task.others is None:
        return None
    return Pruner([[None if step is None else sign * step for step in curve] for curve in task.others], warmup)


def _told(trial: Trial, value: float | None, why: str, curve: Curve, metrics: dict[str, float]) -> Trial:
    if value is None:
        return replace(trial, state="failed", reason=why, curve=curve, metrics=metrics)
    return replace(trial, state="complete", value=value, curve=curve, metrics=metrics)


def _losses(progress: Progress) -> Curve:
    return tuple(row["validation_loss"] for row in progress.history)


def _means(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(sum(values[: count + 1]) / (count + 1) for count in range(len(values)))
