"""The points of ROC, precision-recall and calibration curves of one class or of confident answers."""

from __future__ import annotations

import numpy as np

from tasks.metrics import Undefined


def roc_points(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every threshold, from (0, 0) to (1, 1); `positive` bool [N], `scores` [N].

    Raises:
        Undefined: there are no rows, or all or none are positive.
    """
    hits, alarms = _running_counts(positive, scores)
    if len(hits) == 0 or hits[-1] == 0 or alarms[-1] == 0:
        raise Undefined("there are no rows, or all or none are positive")
    return np.r_[0, alarms / alarms[-1]], np.r_[0, hits / hits[-1]]


def precision_recall_points(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at every threshold, recall growing; `positive` bool [N], `scores` [N].

    Raises:
        Undefined: no row is positive.
    """
    hits, alarms = _running_counts(positive, scores)
    if len(hits) == 0 or hits[-1] == 0:
        raise Undefined("no row is positive")
    precision = hits / (hits + alarms)
    return np.r_[0, hits / hits[-1]], np.r_[precision[0], precision]


def calibration_points(right: np.ndarray, confidence: np.ndarray, bins: int = 10) -> tuple[np.ndarray, ...]:
    """Mean confidence, share right and rows of equal-width bins in [0, 1]; empty bins are left out.

    Args:
        right: bool [N], whether what was claimed holds.
        confidence: probability in [0, 1] that was given to it, [N].
        bins: number of intervals.
    """
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    rows = np.bincount(place, minlength=bins)
    filled = rows > 0
    means = np.bincount(place, confidence, minlength=bins)[filled] / rows[filled]
    shares = np.bincount(place, right.astype(np.float64), minlength=bins)[filled] / rows[filled]
    return means, shares, rows[filled]


def calibration_error(right: np.ndarray, confidence: np.ndarray, bins: int = 10) -> float:
    """Expected calibration error (Naeini et al., 2015): mean distance of confidence and share right, by rows.

    Raises:
        Undefined: there are no rows.
    """
    if len(right) == 0:
        raise Undefined("there are no rows")
    means, shares, rows = calibration_points(right, confidence, bins)
    return float((rows * np.abs(means - shares)).sum() / rows.sum())


def _running_counts(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive and negative rows at or above each distinct score, from the highest score down."""
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order])) if len(order) else np.empty(0, dtype=np.int64)
    last = np.r_[ends, len(order) - 1] if len(order) else ends
    hits = np.cumsum(positive[order])[last]
    return hits, last + 1 - hits
