"""Curves: one or more lines over a shared axis, such as ROC, precision and recall, calibration and training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.report.svg import COLOURS, Plot, extent, thin

MOST_VERTICES = 400
"""Points of one line at most."""


@dataclass(frozen=True)
class Line:
    """A named line through points (x, y); values that are not finite break it."""

    name: str
    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    dashed: bool = False


def curves(
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    unit: bool = False,
    diagonal: bool = False,
    marker: float | None = None,
    dots: bool = False,
    size: tuple[int, int] = (460, 330),
) -> str:
    """Draw lines with a legend where there are several; lines beyond ten share the colours again.

    `unit` fixes both axes to [0, 1], `diagonal` draws y = x, `marker` a vertical line at one x, `dots` the
    points themselves. A line of more than 400 points is thinned evenly, its ends kept.
    """
    arrays = [(np.asarray(line.x, dtype=np.float64), np.asarray(line.y, dtype=np.float64)) for line in lines]
    x_range = (0.0, 1.0) if unit else extent(*(x for x, _ in arrays), pad=0.01)
    y_range = (0.0, 1.02) if unit else extent(*(y for _, y in arrays), pad=0.06)
    plot = Plot(x_range, y_range, size=size, legend=[line.name for line in lines] if len(lines) > 1 else ())
    plot.axes(x_label, y_label)
    if diagonal:
        plot.line((0, 1), (0, 1), "var(--soft)", dashed=True, wide=1)
    if marker is not None:
        plot.line((marker, marker), y_range, "var(--soft)", dashed=True, wide=1)
    for position, (line, (x, y)) in enumerate(zip(lines, arrays, strict=True)):
        kept = thin(len(x), MOST_VERTICES)
        colour = COLOURS[position % len(COLOURS)]
        plot.line(x[kept], y[kept], colour, dashed=line.dashed, title=line.name)
        if dots:
            plot.points(x[kept], y[kept], colour, size=6, shade=0.9)
    return plot.svg()
