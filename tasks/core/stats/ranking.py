"""Area under the ROC curve and what each row contributes to it, for two classes and for many.

Sources:
    DeLong, DeLong, Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver
    operating characteristic curves, Biometrics 44, 837-845.
    Sun, Xu (2014), Fast implementation of DeLong's algorithm, IEEE Signal Processing Letters 21, 1389-1393.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]


def area(positive: NDArray[np.bool_], scores: Floats) -> tuple[float, Floats]:
    """ROC AUC and DeLong's placements [N]; ties count one half.

    The placement of a positive row is the share of negative rows below it; that of a negative row, the
    share of positive rows above it. The mean over either class is the area.

    Raises:
        ValueError: one class has no row.
    """
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if not ones or not zeros:
        raise ValueError("the area under the ROC curve needs rows of both classes")
    ranks = rankdata(scores)
    placements = np.empty(len(scores))
    placements[positive] = (ranks[positive] - rankdata(scores[positive])) / zeros
    placements[~positive] = 1 - (ranks[~positive] - rankdata(scores[~positive])) / ones
    return float(placements[positive].mean()), placements


def macro_area(targets: NDArray[np.int64], probabilities: Floats) -> tuple[float, Floats]:
    """ROC AUC and each row's influence on it [N], which has mean 0.

    `targets` [N] are column indices into `probabilities` [N, C]. Two columns: the area of the last one.
    More: the mean of the one-versus-rest areas over the classes that have rows. Dividing the variance of
    the influence by N gives DeLong's variance (up to N / (N - 1) within each class).
    """
    classes = probabilities.shape[1]
    chosen = [1] if classes == 2 else [int(index) for index in np.unique(targets)]
    total, influence, rows = 0.0, np.zeros(len(targets)), len(targets)
    for index in chosen:
        positive = targets == index
        value, placements = area(positive, probabilities[:, index])
        ones = positive.sum()
        influence += (placements - value) * np.where(positive, rows / ones, rows / (rows - ones))
        total += value
    return total / len(chosen), influence / len(chosen)


def row_reach(targets: NDArray[np.int64], classes: int) -> float:
    """What one row of the rarest class is worth: N times the area lost when it is ranked behind all others."""
    counts = np.bincount(targets, minlength=classes).astype(float)
    counts = counts[counts > 0]
    rows = counts.sum()
    if classes == 2:
        return float(rows / counts.min())
    return float(rows / len(counts) * (1 / counts.min() + 1 / (rows - counts.max())))
