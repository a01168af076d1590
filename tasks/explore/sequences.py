"""Pictures of texts, by their lengths, and of series, by the middle of each step."""

from __future__ import annotations

import numpy as np

from tasks.explore.columns import Table, words
from tasks.report.boxes import boxes
from tasks.report.curves import Line, curves
from tasks.report.histograms import histogram
from tasks.report.page import Figure, Page
from tasks.report.svg import thin

MOST_ROWS = 20_000
"""Rows that pictures are drawn from, evenly picked."""
MOST_CLASSES = 12
FEW_ROWS = 5
"""Steps that fewer rows have are not drawn: a middle of so few could tell what somebody's value is."""


def text_figures(page: Page, table: Table) -> None:
    """Add how long the texts are, by class where there are classes; no text and no word is shown."""
    page.heading("Texts").text("Rows by the number of words; no text is shown.")
    kept = thin(table.rows, MOST_ROWS)
    for name, texts in table.texts.items():
        lengths = words(texts[kept])
        figures = [Figure(histogram(lengths, f"words in {name}"), alt=f"Histogram of the number of words in {name}")]
        if table.classes:
            target = table.target[kept]
            groups = {label: lengths[target == code] for code, label in enumerate(table.classes[:MOST_CLASSES])}
            alt = f"Box plots of the number of words in {name} by {table.target_name}"
            figures.append(Figure(boxes(groups, f"words in {name}", width=430, coloured=True), alt=alt))
        page.gallery(figures, 430)


def series_figures(page: Page, table: Table) -> None:
    """Add the median of each step, by class where there are classes, else with the quartiles."""
    page.heading("Series").text("The middle of each step over the rows that have it.")
    kept = thin(table.rows, MOST_ROWS)
    figures = []
    for name, values in table.series.items():
        picked, target = values[kept], table.target[kept]
        parts = (
            [(label, picked[target == code], 0.5) for code, label in enumerate(table.classes[:MOST_CLASSES])]
            if table.classes
            else [(label, picked, part) for label, part in (("quarter", 0.25), ("median", 0.5), ("3 quarters", 0.75))]
        )
        lines = [line for label, rows, part in parts for line in _line(label, rows, part)]
        if lines:
            figures.append(Figure(curves(lines, "step", name), alt=f"The middle of each step of {name}"))
    page.gallery(figures, 480)


def _line(label: str, rows: np.ndarray, part: float) -> list[Line]:
    """The quantile of each step that enough of the rows [N, L] have; no line where no step has."""
    steps = np.flatnonzero(np.isfinite(rows).sum(axis=0) >= FEW_ROWS)
    return [Line(label, steps, np.nanquantile(rows[:, steps], part, axis=0))] if len(steps) else []
