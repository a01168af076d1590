"""Accuracy and macro precision, recall and F1 as functions of the confusion matrix, with their gradients.

A macro score is a smooth function of the shares in the confusion matrix, so a row's influence on it is the
gradient at the row's cell (the delta method; van der Vaart, 1998, Asymptotic Statistics, chapter 20). All
four scores are unchanged when the matrix is multiplied by a number, so the influences sum to zero (Euler).

Notation: `matrix` [C, C] counts rows by true class (row) and predicted class (column). Classes without a
true row are left out of the mean; a class that is never predicted has precision and F1 of 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def confusion(targets: Codes, predictions: Codes, classes: int) -> Floats:
    """Counts [C, C] of (true class, predicted class)."""
    return np.bincount(targets * classes + predictions, minlength=classes**2).reshape(classes, classes).astype(float)


def label_score(metric: str, matrix: Floats) -> tuple[float, Floats]:
    """Value of the metric and N times its gradient by cell [C, C], whose mean over the rows is 0.

    `metric` is accuracy, precision_macro, recall_macro or f1_macro.
    """
    rows = matrix.sum()
    hits = np.diag(matrix)
    if metric == "accuracy":
        value = hits.sum() / rows
        return float(value), np.eye(len(matrix)) - value
    true, predicted = matrix.sum(1), matrix.sum(0)
    # Each macro score is the mean over classes of hits / (weight_true * true + weight_predicted * predicted).
    by_true, by_predicted = {"recall_macro": (1, 0), "precision_macro": (0, 1), "f1_macro": (0.5, 0.5)}[metric]
    size = by_true * true + by_predicted * predicted
    present = true > 0
    safe = np.where(size > 0, size, 1)
    scores = np.where(present, hits / safe, 0)
    slope = np.where(present & (size > 0), rows / safe, 0) / present.sum()
    gradient = np.diag(slope) - by_true * (slope * scores)[:, None] - by_predicted * (slope * scores)[None, :]
    return float(scores.sum() / present.sum()), gradient


def row_reach(gradient: Floats, present: NDArray[np.bool_]) -> float:
    """What one row can be worth: N times the largest loss when one right answer becomes wrong.

    `present` [C] says which classes have rows.
    """
    loss = (np.diag(gradient)[:, None] - gradient)[present]
    return float(loss.max())
