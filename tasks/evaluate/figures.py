"""The pictures of an evaluation: curves of classifiers, residuals of regressions, training, mistaken images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tasks.evaluate.score import probabilities_of
from tasks.metrics import Undefined, codes
from tasks.metrics.classification import binary_roc_auc
from tasks.metrics.curves import calibration_error, calibration_points, precision_recall_points, roc_points
from tasks.report.curves import Line, curves
from tasks.report.histograms import histogram
from tasks.report.images import image_grid
from tasks.report.page import Figure
from tasks.report.scatter import scatter
from tasks.report.svg import thin

MOST_CLASSES = 10
"""Classes whose curves are drawn: those hardest to tell from the rest."""
MOST_ROWS = 20_000
"""Rows that curves are drawn from."""


def classifier_figures(frame: pd.DataFrame, classes: tuple[str, ...]) -> list[Figure]:
    """ROC, precision-recall and calibration curves; a curve that is undefined on these rows is left out."""
    frame = frame.iloc[thin(len(frame), MOST_ROWS)]
    probabilities = probabilities_of(frame, classes)
    true = codes(frame["target"], classes)
    if probabilities is None or not len(frame) or not np.isfinite(probabilities).all():
        return []
    shown = _hardest(true, probabilities, classes)
    roc, recall = [], []
    for code in shown:
        roc.append(Line(classes[code], *roc_points(true == code, probabilities[:, code])))
        recall.append(Line(classes[code], *precision_recall_points(true == code, probabilities[:, code])))
    figures = []
    if shown:
        what = f"class {classes[shown[0]]}" if len(classes) == 2 else "each class against the rest"
        hidden = len(shown) == MOST_CLASSES < len(classes)
        more = f"; the {MOST_CLASSES} of {len(classes)} classes hardest to tell" if hidden else ""
        picture = curves(roc, "false positive rate", "true positive rate", unit=True, diagonal=True)
        figures.append(Figure(picture, f"ROC: {what}{more}", "ROC curves"))
        picture = curves(recall, "recall", "precision", unit=True)
        figures.append(Figure(picture, f"Precision and recall: {what}{more}", "Precision-recall curves"))
    figures.append(_calibration(true, probabilities, classes))
    return figures


def regression_figures(frame: pd.DataFrame, unit: str) -> list[Figure]:
    """Prediction against truth, residuals against prediction, and their histogram; `unit` names the target."""
    frame = frame.iloc[thin(len(frame), MOST_ROWS)]
    target, said = frame["target"].to_numpy(np.float64), frame["prediction"].to_numpy(np.float64)
    residuals = said - target
    return [
        Figure(
            scatter(target, said, f"true {unit}", f"predicted {unit}", diagonal=True),
            "Predictions; on the dashed line they are right",
            "Scatter plot of predicted against true values",
        ),
        Figure(
            scatter(said, residuals, f"predicted {unit}", "prediction − truth", level=0.0),
            "Residuals: a shape or a funnel here is something the model has not learned",
            "Scatter plot of residuals against predictions",
        ),
        Figure(
            histogram(residuals, "prediction − truth", (430, 330)), "How errors are spread", "Histogram of residuals"
        ),
    ]


def training_figures(history: Sequence[Mapping[str, Any]], best_epoch: int) -> list[Figure]:
    """Losses and learning rate by epoch; the dashed upright line is the epoch whose weights were kept."""
    epochs = [float(row["epoch"]) for row in history]
    losses = [
        Line(name, epochs, [float(row.get(key, np.nan) or np.nan) for row in history])
        for name, key in (("training", "train_loss"), ("validation", "validation_loss"))
    ]
    figures = [
        Figure(
            curves(losses, "epoch", "loss", marker=float(best_epoch), dots=len(epochs) < 40),
            f"The dashed line is epoch {best_epoch}, whose weights were kept.",
            "Training and validation loss by epoch",
        )
    ]
    rates = [float(row.get("learning_rate") or np.nan) for row in history]
    if np.isfinite(rates).any():
        picture = curves([Line("learning rate", epochs, rates)], "epoch", "learning rate")
        figures.append(Figure(picture, "Learning rate", "Learning rate by epoch"))
    return [*figures, *_statistics(history, epochs)]


def _statistics(history: Sequence[Mapping[str, Any]], epochs: Sequence[float]) -> list[Figure]:
    """Sizes of gradient, weights and update by epoch, as powers of ten; nothing where none was measured."""
    lines = []
    for label, name in (
        ("gradient", "gradient_norm"),
        ("weights", "weight_norm"),
        ("update / weights", "update_ratio"),
    ):
        values = np.array([float(row.get("statistics", {}).get(name) or np.nan) for row in history])
        if np.isfinite(values).any():
            lines.append(Line(label, epochs, np.log10(values)))
    if not lines:
        return []
    caption = "Sizes in the last step of each epoch, as powers of ten; an update of about −3 of the weights is usual."
    return [Figure(curves(lines, "epoch", "log₁₀"), caption, "Norms of gradient, weights and update by epoch")]


def mistaken_images(inputs: np.ndarray, places: np.ndarray, labels: Sequence[str]) -> str:
    """The images of rows `places` of `inputs` [N, channels, H, W] (the first channel), with a label each."""
    return image_grid(np.stack([np.asarray(inputs[place][0]) for place in places]), labels, columns=8, side=84)


def _calibration(true: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> Figure:
    """How often an answer given with some confidence is right; two classes: how often the last class is true."""
    if probabilities.shape[1] == 2:
        right, confidence, what = true == 1, probabilities[:, 1], f"probability of {classes[1]}"
    else:
        right, confidence, what = (
            probabilities.argmax(axis=1) == true,
            probabilities.max(axis=1),
            "confidence of the answer",
        )
    means, shares, _ = calibration_points(right, confidence)
    picture = curves(
        [Line("calibration", means, shares)], what, "share that is true", unit=True, diagonal=True, dots=True
    )
    error = calibration_error(right, confidence)
    return Figure(
        picture, f"Calibration: on the dashed line confidence is earned; mean distance {error:.3f}", "Calibration curve"
    )


def _hardest(true: np.ndarray, probabilities: np.ndarray, classes: tuple[str, ...]) -> list[int]:
    """Classes that have a curve; more than ten: those with the lowest areas."""
    areas: list[tuple[float, int]] = []
    for code in [1] if len(classes) == 2 else range(len(classes)):
        try:
            areas.append((binary_roc_auc(true == code, probabilities[:, code]), code))
        except Undefined:
            continue
    return sorted(code for _, code in sorted(areas)[:MOST_CLASSES])
