"""The threshold of drift: how far windows of the history lie from the rest of it although nothing changed.

One verdict about many columns needs one threshold. Each column's effect is put into units of its own
no-drift windows, z = (effect - centre) / spread, and the statistic is the largest z. In these units the
upper tails of both distances nearly coincide (Kolmogorov's law has its 97.5 % point 2.35 spreads above its
centre and its 99.9 % point 4.15; the difference of two shares, which is half normal, 2.40 and 4.13), so no
kind of column dominates the maximum, and the threshold of the maximum pays for the number of columns once.

Where the threshold comes from. The history, in the order in which rows arrived, is cut into M contiguous
windows of the size of the one that is judged, and each is compared with all other rows of the history.
Contiguous, because neighbouring rows of real series resemble each other: scattered rows would promise
windows that are far more alike than windows are. `centre` and `spread` of a column are those of its M
effects, and at least those of scattered windows of the same size, which are many and tell the spread of
independent rows exactly; that takes most of the noise out of a spread estimated from ten windows. The
statistic of each of the M windows is taken with the centre and spread of the *other* ones, as that of a new
window is (Barber et al. 2021, the jackknife; Vovk et al. 2005, chapter 2).

Then the share p of no-drift windows above the r-th largest of M statistics is distributed as
Beta(r, M + 1 - r) (order statistics of exchangeable values). The expected number of confirmed alarms is the
mean over that distribution of the chance that a window and enough of those before it lie above, times the
windows of a year. The chance is that of a Markov chain whose persistence comes from the serial correlation of
neighbouring windows of the history through a Gaussian copula; p to the power of k would be wrong twice: the
threshold is the same for all windows, so E[p²] is up to twice E[p]², and slow series stay where they are.

What was found by simulation, at 12 windows of 100 rows, 12 columns and 4 alarms a year with 2 of 2 windows to
confirm (150 histories of each kind; AR(1) with the given correlation of neighbouring rows):

    correlation                          0       0.9     0.97     0.99
    alarms, 52 windows a year            0.4     0.9     1.2      2.3    (few, as no more than a tenth of single
                                                                          windows may lie above)
    alarms, 8,760 windows a year         0       0       12 ± 9   66 ± 42   (extrapolated, see `budget.reach`)

The last two hold no budget: with a memory as long as a window, twelve windows know nothing about one in a
thousand; `supported_rate`, about 100 there, is the honest figure. At 100 windows of 60 rows all of them do.
Without the floor from scattered windows the threshold on independent rows is half as high again (4.9 in place
of 3.2 spreads, 20 columns, 10 windows); scaling scattered spreads by how much larger contiguous effects are,
in place of estimating them, lets 25 % of windows through at 0.99 where 9 % are due. Statistics that take part
in their own centre and spread would lie too low.

Sources:
    Smirnov (1948), Table for estimating the goodness of fit of empirical distributions, Ann. Math. Stat. 19.
    Westfall, Young (1993), Resampling-Based Multiple Testing, chapter 2 (the max statistic).
    Barber, Candès, Ramdas, Tibshirani (2021), Predictive inference with the jackknife+, Ann. Stat. 49.
    Vovk, Gammerman, Shafer (2005), Algorithmic Learning in a Random World.
    Lahiri (2003), Resampling Methods for Dependent Data, chapter 2 (blocks keep dependence).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.monitor.budget import Budget, Persistence, choose_rank, reach
from tasks.monitor.stillness import Still

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Centre and spread of every column, and the threshold of the largest z."""

    centres: Floats
    """[J]"""
    spreads: Floats
    """[J], above 0."""
    threshold: float
    windows: int
    """Windows of the history, M."""
    rows: int
    """Rows of each."""
    supported_rate: float
    """Fewest confirmed alarms per year that the history can vouch for: those of the largest of its statistics."""
    extrapolated: bool
    """The budget is below that rate; the threshold lies above every statistic of the history."""


def calibrate(columns: Sequence[Still], rows: int, budget: Budget) -> Calibration:
    """Threshold of the largest z over `columns`, for windows of `rows` rows; at least one column has an effect."""
    effects = np.stack([column.contiguous for column in columns], axis=1)
    effects = effects[~np.isnan(effects).all(axis=1)]
    centre, spread = _scattered_moments(columns, rows)
    centres, spreads = _moments(effects)
    others_centre, others_spread = _moments_without_each(effects)
    scores = (effects - np.maximum(others_centre, centre)) / np.maximum(others_spread, spread)
    statistics = np.sort(np.nanmax(scores, axis=1))[::-1]
    persistence = Persistence.of([column.serial for column in columns])
    rank, supported = choose_rank(len(statistics), persistence, budget)
    threshold = max(float(statistics[rank - 1]), 0.0)
    extrapolated = supported > budget.alarms
    if extrapolated:
        threshold = max(threshold, 1.0) * reach(persistence, budget, supported)
    return Calibration(
        centres=np.maximum(centres, centre),
        spreads=np.maximum(spreads, spread),
        threshold=threshold,
        windows=len(statistics),
        rows=rows,
        supported_rate=supported,
        extrapolated=extrapolated,
    )


def _scattered_moments(columns: Sequence[Still], rows: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation [J] over scattered windows, the latter at least one row's worth.

    One row's worth, so that a column that never varied needs more than a single new value to stand out.
    """
    means = np.array([column.scattered.mean() for column in columns])
    spreads = np.array([column.scattered.std(ddof=min(len(column.scattered) - 1, 1)) for column in columns])
    return means, np.maximum(spreads, 1 / rows)


def _moments(effects: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation [J] over the windows [M, J] in which a column has an effect."""
    count = (~np.isnan(effects)).sum(axis=0)
    mean = np.nansum(effects, axis=0) / np.maximum(count, 1)
    spread = np.sqrt(np.nansum((effects - mean) ** 2, axis=0) / np.maximum(count - 1, 1))
    return mean, spread


def _moments_without_each(effects: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation [M, J] over all windows but the one of the row."""
    known = ~np.isnan(effects)
    values = np.where(known, effects, 0.0)
    count = np.maximum(known.sum(axis=0) - known, 1)
    mean = (values.sum(axis=0) - values) / count
    square = ((values**2).sum(axis=0) - values**2) / count
    variance = np.maximum(square - mean**2, 0.0) * count / np.maximum(count - 1, 1)
    return mean, np.sqrt(variance)
