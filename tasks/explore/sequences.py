"""Pictures of texts, by their lengths and their words, and of series, by the middle of each step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tasks.explore.columns import Table, words
from tasks.explore.words import FEW_ROWS, MOST_CLASSES, MOST_ROWS, Told
from tasks.report.boxes import boxes
from tasks.report.curves import Line, curves
from tasks.report.histograms import bars, histogram
from tasks.report.numbers import percent
from tasks.report.page import Figure, Page
from tasks.report.svg import thin

FEW_VALUES = 5
"""Steps that fewer rows have are not drawn: a middle of so few could tell what somebody's value is."""


def text_figures(page: Page, table: Table, told: Mapping[str, Told]) -> None:
    """Add how long the texts are and which words they have, by class where there are classes; no text is shown."""
    page.heading("Texts").text(
        f"Rows by the number of words; no text is shown, and no word of fewer than {FEW_ROWS} rows."
    )
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
        page.gallery(_word_figures(name, told[name], table.target_name), 430)
        page.table(
            ["rows", "texts", "tokens", "unknown", "longer than max_length"],
            [
                (which, part.rows, part.tokens, _share(part.unknown, part.tokens), _share(part.longer, part.rows))
                for which, part in (("training", told[name].training), ("held out", told[name].held_out))
            ],
            f"The {told[name].known:,} tokens of {name} that the training rows teach, and what is none of them",
        )


def _word_figures(name: str, told: Told, target: str) -> list[Figure]:
    """Bars of the most frequent words, and for each class of those it has more often than the others."""
    drawn = [("Most frequent words", f"share of the texts in {name} with the word", told.frequent)]
    drawn += [
        (f"{label}: words its texts have more often than others", f"share of the texts of {target} {label}", words)
        for label, words in told.telling.items()
    ]
    return [
        Figure(
            bars([word for word, _ in words], [share for _, share in words], axis, shares=True, width=430),
            caption,
            f"{caption} in {name}",
        )
        for caption, axis, words in drawn
        if words
    ]


def _share(part: int, whole: int) -> str:
    return percent(part / whole) if whole else "–"


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
    steps = np.flatnonzero(np.isfinite(rows).sum(axis=0) >= FEW_VALUES)
    return [Line(label, steps, np.nanquantile(rows[:, steps], part, axis=0))] if len(steps) else []
