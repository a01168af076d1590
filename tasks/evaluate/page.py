"""The evaluation page: is the model good enough, better than nothing, and where does it fail?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tasks.core.contracts import Gate
from tasks.core.recipe import SMALLER_IS_BETTER
from tasks.evaluate.figures import classifier_figures, mistaken_images, regression_figures, training_figures
from tasks.evaluate.mistakes import class_matrix, confusion_pairs, in_words, worst_rows
from tasks.evaluate.reconstructions import pairs_picture, score_figures, scores_in_words
from tasks.evaluate.score import Scored
from tasks.evaluate.slices import Slice, gaps
from tasks.report.heatmaps import confusion_matrix
from tasks.report.numbers import count, show
from tasks.report.page import Badge, Page

MOST_CLASSES = 25
"""Classes of a confusion matrix that is drawn; beyond them the pairs are listed only."""


@dataclass(frozen=True)
class Evaluation:
    """Everything the page shows about one model."""

    name: str
    problem: str
    metric: str
    """The metric that decides promotion."""
    target: str
    """Empty where none is predicted."""
    classes: tuple[str, ...]
    scored: Scored
    metrics: dict[str, dict[str, float]]
    undefined: dict[str, dict[str, str]]
    baseline: dict[str, float]
    gates: tuple[Gate, ...]
    slices: Sequence[Slice]
    history: Sequence[Mapping[str, Any]]
    best_epoch: int
    diagnosis: str
    inputs: Path | None
    """test_inputs.npy of a recipe with images, [N, channels, H, W]; else None."""
    pairs: np.ndarray | None = None
    """The least usual test images and their reconstructions, [2, n, H, W], where images are reproduced."""

    @property
    def reproduces(self) -> bool:
        """Whether predictions are anomaly scores."""
        return self.problem == "reconstruction"


def evaluation_page(evaluation: Evaluation) -> Page:
    """Draw the whole evaluation."""
    test = evaluation.scored.of("test")
    validation = evaluation.scored.of("validation")
    rows = f"{count(len(test), 'test row')} and {count(len(validation), 'validation row')}"
    page = Page(f"{evaluation.name}: evaluation", f"Scored on {rows} that no weight was fitted to")
    _summary(page, evaluation, test)
    _metrics(page, evaluation)
    _answers(page, evaluation, test)
    page.heading("Training").text(evaluation.diagnosis)
    if evaluation.history:
        page.text(
            "The training loss includes label smoothing, class weights and dropout; the validation loss does not."
        )
        page.gallery(training_figures(evaluation.history, evaluation.best_epoch), 430)
    _slices(page, evaluation)
    _mistakes(page, evaluation, test)
    return page


def _summary(page: Page, evaluation: Evaluation, test: pd.DataFrame) -> None:
    metric = evaluation.metric
    value, floor = evaluation.metrics["test"].get(metric), evaluation.baseline.get(metric)
    blocking = [gate for gate in evaluation.gates if gate.blocks]
    state = "passed" if not blocking else "failed"
    numbers: list[tuple[str, Any, str]] = [
        ("model gates", Badge(state), ", ".join(gate.name for gate in blocking) or "nothing stops this model"),
        (f"test {metric}", "undefined" if value is None else value, _interval(metric, value, len(test))),
        (
            f"baseline {metric}",
            "undefined" if floor is None else floor,
            "the mean for every row" if evaluation.reproduces else "a predictor that ignores the features",
        ),
        ("test rows", len(test), f"{count(len(evaluation.classes), 'class', 'classes')}" if evaluation.classes else ""),
    ]
    page.numbers(numbers)
    words = scores_in_words(test) if evaluation.reproduces else in_words(test, evaluation.classes)
    page.heading("In words").points([*words, evaluation.diagnosis, *_gap_words(evaluation)])
    page.heading("Gates").gates(evaluation.gates)


def _metrics(page: Page, evaluation: Evaluation) -> None:
    page.heading("Metrics")
    names = [*evaluation.metrics["test"], *evaluation.undefined["test"]]
    order = sorted(dict.fromkeys(names), key=lambda name: (name != evaluation.metric, names.index(name)))
    rows = [
        (
            f"{name}{' (decides)' if name == evaluation.metric else ''}",
            *(evaluation.metrics[split].get(name, "undefined") for split in ("validation", "test")),
            evaluation.baseline.get(name, "undefined"),
            "smaller" if name in SMALLER_IS_BETTER else "larger",
        )
        for name in order
    ]
    page.table(["metric", "validation", "test", "baseline on test", "better is"], rows)
    reasons = [f"{name} on the {split} rows: {why}." for split in ("validation", "test") for name, why in
               evaluation.undefined[split].items()]  # fmt: skip
    if reasons:
        page.text("Without a value:").points(reasons)


def _answers(page: Page, evaluation: Evaluation, test: pd.DataFrame) -> None:
    if not len(test):
        return
    classes = evaluation.classes
    if evaluation.reproduces:
        page.heading("Anomaly scores").text(
            "The root of the mean squared difference between a row's scaled inputs and their reconstruction: 0 is "
            "reproduced exactly, and more is less like the training rows. mae is the mean score, rmse the root of the "
            "mean of their squares."
        )
        page.gallery(score_figures(evaluation.scored.frame), 430)
        return
    if not classes:
        page.heading("Predictions and residuals").gallery(regression_figures(test, evaluation.target), 430)
        return
    page.heading("Confusion matrix")
    matrix = class_matrix(test, classes)
    if len(classes) <= MOST_CLASSES:
        caption = "Test rows; shaded by the share of the true class."
        page.figure(confusion_matrix(matrix, classes), caption, "Confusion matrix of the test rows")
    else:
        page.note(f"A matrix of {len(classes):,} classes cannot be read; the most frequent confusions are listed.")
    pairs = confusion_pairs(matrix, classes)
    if pairs:
        rows = [(pair.true, pair.predicted, pair.rows, pair.of) for pair in pairs]
        page.table(["true", "taken for", "rows", "of"], rows, "Most frequent confusions", limit=12)
    page.heading("Curves").gallery(classifier_figures(test, classes), 430)


def _slices(page: Page, evaluation: Evaluation) -> None:
    page.heading("Slices")
    if not evaluation.slices:
        page.text("No categorical column and no second batch to slice the test rows by.")
        return
    metric = evaluation.metric
    page.text(
        f"{metric} of the test rows by each value of the categorical columns, dropped ones included, and by batch."
    )
    widest = gaps(evaluation.slices, metric)
    if widest:
        rows = [
            (gap.column, gap.gap, f"{gap.best.value} ({show(gap.best.metric)}, n = {gap.best.rows:,})",
             f"{gap.worst.value} ({show(gap.worst.metric)}, n = {gap.worst.rows:,})") for gap in widest
        ]  # fmt: skip
        page.table(["column", "gap", "best", "worst"], rows, "Gaps between the best and the worst value of each column")
    parts = [
        (f"{part.column} = {part.value}", part.rows, show(part.metric) if part.metric is not None else "undefined",
         part.versus_all, part.reason) for part in evaluation.slices
    ]  # fmt: skip
    page.table(["slice", "rows", metric, "better than all by", ""], parts, "All slices")
    page.note("A gap between few rows may be chance: it is shown, and no gate stops on it.")


def _mistakes(page: Page, evaluation: Evaluation, test: pd.DataFrame) -> None:
    page.heading("Rows least like their reconstruction" if evaluation.reproduces else "Worst mistakes")
    page.note("Dots and images on this page are test rows: keep it where the data may be kept.")
    worst = worst_rows(test, evaluation.classes)
    if not len(worst):
        page.text("There is none on the test rows.")
        return
    if evaluation.classes and evaluation.inputs is not None:
        inputs = np.load(evaluation.inputs, mmap_mode="r")
        labels = [f"{true} → {said}" for true, said in zip(worst["target"], worst["prediction"], strict=True)]
        picture = mistaken_images(inputs, evaluation.scored.places[worst.index], labels)
        page.figure(
            picture, "True class → what it was taken for, the surest mistakes first.", "Images of the worst mistakes"
        )
    if evaluation.pairs is not None and evaluation.pairs.size:
        scores = worst["loss"].to_numpy()[: evaluation.pairs.shape[1]]
        caption = "Each image and what the network made of it, the highest score first."
        page.figure(pairs_picture(evaluation.pairs, scores), caption, "The least usual images, with reconstructions")
    if evaluation.classes:
        columns = ["row", "batch", "true", "predicted", "−ln P(true)"]
        rows = zip(worst["row_id"], worst["batch"], worst["target"], worst["prediction"], worst["loss"], strict=True)
        cells: list[Sequence[Any]] = [(row, batch, str(true), str(said), loss) for row, batch, true, said, loss in rows]
    else:
        columns = ["row", "batch", "anomaly score" if evaluation.reproduces else "absolute error"]
        cells = list(zip(worst["row_id"], worst["batch"], worst["loss"], strict=True))
    page.table(columns, cells, "Rows by id; `evergreen data show` has their values")


def _gap_words(evaluation: Evaluation) -> list[str]:
    widest = gaps(evaluation.slices, evaluation.metric)[:1]
    return [
        f"Widest gap between slices: {gap.column} = {gap.best.value} has {evaluation.metric} {show(gap.best.metric)} "
        f"(n = {gap.best.rows:,}), {gap.column} = {gap.worst.value} {show(gap.worst.metric)} (n = {gap.worst.rows:,})"
        f"{'; of so few rows it may be chance.' if min(gap.best.rows, gap.worst.rows) < 100 else '.'}"
        for gap in widest
    ]


def _interval(metric: str, value: float | None, rows: int) -> str:
    """Wilson's 95 % interval (1927) of an accuracy; nothing for other metrics."""
    if metric != "accuracy" or value is None or rows == 0:
        return ""
    z = 1.959964
    centre = (value + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z * np.sqrt(value * (1 - value) / rows + z * z / (4 * rows * rows)) / (1 + z * z / rows)
    return f"95 % interval {show(float(centre - reach))} to {show(float(centre + reach))}"


def read_history(path: Path) -> list[dict[str, Any]]:
    """The training history: one mapping per epoch."""
    rows: list[dict[str, Any]] = json.loads(path.read_text())
    return rows
