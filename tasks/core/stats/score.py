"""Score interval for the mean of bounded paired differences, however few of them are not zero.

Tango's interval, carried over from the values -1, 0, 1 to any weights. A Wald or bootstrap interval
takes its width from the differences that were seen; when two good classifiers disagree on three rows out
of 270 that width is close to nothing, and a challenger that is worse by the margin passes far too often.
Here the width is that of the most likely distribution *under the null*: the empirical one, tilted until
its mean is the null's, where weight may also fall on `reach`, a loss (or gain) of one whole row that
these rows may merely have missed.

With values -1, 0, 1 and reach 1 this is Tango's statistic, digit for digit (a test says so). The tilted
distribution is Owen's empirical likelihood with the end points of the support added.

Sources:
    Tango (1998), Statistics in Medicine 17, 891-908. Owen (2001), Empirical Likelihood, sections 2.2, 2.9.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm

Floats = NDArray[np.float64]

BINS = 8192
"""Distinct values the solver works on at most."""


def compress(values: Floats) -> tuple[Floats, Floats]:
    """Distinct values (rounded to 12 digits, ascending) [K] and how often each occurs [K].

    More than `BINS` distinct values become the means of `BINS` equal bins, so that a million rows cost no
    more than a few thousand; what that takes from the variance is at most (range / BINS)² / 4.
    """
    distinct, repeats = np.unique(np.round(values, 12) + 0.0, return_counts=True)
    counts = repeats.astype(np.float64)
    if len(distinct) > BINS:
        low, high = distinct[0], distinct[-1]
        bins = np.minimum((distinct - low) / (high - low) * BINS, BINS - 1).astype(np.int64)
        sums = np.bincount(bins, distinct * counts)
        counts = np.bincount(bins, counts).astype(np.float64)
        distinct, counts = sums[counts > 0] / counts[counts > 0], counts[counts > 0]
    return distinct, counts


def score_statistic(values: Floats, counts: Floats, null: float, reach: float, correction: float = 0.0) -> float:
    """Score statistic of the mean of `values` [K] seen `counts` [K] times, against the mean `null`.

    `reach` > 0 is the value of one whole row, in the unit of `values`; `correction` is a share of such a
    row. Where nothing can vary under the null the result is 0 or ± infinity.
    """
    rows = counts.sum()
    distance = values @ counts / rows - null
    distance = np.sign(distance) * max(abs(distance) - correction * reach / rows, 0.0)
    variance = null_variance(values, counts, null, reach)
    if variance > 1e-18:
        return float(distance / np.sqrt(variance / rows))
    return float(np.sign(distance) * np.inf) if distance else 0.0


def null_variance(values: Floats, counts: Floats, null: float, reach: float) -> float:
    """Variance of one row under the most likely distribution whose mean is `null`.

    The support is `values` and, with no row seen there, -reach and +reach (at least the extremes of `values`).
    """
    shares = counts / counts.sum()
    centred = values - null
    low = min(-reach, float(values.min())) - null
    high = max(reach, float(values.max())) - null
    if low >= 0 or high <= 0:
        return 0.0
    # Every 1 + tilt * x must stay positive, also at the end points: tilt lies between -1/high and -1/low.
    ends = (-1 / high, -1 / low)

    def mean(tilt: float) -> float:
        return float(shares @ (centred / (1 + tilt * centred)))

    tilt = _root(mean, ends)
    weights = shares / (1 + tilt * centred)
    variance = float(weights @ centred**2)
    missing = 1 - float(weights.sum())
    if missing > 1e-12:
        # The tilt ran into an end point that no row holds: the likely null puts the missing weight there.
        variance += missing * (low if tilt > 0 else high) ** 2
    return variance


def _root(mean: Callable[[float], float], ends: tuple[float, float]) -> float:
    """The tilt in the open interval `ends` at which the decreasing function `mean` is 0, or the nearer end."""
    width = ends[1] - ends[0]
    inner = (ends[0] + 1e-10 * width, ends[1] - 1e-10 * width)
    if mean(inner[0]) <= 0:
        return inner[0]
    if mean(inner[1]) >= 0:
        return inner[1]
    return float(brentq(mean, *inner, xtol=1e-14 * width, rtol=1e-12))


def score_interval(values: Floats, reach: float, confidence: float, correction: float = 0.0) -> tuple[float, float]:
    """Two-sided interval of the mean of `values` [N]: every mean the score test at `confidence` does not refuse."""
    distinct, counts = compress(values)
    bound = float(norm.ppf((1 + confidence) / 2))
    lower = _limit(distinct, counts, reach, bound, correction)
    return lower, -_limit(-distinct[::-1], counts[::-1], reach, bound, correction)


def _limit(values: Floats, counts: Floats, reach: float, bound: float, correction: float) -> float:
    estimate = float(values @ counts / counts.sum())
    lowest = min(-reach, float(values.min())) * (1 - 1e-9)

    def excess(null: float) -> float:
        return score_statistic(values, counts, null, reach, correction) - bound

    if estimate <= lowest or excess(lowest) <= 0:
        return lowest
    return float(brentq(excess, lowest, estimate, xtol=1e-10 * reach))
