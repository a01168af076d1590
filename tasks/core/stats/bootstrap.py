"""Studentised bootstrap of a ratio of means over paired rows, within strata, by row or by cluster.

The effect is mean(numerator) / mean(denominator): the mean difference itself where the denominator is 1,
a relative difference where it is the champion's loss. The unit that is drawn is a row or, where rows come
in groups, a whole group.

Sources:
    Efron, Tibshirani (1993), An Introduction to the Bootstrap, chapters 12 and 16 (bootstrap-t).
    Hall (1992), The Bootstrap and Edgeworth Expansion, section 3 (second-order correct one-sided limits).
    Davison, Hinkley (1997), Bootstrap Methods and their Application, sections 3.2 (strata), 3.8 (clusters).
    Cochran (1977), Sampling Techniques, eq. 6.13 (variance of a ratio).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

DRAWS = 1999
"""Resamples: with 1999 the 5 % quantile is an order statistic and its Monte-Carlo error is 0.5 points."""

LARGE = 10_000
"""From this many units on the interval is the normal one: resampling would move it by less than 1 %."""


def ratio(numerator: Floats, denominator: Floats) -> float:
    """mean(numerator) / mean(denominator)."""
    return float(numerator.sum() / denominator.sum())


def ratio_error(numerator: Floats, denominator: Floats, strata: Labels | None = None) -> float:
    """Standard error of the ratio by linearisation (Cochran 1977, eq. 6.13), within strata if given."""
    residual = (numerator - ratio(numerator, denominator) * denominator) / denominator.mean()
    labels = np.zeros(len(residual), np.int64) if strata is None else strata
    counts = np.bincount(labels).astype(float)
    centred = residual - (np.bincount(labels, residual) / np.maximum(counts, 1))[labels]
    spread = np.bincount(labels, centred**2)
    return float(np.sqrt((spread * counts / np.maximum(counts - 1, 1)).sum()) / len(residual))


def ratio_freedom(numerator: Floats, denominator: Floats) -> float:
    """Degrees of freedom of the standard error: 2 N / (kurtosis - 1), at most N - 1 and at least 1.

    The variance of N values with that kurtosis scatters like a chi-square of so many degrees (Satterthwaite
    1946, Biometrics Bulletin 2, with Var(s²) = σ⁴ (kurtosis - 1) / N); normal values keep N. A few rows with
    most of the loss make it small.
    """
    residual = numerator - ratio(numerator, denominator) * denominator
    square = float((residual**2).mean())
    if square == 0:
        return float(len(residual) - 1)
    kurtosis = float((residual**4).mean()) / square**2
    return float(np.clip(2 * len(residual) / max(kurtosis - 1, 1e-9), 1, len(residual) - 1))


def studentised_interval(
    numerator: Floats,
    denominator: Floats,
    confidence: float,
    *,
    strata: Labels | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> tuple[float, float]:
    """Two-sided bootstrap-t interval of mean(numerator) / mean(denominator); arrays [N], N units.

    The result depends on the seed but not on the order of the rows. From `LARGE` units on it is the normal
    interval.
    """
    error = ratio_error(numerator, denominator, strata)
    estimate = ratio(numerator, denominator)
    if error == 0 or len(numerator) >= LARGE:
        half = float(norm.ppf((1 + confidence) / 2)) * error
        return estimate - half, estimate + half
    pivots = _pivots(numerator, denominator, strata, draws, np.random.default_rng(seed))
    tail = (1 - confidence) / 2
    # An order statistic and its mirror image, so that swapping the models mirrors the interval exactly.
    position = max(int(np.floor(tail * (len(pivots) + 1))) - 1, 0)
    ordered = np.sort(pivots)
    return estimate - float(ordered[-1 - position]) * error, estimate - float(ordered[position]) * error


def _pivots(
    numerator: Floats, denominator: Floats, strata: Labels | None, draws: int, random: np.random.Generator
) -> Floats:
    """(resampled ratio - ratio) / resampled standard error [draws], drawn in chunks of bounded memory."""
    rows = len(numerator)
    labels = np.zeros(rows, np.int64) if strata is None else strata
    # A canonical order makes the draws independent of the order in which rows were given; absolute values
    # keep it when the models are swapped and every numerator changes its sign.
    order = np.lexsort((denominator, np.abs(numerator), labels))
    numerator, denominator, labels = numerator[order], denominator[order], labels[order]
    starts = np.searchsorted(labels, labels, side="left")
    counts = np.searchsorted(labels, labels, side="right") - starts
    estimate = ratio(numerator, denominator)
    pivots = np.empty(draws)
    step = max(1, 2_000_000 // rows)
    for begin in range(0, draws, step):
        size = min(step, draws - begin)
        picked = starts + (random.random((size, rows)) * counts).astype(np.int64)
        pivots[begin : begin + size] = _chunk(numerator[picked], denominator[picked], labels, estimate)
    return pivots


def _chunk(numerator: Floats, denominator: Floats, labels: Labels, estimate: float) -> Floats:
    """Pivots of resamples [D, N] whose columns keep the strata `labels` [N], sorted."""
    rows = numerator.shape[1]
    ratios = numerator.sum(1) / denominator.sum(1)
    residual = (numerator - ratios[:, None] * denominator) / denominator.mean(1)[:, None]
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    counts = np.diff(np.r_[starts, rows]).astype(float)
    sums = np.add.reduceat(residual, starts, axis=1)
    squares = np.add.reduceat(residual**2, starts, axis=1)
    spread = np.maximum(squares - sums**2 / counts, 0) * counts / np.maximum(counts - 1, 1)
    error = np.sqrt(spread.sum(1)) / rows
    with np.errstate(divide="ignore", invalid="ignore"):
        pivots = (ratios - estimate) / error
    # A resample without any spread says nothing about the width: it counts as infinitely far out.
    far = np.where(ratios > estimate, np.inf, np.where(ratios < estimate, -np.inf, 0.0))
    return np.asarray(np.where(error > 0, pivots, far))


def by_group(values: Floats, groups: Labels) -> Floats:
    """Sum of `values` [N] over each group, scaled by groups / rows: their mean is the mean of `values`."""
    sums = np.bincount(groups, values)
    return np.asarray(sums * (len(sums) / len(values)), np.float64)
