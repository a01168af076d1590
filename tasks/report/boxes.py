"""Box plots: quartiles, reach and outliers of several groups side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tasks.report.numbers import show
from tasks.report.svg import COLOURS, Plot, drawable, extent, r, thin

MOST_OUTLIERS = 100
"""Outliers drawn per box at most."""


def boxes(groups: Mapping[str, np.ndarray], x_label: str, *, width: int = 640, coloured: bool = False) -> str:
    """One horizontal box per group: median, quartiles, whiskers to the last row within 1.5 quartile distances.

    Rows beyond the whiskers are dots (Tukey, 1977), at most 100 per box, evenly picked. Values that are not
    finite are left out; a group without any is an empty line.
    """
    finite = {str(name): drawable(values) for name, values in groups.items()}
    left = 30 + int(min(max((len(name) for name in finite), default=0), 26) * 6.4)
    size = (width, 46 + 24 * max(len(finite), 1))
    plot = Plot(extent(*finite.values()), (len(finite), 0), size=size, left=left, top=4)
    plot.axes(x_label, y_ticks=())
    for row, (name, values) in enumerate(finite.items()):
        plot.text(left - 7, plot.y(row + 0.5) + 4, name, anchor="end", most=26)
        if values.size:
            _box(plot, row, name, values, COLOURS[row % len(COLOURS)] if coloured else COLOURS[0])
    return plot.svg()


def fences(values: np.ndarray) -> tuple[float, float]:
    """Tukey's fences: quartiles ∓ 1.5 times their distance, of finite `values` [N], N ≥ 1."""
    low, high = np.quantile(values, (0.25, 0.75))
    return float(low - 1.5 * (high - low)), float(high + 1.5 * (high - low))


def _box(plot: Plot, row: int, name: str, values: np.ndarray, colour: str) -> None:
    first, middle, third = (float(number) for number in np.quantile(values, (0.25, 0.5, 0.75)))
    low, high = fences(values)
    inside = values[(values >= low) & (values <= high)]
    ends = (float(inside.min()), float(inside.max())) if inside.size else (first, third)
    centre = row + 0.5
    outside = np.sort(values[(values < low) | (values > high)])
    outside = outside[thin(len(outside), MOST_OUTLIERS)]
    plot.points(outside, np.full(len(outside), centre), colour, size=4, shade=0.35)
    plot.line((ends[0], first), (centre, centre), colour, wide=1.5)
    plot.line((third, ends[1]), (centre, centre), colour, wide=1.5)
    words = f"{name}: median {show(middle)}, quartiles {show(first)} and {show(third)}"
    plot.bar((first, third), (row + 0.2, row + 0.8), colour, words, 0.45)
    plot.line((middle, middle), (row + 0.2, row + 0.8), "var(--ink)", title=f"median {r(middle, 4)}")
