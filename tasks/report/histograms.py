"""Histograms and bars: how the values of one column are spread."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.report.numbers import show
from tasks.report.svg import COLOURS, Plot, drawable, widened

MOST_BINS = 30
"""Bars of one histogram at most."""


def histogram(values: np.ndarray, name: str, size: tuple[int, int] = (300, 180)) -> str:
    """Rows per interval of one numeric column; values that are not finite are left out.

    A column of few whole numbers gets one bar per number; else the bins are numpy's `auto`, 30 at most.
    """
    finite = drawable(values)
    counts, edges, whole = _bins(finite)
    plot = Plot((edges[0], edges[-1]), (0, max(int(counts.max(initial=0)), 1)), size=size, top=8, right=8)
    plot.axes(name, x_ticks=4, y_ticks=3)
    for rows, low, high in zip(counts, edges[:-1], edges[1:], strict=True):
        if rows:
            place = show(int(low + 0.5)) if whole else f"{show(float(low))} to {show(float(high))}"
            gap = (high - low) * 0.04
            plot.bar((low + gap, high - gap), (0, rows), COLOURS[0], f"{place}: {rows:,} rows", 0.85)
    return plot.svg()


def bars(names: Sequence[str], values: Sequence[float], x_label: str, *, shares: bool = False, width: int = 640) -> str:
    """Horizontal bars with their value beside them, in the order given; `shares` are in [0, 1]."""
    left = 30 + int(min(max((len(name) for name in names), default=0), 28) * 6.4)
    high = 1.0 if shares else max([*values, 1e-12])
    size = (width, 46 + 22 * max(len(names), 1))
    plot = Plot((0, high), (len(names), 0), size=size, left=left, right=84, top=4)
    plot.axes(x_label, y_ticks=())
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        text = f"{100 * value:.1f} %" if shares else show(value)
        plot.bar((0, value), (row + 0.16, row + 0.84), COLOURS[0], f"{name}: {text}", 0.85)
        plot.text(left - 7, plot.y(row + 0.5) + 4, name, anchor="end", most=28)
        plot.text(plot.x(value) + 6, plot.y(row + 0.5) + 4, text, soft=True)
    return plot.svg()


def _bins(finite: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Counts, edges, and whether each bin is one whole number."""
    if not finite.size:
        return np.zeros(1, dtype=np.int64), np.array([0.0, 1.0]), False
    low, high = float(finite.min()), float(finite.max())
    # Beyond 2^53 half a number more is the same number, and a bar would have no width.
    exact = max(abs(low), abs(high)) < 2**53
    if exact and high - low < MOST_BINS and bool((finite == np.round(finite)).all()):
        edges = np.arange(low - 0.5, high + 1.0)
        return np.histogram(finite, edges)[0], edges, True
    if (high - low) / MOST_BINS <= 4 * np.spacing(max(abs(low), abs(high))):
        # One value, or so nearly one that floats cannot tell the edges between them apart.
        low, high = (low, low) if low == high else (low - 0.05 * abs(low), high + 0.05 * abs(high))
        edges = np.array(widened(low, high))
        return np.array([finite.size]), edges, False
    edges = np.histogram_bin_edges(finite[:: max(1, finite.size // 50_000)], "sturges", range=(low, high))
    bins = min(MOST_BINS, max(len(edges) - 1, int(np.sqrt(finite.size))))
    counts, edges = np.histogram(finite, bins, range=(low, high))
    return counts, edges, False
