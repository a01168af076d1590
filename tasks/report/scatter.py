"""Scatter plots: one point a row, thinned evenly where there are many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.report.svg import COLOURS, MOST_POINTS, Plot, extent, thin


def scatter(
    x: np.ndarray,
    y: np.ndarray,
    x_label: str,
    y_label: str,
    *,
    groups: Sequence[str] | np.ndarray | None = None,
    diagonal: bool = False,
    level: float | None = None,
    size: tuple[int, int] = (430, 330),
) -> str:
    """Points (x, y), float [N] each, coloured by group; at most 2,000 of them, evenly picked.

    `diagonal` draws the line where both are equal, `level` a horizontal line. Up to ten groups (by
    name) get a colour and a place in the legend; the rest share grey as "other".
    """
    kept = thin(len(x), MOST_POINTS)
    across, up = np.asarray(x, dtype=np.float64)[kept], np.asarray(y, dtype=np.float64)[kept]
    square = extent(across, up)
    x_range = square if diagonal else extent(across)
    y_range = square if diagonal else extent(up, *([] if level is None else [[level]]))
    labels = np.full(len(x), "") if groups is None else np.array([str(group) for group in groups], dtype=object)
    names, members = _grouped(labels[kept], sorted(set(labels.tolist())))
    plot = Plot(x_range, y_range, size=size, legend=names if groups is not None else ())
    plot.axes(x_label, y_label)
    if diagonal:
        plot.line(square, square, "var(--soft)", dashed=True, wide=1)
    if level is not None:
        plot.line(x_range, (level, level), "var(--soft)", dashed=True, wide=1)
    for position in range(len(names)):
        mine = members == position
        plot.points(across[mine], up[mine], COLOURS[position], size=4, shade=0.5 if groups is None else 0.65)
    return plot.svg()


def _grouped(labels: np.ndarray, names: list[str]) -> tuple[list[str], np.ndarray]:
    """At most ten group names, and the number of each row's group; groups from the tenth on are one, "other"."""
    shown = names if len(names) <= len(COLOURS) else [*names[: len(COLOURS) - 1], "other"]
    place = {name: min(position, len(shown) - 1) for position, name in enumerate(names)}
    return shown, np.array([place[label] for label in labels.tolist()], dtype=np.int64)
