"""Where the model is wrong: which classes it confuses, its worst rows, and what that says in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluate.score import probabilities_of
from tasks.metrics import codes
from tasks.metrics.classification import confusion, row_log_loss
from tasks.report.numbers import count, percent, show

MOST_ROWS = 20
"""Worst rows that are listed."""


@dataclass(frozen=True)
class Confusion:
    """Rows of one class that were taken for another."""

    true: str
    predicted: str
    rows: int
    of: int
    """Rows of the true class."""


def confusion_pairs(matrix: np.ndarray, classes: Sequence[str]) -> list[Confusion]:
    """Every confusion of a matrix (true down, predicted across), the most frequent first."""
    totals = matrix.sum(axis=1)
    found = [
        Confusion(str(classes[row]), str(classes[column]), int(matrix[row, column]), int(totals[row]))
        for row, column in np.argwhere(matrix > 0)
        if row != column
    ]
    return sorted(found, key=lambda pair: (-pair.rows, pair.of, pair.true, pair.predicted))


def class_matrix(frame: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """Confusion matrix int [C, C] of a predictions frame; rows whose class the model does not know are left out."""
    true, said = codes(frame["target"], classes), codes(frame["prediction"], classes)
    known = (true >= 0) & (said >= 0)
    return confusion(true[known], said[known], len(classes))


def row_losses(frame: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray:
    """How wrong each row is, float64 [N]: −ln P(true class), for regression the absolute error."""
    probabilities = probabilities_of(frame, classes)
    if probabilities is None:
        return np.asarray(np.abs(frame["prediction"].to_numpy(np.float64) - frame["target"].to_numpy(np.float64)))
    true = codes(frame["target"], classes)
    losses = row_log_loss(np.maximum(true, 0), probabilities)
    return np.where(true >= 0, losses, np.inf)


def worst_rows(frame: pd.DataFrame, classes: tuple[str, ...], most: int = MOST_ROWS) -> pd.DataFrame:
    """The rows with the highest loss, in a frame with the column `loss`; for classification only wrong ones."""
    losses = row_losses(frame, classes)
    ranked = frame.assign(loss=losses)
    if classes:
        ranked = ranked[codes(frame["target"], classes) != codes(frame["prediction"], classes)]
    return ranked.sort_values(["loss", "row_id"], ascending=[False, True], kind="stable").head(most)


def in_words(frame: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    """What the mistakes on these rows have in common, in sentences without row values."""
    if not len(frame):
        return ["There is no row to learn from."]
    return _confusions_in_words(frame, classes) if classes else _errors_in_words(frame)


def _confusions_in_words(frame: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    matrix = class_matrix(frame, classes)
    pairs = confusion_pairs(matrix, classes)
    wrong = int(matrix.sum() - np.trace(matrix))
    if not pairs:
        return [f"All {count(int(matrix.sum()), 'row')} are right."]
    first = pairs[0]
    sentences = [
        f"{wrong:,} of {int(matrix.sum()):,} rows are wrong.",
        f"Most common confusion: {first.true} taken for {first.predicted}, {first.rows:,} of {first.of:,} rows of "
        f"{first.true} ({percent(first.rows / first.of)}).",
    ]
    recalls = [(matrix[code, code] / rows, code) for code, rows in enumerate(matrix.sum(axis=1)) if rows]
    share, code = min(recalls)
    if len(recalls) > 1:
        sentences.append(f"Class {classes[code]} is recognised least often: {percent(float(share))} of its rows.")
    never = [classes[code] for code in range(len(classes)) if matrix[:, code].sum() == 0 and matrix[code].sum() > 0]
    if never:
        sentences.append(f"Never predicted: {', '.join(never[:8])}.")
    probabilities = probabilities_of(frame, classes)
    if probabilities is not None:
        mistaken = codes(frame["target"], classes) != codes(frame["prediction"], classes)
        sure = int((probabilities[mistaken].max(axis=1) > 0.9).sum())
        sentences.append(f"Mistakes made with more than 90 % confidence: {sure:,} of {wrong:,}.")
    return sentences


def _errors_in_words(frame: pd.DataFrame) -> list[str]:
    target, said = frame["target"].to_numpy(np.float64), frame["prediction"].to_numpy(np.float64)
    errors = said - target
    absolute = np.abs(errors)
    sentences = [f"Half of the predictions are within {show(float(np.median(absolute)))} of the truth."]
    bias, noise = float(errors.mean()), float(errors.std() / np.sqrt(len(errors)))
    if abs(bias) > 2 * noise and noise > 0:
        sentences.append(f"Predictions are too {'high' if bias > 0 else 'low'} by {show(abs(bias))} on average.")
    else:
        sentences.append("Predictions are neither too high nor too low on average.")
    order = np.argsort(target, kind="stable")
    quarters = [part for part in np.array_split(order, 4) if len(part)]
    if len(frame) >= 20:
        means = [float(absolute[part].mean()) for part in quarters]
        worst = int(np.argmax(means))
        name = ("lowest", "second", "third", "highest")[worst]
        sentences.append(f"The {name} quarter of the targets has the largest errors: {show(means[worst])} on average.")
    largest = np.sort(absolute)[::-1][: max(1, len(absolute) // 20)]
    if (absolute**2).sum() > 0:
        share = float((largest**2).sum() / (absolute**2).sum())
        sentences.append(f"The worst {count(len(largest), 'row')} make up {percent(share)} of the squared error.")
    return sentences
