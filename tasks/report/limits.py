"""Bars beside their limits: how far each of several quantities is, and how far it may be."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.report.numbers import show
from tasks.report.svg import Plot


def against_limits(
    names: Sequence[str], values: Sequence[float], limits: Sequence[float], x_label: str, *, width: int = 700
) -> str:
    """Horizontal bars of `values` in [0, 1] in the order given, each with a mark at its limit.

    A bar beyond its limit has another colour and a sign beside its number; a limit above 1 has no mark.
    """
    left = 30 + int(min(max((len(name) for name in names), default=0), 28) * 6.4)
    high = min(max([*values, *(limit for limit in limits if limit <= 1), 1e-6]) * 1.05, 1.0)
    size = (width, 46 + 22 * max(len(names), 1))
    plot = Plot((0, high), (len(names), 0), size=size, left=left, right=100, top=4)
    plot.axes(x_label, y_ticks=())
    for row, (name, value, limit) in enumerate(zip(names, values, limits, strict=True)):
        beyond = value > limit
        words = f"{name}: {show(float(value))}, limit {show(float(limit))}"
        plot.bar((0, value), (row + 0.18, row + 0.82), "var(--bad)" if beyond else "var(--c0)", words, 0.85)
        if limit <= high:
            plot.line((limit, limit), (row + 0.05, row + 0.95), "var(--ink)", title=words, wide=2)
        plot.text(left - 7, plot.y(row + 0.5) + 4, name, anchor="end", most=28)
        sign = "✗ " if beyond else ""
        plot.text(plot.box[2] + 6, plot.y(row + 0.5) + 4, f"{sign}{show(float(value))}", soft=not beyond)
    return plot.svg()
