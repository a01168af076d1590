"""What windows of the history look like although nothing changed: contiguous ones, and scattered ones beside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.monitor.effects import Codes, Reference

Floats = NDArray[np.float64]

FEWEST_WINDOWS = 12
"""Windows the history is cut into at least; they are smaller than the judged one where it is large.

With twelve, the largest of their statistics holds four alarms a year at weekly windows even if a window that
lies above it is always followed by one that does.
"""
MOST_WINDOWS = 500
"""Windows at most, spread evenly over a longer history."""
SMALLEST_WINDOW = 10
"""Rows of a window of the history at least."""
SCATTERED = 60
"""Scattered windows at least."""
CUTS = 8
"""Values at which neighbouring windows are compared for their serial correlation."""


@dataclass(frozen=True)
class Still:
    """What one column does in windows of the history."""

    contiguous: Floats
    """[M] effects, one per window; NaN where the column has too few rows in it."""
    scattered: Floats
    """[S] effects of windows of rows drawn from everywhere."""
    serial: float
    """Correlation of a window's departure from the history with that of the next window."""


def window_rows(history: int, window: int) -> int:
    """Rows of the windows of a history of so many rows, for a window to be judged; 0 where it is too short."""
    rows = min(window, history // FEWEST_WINDOWS)
    return rows if rows >= SMALLEST_WINDOW else 0


def window_starts(history: int, rows: int) -> NDArray[np.int64]:
    """First rows [M] of disjoint windows that end with the newest row, oldest first."""
    count = history // rows
    picked = np.unique(np.linspace(0, count - 1, min(count, MOST_WINDOWS)).round().astype(np.int64))
    return history - rows * (count - picked)


def still(reference: Reference, codes: Codes, known: NDArray[np.bool_], starts: NDArray[np.int64], rows: int) -> Still:
    """Effects of the windows of the history itself, each against the rest of it.

    Args:
        reference: of the known rows.
        codes: [N] of all rows of the history in order; what stands where a row is not known is not looked at.
        known: [N] rows that count. Windows of less than `SMALLEST_WINDOW` known rows have no effect (NaN).
        starts: [M] of the windows.
        rows: of each window.
    """
    if known.all():
        windows = codes[starts[:, None] + np.arange(rows)]
        found = reference.effects(windows) * len(codes) / (len(codes) - rows)
        return Still(found, _scattered(reference, codes, rows), _serial(windows, codes))
    parts = [codes[start : start + rows][known[start : start + rows]] for start in starts]
    total, sizes = int(known.sum()), np.array([len(part) for part in parts])
    enough = (sizes >= SMALLEST_WINDOW) & (sizes < total)
    found = np.full(len(parts), np.nan)
    for place in np.flatnonzero(enough):
        found[place] = reference.effects(parts[place][None, :])[0] * total / (total - sizes[place])
    if not enough.any():
        return Still(found, np.zeros(1), 0.0)
    usual = min(int(np.median(sizes[enough])), total // 2)
    alike = np.stack([np.resize(parts[place], rows) for place in np.flatnonzero(enough)])
    return Still(found, _scattered(reference, codes[known], usual), _serial(alike, codes[known]))


def _scattered(reference: Reference, codes: Codes, rows: int) -> Floats:
    """Effects of at least `SCATTERED` windows of `rows` rows, the history being shuffled and cut again and again."""
    random, total, found = np.random.default_rng(0), len(codes), []
    count = min(total // rows, MOST_WINDOWS)
    for _ in range(-(-SCATTERED // count)):
        shuffled = codes[random.permutation(total)[: count * rows]]
        found.append(reference.effects(shuffled.reshape(count, rows)))
    return np.concatenate(found) * total / (total - rows)


def _serial(windows: Codes, codes: Codes) -> float:
    """Correlation between the departures of neighbouring `windows` [M, n], without the bias of M windows.

    A departure is the difference of the distribution function from that of all windows at `CUTS` values.
    """
    count = len(windows)
    if count < 3:
        return 0.0
    ordered = np.sort(codes)
    cuts = ordered[((np.arange(CUTS) + 0.5) / CUTS * len(ordered)).astype(np.int64)]
    departures = np.stack([(windows <= cut).mean(axis=1) for cut in cuts], axis=1)
    departures -= departures.mean(axis=0)
    total = float((departures**2).sum())
    if total == 0:
        return 0.0
    found = float((departures[1:] * departures[:-1]).sum()) / total * count / (count - 1)
    return found + 1 / (count - 1)
