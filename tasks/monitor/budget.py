"""How many confirmed alarms a year a threshold makes: from the share of windows above it to alarms, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import beta, norm

Floats = NDArray[np.float64]

LARGEST_SHARE = 0.1
"""No-drift windows above the threshold at most, however many alarms are allowed: people read single verdicts too."""
MOST_CORRELATED = 0.95
"""Serial correlations are cut off here; beyond it, a window says what the one before said."""
LARGEST_VOUCHED = 0.2
"""Kolmogorov's quantile has to lie above its centre for a ratio to mean something."""


@dataclass(frozen=True)
class Budget:
    """False alarms that are allowed."""

    alarms: float
    """Confirmed alarms per year."""
    windows: float
    """Windows per year."""
    confirm: int
    """Windows that must lie above the threshold, the newest among them, …"""
    of: int
    """… of so many newest ones."""


@dataclass(frozen=True)
class Persistence:
    """How likely a window above the threshold is followed by another, as a mean over columns."""

    serial: Floats
    """[K] distinct serial correlations, rounded."""
    weights: Floats
    """[K] shares of the columns."""

    @classmethod
    def of(cls, serial: Sequence[float]) -> Persistence:
        """From one serial correlation per column; negative ones count as none."""
        rounded = np.clip(np.round(np.array(serial) * 40) / 40, 0, MOST_CORRELATED)
        found, counts = np.unique(rounded, return_counts=True)
        return cls(found, counts / counts.sum())

    def after(self, share: Floats) -> Floats:
        """P(next window above | this one above) [P], where `share` [P] of all windows lie above.

        Departures of neighbouring windows are two normal values with the serial correlation; above means
        that the absolute value is. Integrated by Gauss-Legendre over the tail of the first.
        """
        nodes, weights = np.polynomial.legendre.leggauss(24)
        bound = norm.isf(share / 2)[None, :, None]
        first = norm.isf(share[None, :, None] / 2 * (nodes + 1) / 2)
        rho = self.serial[:, None, None]
        width = np.sqrt(1 - rho**2)
        inside = norm.sf((bound - rho * first) / width) + norm.cdf((-bound - rho * first) / width)
        found: Floats = self.weights @ (inside @ (weights / 2))
        return found


def alarm_share(share: Floats, after: Floats, confirm: int, of: int) -> Floats:
    """Share [P] of windows that confirm an alarm: above, as are `confirm` of the `of` newest, themselves among them.

    `share` [P] of all windows lie above, and `after` [P] of those that follow one that does: a Markov chain,
    read backwards from the newest window.
    """
    rise = share * (1 - after) / np.maximum(1 - share, 1e-12)
    states = {(1, 1): share}
    for _ in range(of - 1):
        following: dict[tuple[int, int], Floats] = {}
        for (above, seen), weight in states.items():
            up = after if above else rise
            for state, part in (((1, min(seen + 1, confirm)), up), ((0, seen), 1 - up)):
                following[state] = following.get(state, 0.0) + weight * part
        states = following
    return np.asarray(sum(weight for (_, seen), weight in states.items() if seen >= confirm), np.float64)


def expected_alarms(rank: int, windows: int, persistence: Persistence, budget: Budget) -> float:
    """Confirmed alarms per year at the `rank`-th largest of `windows` statistics, over all histories."""
    share = beta.ppf((np.arange(64) + 0.5) / 64, rank, windows + 1 - rank)
    return float(alarm_share(share, persistence.after(share), budget.confirm, budget.of).mean() * budget.windows)


def choose_rank(windows: int, persistence: Persistence, budget: Budget) -> tuple[int, float]:
    """The largest rank within the budget (1 where none is), and the alarms per year of rank 1."""
    supported = expected_alarms(1, windows, persistence, budget)
    low, high = 1, max(int(LARGEST_SHARE * (windows + 1)), 1)
    while low < high:
        middle = (low + high + 1) // 2
        if expected_alarms(middle, windows, persistence, budget) <= budget.alarms:
            low = middle
        else:
            high = middle - 1
    return low, supported


def reach(persistence: Persistence, budget: Budget, supported: float) -> float:
    """By what the largest statistic is multiplied (at least 1) where it alone makes `supported` alarms a year.

    It is the way of Kolmogorov's law, in spreads above its centre, from the share of windows behind the supported
    alarms to that behind the budget. Statistics whose spread was estimated from few windows have a heavier
    tail; multiplying keeps the budget there too, where adding the same way does not (simulated at 12 windows,
    20 columns, AR(1) with 0.9, 8,760 windows a year and 4 alarms: 0 alarms instead of 14).
    """
    wanted = _share_of(budget.alarms, persistence, budget)
    vouched = min(_share_of(supported, persistence, budget), LARGEST_VOUCHED)
    return max(_kolmogorov(wanted) / _kolmogorov(vouched), 1.0)


def _share_of(alarms: float, persistence: Persistence, budget: Budget) -> float:
    """Share of windows above a threshold that makes so many alarms a year."""

    def excess(logarithm: float) -> float:
        share = np.array([math.exp(logarithm)])
        found = alarm_share(share, persistence.after(share), budget.confirm, budget.of)
        return float(found[0]) * budget.windows / alarms - 1

    low, high = math.log(1e-12), math.log(0.5)
    if excess(high) < 0:
        return 0.5
    return math.exp(brentq(excess, low, high)) if excess(low) < 0 else math.exp(low)


def _kolmogorov(share: float) -> float:
    """Upper quantile of Kolmogorov's law (first term of its series), in spreads above its centre."""
    return (math.sqrt(math.log(2 / share) / 2) - 0.8687) / 0.2603
