"""The value of a metric of one model on N rows, with a two-sided interval.

metric                               method
accuracy                             score interval of a share (Wilson 1927) with a quarter of a row as correction
precision, recall, F1 (macro)        score interval of the linearised score
roc_auc                              score interval of DeLong's placements
log_loss, rmse, mae, r2              the wider side of Student's t and of the bootstrap-t, per limit
rows in groups                       the same, with a group in the place of a row

The parts are those of tasks/core/stats/paired.py, where they are explained; what is new is that there is no
second model, so a score is compared with 1, the best there is.

Sources:
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22, 209-212.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from tasks.core.stats import bootstrap, labels, proportions, ranking, score
from tasks.core.stats.paired import LABEL_METRICS, NoValue, Predictions, row_losses

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A metric's value and its two-sided interval."""

    value: float
    interval: tuple[float, float]
    units: int
    """Independent rows, or groups of rows."""
    method: str


def estimate(
    metric: str,
    targets: Codes | Floats,
    model: Predictions,
    confidence: float,
    *,
    groups: Codes | None = None,
    seed: int = 0,
) -> Estimate:
    """Estimate `metric` from N ≥ 2 rows.

    Args:
        metric: one of the recipe's metrics.
        targets: [N] class codes 0 … C - 1 (columns of the probabilities), or numbers.
        model: what it said about the rows.
        confidence: two-sided, in (0, 1).
        groups: [N] codes 0 … G - 1 of rows that belong together.
        seed: of the bootstrap.

    Raises:
        NoValue: the metric has no value on these rows.
    """
    if metric in LABEL_METRICS:
        return _by_label(metric, targets.astype(np.int64), model.labels.astype(np.int64), confidence, groups)
    if metric == "roc_auc":
        return _by_rank(targets.astype(np.int64), model, confidence, groups)
    return _by_loss(metric, targets, model, confidence, groups, seed)


def _by_label(metric: str, targets: Codes, said: Codes, confidence: float, groups: Codes | None) -> Estimate:
    classes = int(max(targets.max(), said.max())) + 1
    value, gradient = labels.label_score(metric, labels.confusion(targets, said, classes))
    reach = labels.row_reach(gradient, np.bincount(targets, minlength=classes) > 0)
    return _by_score(value, gradient[targets, said], reach, confidence, groups)


def _by_rank(targets: Codes, model: Predictions, confidence: float, groups: Codes | None) -> Estimate:
    if model.probabilities is None:
        raise NoValue("the model gives no probabilities")
    if len(np.unique(targets)) < 2:
        raise NoValue("the rows are all of one class")
    value, influence = ranking.macro_area(targets, model.probabilities)
    return _by_score(value, influence, ranking.row_reach(targets, model.probabilities.shape[1]), confidence, groups)


def _by_score(value: float, influence: Floats, reach: float, confidence: float, groups: Codes | None) -> Estimate:
    # Against the best there is: a row can fall short of it, as no row may have done here, but not exceed it.
    short = value - 1 + influence
    if groups is not None:
        short = bootstrap.by_group(short, groups)
    lower, upper = score.score_interval(short, reach, confidence, proportions.CONTINUITY)
    method = "score interval" + ("" if groups is None else " by group")
    return Estimate(value, (max(1 + lower, 0.0), min(1 + upper, 1.0)), len(short), method)


def _by_loss(
    metric: str, targets: Codes | Floats, model: Predictions, confidence: float, groups: Codes | None, seed: int
) -> Estimate:
    if metric == "log_loss" and model.probabilities is None:
        raise NoValue("the model gives no probabilities")
    losses = row_losses(metric, targets, model)
    scale = (targets - targets.mean()) ** 2 if metric == "r2" else np.ones(len(losses))
    if scale.sum() == 0:
        raise NoValue("the target is constant")
    strata = targets.astype(np.int64) if metric == "log_loss" and groups is None else None
    if groups is not None:
        losses, scale = bootstrap.by_group(losses, groups), bootstrap.by_group(scale, groups)
    mean = bootstrap.ratio(losses, scale)
    lower, upper = _wider(losses, scale, confidence, strata, seed)
    finish = {"rmse": _root, "r2": _explained}.get(metric, float)
    ends = sorted((finish(max(lower, 0.0)), finish(upper)))
    method = "bootstrap-t and Student's t" + ("" if groups is None else " by group")
    return Estimate(finish(mean), (ends[0], ends[1]), len(losses), method)


def _wider(losses: Floats, scale: Floats, confidence: float, strata: Codes | None, seed: int) -> tuple[float, float]:
    """For each limit the one farther out of Student's t and the studentised bootstrap, where that has one."""
    mean = bootstrap.ratio(losses, scale)
    freedom = bootstrap.ratio_freedom(losses, scale)
    half = float(student.ppf((1 + confidence) / 2, freedom)) * bootstrap.ratio_error(losses, scale, strata)
    lower, upper = bootstrap.studentised_interval(losses, scale, confidence, strata=strata, seed=seed)
    lower = min(lower, mean - half) if math.isfinite(lower) else mean - half
    return lower, max(upper, mean + half) if math.isfinite(upper) else mean + half


def _root(square: float) -> float:
    return math.sqrt(max(square, 0.0))


def _explained(ratio: float) -> float:
    """R² from the ratio of the squared errors to the squared deviations."""
    return 1 - ratio
