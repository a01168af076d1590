"""Compare two models on the same rows by one metric: the difference and an interval that keeps its word.

Positive means that the challenger is better. For losses and errors (log_loss, rmse, mae) the difference is
relative to the champion's value, 0.1 meaning "one tenth less loss"; for all others it is absolute.

metric                               method
accuracy                             Tango's score interval; mid-p McNemar for "better at all"
precision, recall, F1 (macro)        score interval of the linearised score
roc_auc                              score interval of DeLong's placements
log_loss, rmse, mae, r2              the wider side of Student's t and of the bootstrap-t, per limit
rows in groups                       the same, with a group in the place of a row

Why the area under the curve is not bootstrapped: at 32 + 53 rows and an area of .995 a percentile
bootstrap or DeLong's own interval promotes a challenger that is worse by the margin 10 to 16 times in a
hundred instead of 5, and 38 times where the loss sits in a few rows (`benchmarks/verdict.py`).
Why two intervals for losses: with few and large losses Student's t is too short on the side of the
overconfident challenger, the bootstrap on the side of the weaker one; the wider of both is short on neither.
Student's t has the degrees of freedom that the kurtosis leaves (`bootstrap.ratio_freedom`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from tasks.core.stats import bootstrap, labels, proportions, ranking, score

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Interval = tuple[float, float]

LABEL_METRICS = ("accuracy", "f1_macro", "precision_macro", "recall_macro")
RELATIVE_METRICS = ("log_loss", "rmse", "mae")
SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Probabilities are kept this far from 0, as in `tasks/metrics`."""

MINIMUM_UNITS = {"log_loss": 200, "rmse": 50, "mae": 50, "r2": 50}
"""Rows (or groups) below which the method does not keep its size, by simulation; score intervals need none."""


class NoValue(ValueError):
    """The metric has no value on these rows; the message says why."""


@dataclass(frozen=True)
class Predictions:
    """What one model says about N rows.

    `labels` [N] are class codes for classification (see `targets` of `compare`), numbers for regression.
    `probabilities` [N, C] have one column per class; None where the metric needs none.
    """

    labels: NDArray[np.int64] | Floats
    probabilities: Floats | None = None


@dataclass(frozen=True)
class Comparison:
    """Champion's and challenger's value, their difference and its two-sided interval."""

    champion: float
    challenger: float
    difference: float
    interval: Interval
    units: int
    """Independent rows, or groups of rows."""
    disagreement: float
    """Variance of the paired difference per unit; for accuracy the share of rows on which one alone is right."""
    reach: float
    """What one whole row is worth, times the number of units; 0 where that is not bounded (losses)."""
    method: str
    identical: bool
    """Both models say the same about every row."""
    midp: float | None = None
    """One-sided mid-p value of "not better", for accuracy of ungrouped rows."""


def compare(
    metric: str,
    targets: Codes | Floats,
    challenger: Predictions,
    champion: Predictions,
    confidence: float,
    *,
    groups: Codes | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare two models by `metric`.

    Args:
        metric: one of the recipe's metrics.
        targets: [N] class codes 0 … C - 1 (columns of the probabilities), or numbers.
        challenger: the new model.
        champion: the model it would replace.
        confidence: two-sided, in (0, 1).
        groups: [N] codes 0 … G - 1 of rows that belong together.
        seed: of the bootstrap.

    Raises:
        NoValue: the metric has no value on these rows, for one of the models.
    """
    identical = _identical(challenger, champion, metric)
    if metric in LABEL_METRICS:
        return _by_label(metric, targets.astype(np.int64), challenger, champion, confidence, groups, identical)
    if metric == "roc_auc":
        return _by_rank(targets.astype(np.int64), challenger, champion, confidence, groups, identical)
    return _by_loss(metric, targets, challenger, champion, confidence, groups, seed, identical)


def _identical(challenger: Predictions, champion: Predictions, metric: str) -> bool:
    if metric in ("roc_auc", "log_loss"):
        return np.array_equal(_probabilities(challenger), _probabilities(champion))
    return np.array_equal(challenger.labels, champion.labels)


def _probabilities(model: Predictions) -> Floats:
    if model.probabilities is None:
        raise NoValue("a model gives no probabilities")
    return model.probabilities


def _by_label(
    metric: str,
    targets: Codes,
    challenger: Predictions,
    champion: Predictions,
    confidence: float,
    groups: Codes | None,
    identical: bool,
) -> Comparison:
    ours, theirs = challenger.labels.astype(np.int64), champion.labels.astype(np.int64)
    classes = int(max(targets.max(), ours.max(), theirs.max())) + 1
    new, new_gradient = labels.label_score(metric, labels.confusion(targets, ours, classes))
    old, old_gradient = labels.label_score(metric, labels.confusion(targets, theirs, classes))
    if metric == "accuracy" and groups is None:
        return _by_tango(targets == ours, targets == theirs, confidence, identical)
    present = np.bincount(targets, minlength=classes) > 0
    reach = max(labels.row_reach(new_gradient, present), labels.row_reach(old_gradient, present))
    influence = new_gradient[targets, ours] - old_gradient[targets, theirs]
    return _by_score(new, old, influence, reach, confidence, groups, identical)


def _by_tango(ours: NDArray[np.bool_], theirs: NDArray[np.bool_], confidence: float, identical: bool) -> Comparison:
    rows, gained, lost = len(ours), int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return Comparison(
        champion=float(theirs.mean()),
        challenger=float(ours.mean()),
        difference=(gained - lost) / rows,
        interval=proportions.tango_interval(gained, lost, rows, confidence, proportions.CONTINUITY),
        units=rows,
        disagreement=proportions.disagreement(gained, lost, rows),
        reach=1.0,
        method="Tango's score interval",
        identical=identical,
        midp=proportions.mcnemar_midp(gained, lost),
    )


def _by_rank(
    targets: Codes,
    challenger: Predictions,
    champion: Predictions,
    confidence: float,
    groups: Codes | None,
    identical: bool,
) -> Comparison:
    ours, theirs = _probabilities(challenger), _probabilities(champion)
    present = np.unique(targets)
    if len(present) < 2:
        raise NoValue("the rows are all of one class")
    new, new_influence = ranking.macro_area(targets, ours)
    old, old_influence = ranking.macro_area(targets, theirs)
    reach = ranking.row_reach(targets, ours.shape[1])
    return _by_score(new, old, new_influence - old_influence, reach, confidence, groups, identical)


def _by_score(
    new: float,
    old: float,
    influence: Floats,
    reach: float,
    confidence: float,
    groups: Codes | None,
    identical: bool,
) -> Comparison:
    values = new - old + influence
    if groups is not None:
        values = bootstrap.by_group(values, groups)
    lower, upper = score.score_interval(values, reach, confidence, proportions.CONTINUITY)
    return Comparison(
        champion=old,
        challenger=new,
        difference=new - old,
        interval=(max(lower, -1.0), min(upper, 1.0)),
        units=len(values),
        disagreement=float(np.var(values)),
        reach=reach,
        method="score interval" + ("" if groups is None else " by group"),
        identical=identical,
    )


def _by_loss(
    metric: str,
    targets: Codes | Floats,
    challenger: Predictions,
    champion: Predictions,
    confidence: float,
    groups: Codes | None,
    seed: int,
    identical: bool,
) -> Comparison:
    ours, theirs = (row_losses(metric, targets, model) for model in (challenger, champion))
    gain = theirs - ours
    scale = (targets - targets.mean()) ** 2 if metric == "r2" else theirs
    if scale.sum() == 0 and (metric == "r2" or not identical):
        raise NoValue("the target is constant" if metric == "r2" else "the champion has none, so no share of it is one")
    strata = targets.astype(np.int64) if metric == "log_loss" and groups is None else None
    if groups is not None:
        gain, scale = bootstrap.by_group(gain, groups), bootstrap.by_group(scale, groups)
    estimate, variance, interval = 0.0, 0.0, (0.0, 0.0)
    if not identical:
        estimate, variance = bootstrap.ratio(gain, scale), bootstrap.ratio_error(gain, scale, strata) ** 2 * len(gain)
        interval = _wider(gain, scale, float(max(ours.max(), theirs.max())), confidence, strata, seed)
    old, new = (_value(metric, rows, targets) for rows in (theirs, ours))
    finish = _root_scale if metric == "rmse" else float
    return Comparison(
        champion=old,
        challenger=new,
        difference=finish(estimate),
        interval=(finish(interval[0]), finish(interval[1])),
        units=len(gain),
        # A root moves half as much as its square.
        disagreement=variance / 4 if metric == "rmse" else variance,
        reach=0.0,
        method="bootstrap-t and Student's t" + ("" if groups is None else " by group"),
        identical=identical,
    )


def _root_scale(relative: float) -> float:
    """Relative difference of squares → relative difference of roots: 1 - sqrt(1 - d); d ≤ 1 by its meaning."""
    return 1 - math.sqrt(max(1 - relative, 0.0))


def _wider(gain: Floats, scale: Floats, largest: float, confidence: float, strata: Codes | None, seed: int) -> Interval:
    """For each limit the one farther out of Student's t and the studentised bootstrap.

    Where the models differ on so few rows that the bootstrap gives no limit, it is the score interval's,
    one row being worth the `largest` loss of a row.
    """
    found = bootstrap.studentised_interval(gain, scale, confidence, strata=strata, seed=seed)
    if not all(map(math.isfinite, found)):
        found = score.score_interval(gain / scale.mean(), largest / float(scale.mean()), confidence)
    estimate, freedom = bootstrap.ratio(gain, scale), bootstrap.ratio_freedom(gain, scale)
    half = float(student.ppf((1 + confidence) / 2, freedom)) * bootstrap.ratio_error(gain, scale, strata)
    return min(found[0], estimate - half), max(found[1], estimate + half)


def row_losses(metric: str, targets: Codes | Floats, model: Predictions) -> Floats:
    """The metric's loss of each row [N]: -log p of the true class, the squared or the absolute error."""
    if metric == "log_loss":
        chosen = _probabilities(model)[np.arange(len(targets)), targets.astype(np.int64)]
        return np.asarray(-np.log(np.clip(chosen, SMALLEST_PROBABILITY, 1)))
    error: Floats = np.abs(np.asarray(model.labels, float) - targets)
    return error if metric == "mae" else np.square(error)


def _value(metric: str, losses: Floats, targets: Codes | Floats) -> float:
    if metric == "r2":
        spread = float(((targets - targets.mean()) ** 2).sum())
        return 1 - float(losses.sum()) / spread if spread else math.nan
    mean = float(losses.mean())
    return math.sqrt(mean) if metric == "rmse" else mean
