"""The page of a dataset: what each column holds, how columns hang together, and what follows from it.

It shows aggregates of rows, except for the dots of scatter and box plots and for sample images; a
category is named only where at least five rows have it. The page says so, and stays in the home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized

import numpy as np

from tasks.explore.calendars import date_figures
from tasks.explore.columns import Numbers, Table, categories
from tasks.explore.relations import REDUNDANT, Relations, correlation
from tasks.explore.samples import image_figures
from tasks.explore.sequences import series_figures, text_figures
from tasks.explore.words import MOST_ROWS as MOST_SEQUENCES
from tasks.explore.words import Told
from tasks.report.boxes import boxes
from tasks.report.heatmaps import correlations
from tasks.report.histograms import bars, histogram
from tasks.report.numbers import count, percent
from tasks.report.page import Figure, Page
from tasks.report.scatter import scatter
from tasks.report.svg import MOST_POINTS, thin

MOST_COLUMNS = 30
"""Numeric columns drawn: those most related to the target."""
MOST_ROWS = 100_000
"""Rows that histograms, boxes and images are drawn from; counts and tables use all."""
FEW_ROWS = 5
"""A category with fewer rows is not named: it could tell who somebody is."""


def dataset_page(
    name: str,
    version: str,
    table: Table,
    described: Mapping[str, Numbers],
    relations: Relations,
    told: Mapping[str, Told],
    found: Sequence[str],
) -> Page:
    """Draw a whole dataset; `told` is of its texts, `found` are its findings in words."""
    page = Page(f"{name}: the data", f"Dataset version {version}")
    _summary(page, table, relations, found)
    if not table.rows:
        return page
    if table.target_name:
        _target(page, table)
    shown = strongest(table, relations)
    if table.images:
        page.heading("Images")
        for image, pixels in table.images.items():
            image_figures(page, image, pixels, table)
    if table.texts:
        text_figures(page, table, told)
    if table.series:
        series_figures(page, table)
    if shown:
        _distributions(page, table, shown)
        _with_target(page, table, relations, shown)
        _together(page, table, relations, shown)
    if table.categorical:
        _categories(page, table)
    if table.dates:
        date_figures(page, table.dates, relations.with_target)
    if described:
        _columns(page, table, described, relations)
    return page


def strongest(table: Table, relations: Relations) -> list[str]:
    """Names of the numeric features most related to the target, 30 at most, those without a value last."""
    known = {name: relations.with_target.get(name, np.nan) for name in table.numeric}
    strength = {name: abs(value) if np.isfinite(value) else -1.0 for name, value in known.items()}
    return sorted(table.numeric, key=lambda name: (-strength[name], name))[:MOST_COLUMNS]


def _summary(page: Page, table: Table, relations: Relations, found: Sequence[str]) -> None:
    columns: dict[str, Sized] = {
        "numeric": table.numeric,
        "categorical": table.categorical,
        "datetime": table.dates,
        "image": table.images,
        "text": table.texts,
        "series": table.series,
    }
    kinds = [f"{len(of)} {kind}" for kind, of in columns.items() if of]
    page.numbers(
        [
            ("rows", table.rows, count(table.batches, "batch", "batches")),
            *(
                [("labelled rows", int(table.labelled.sum()), f"target: {table.target_name}")]
                if table.target_name
                else []
            ),
            ("features", sum(map(len, columns.values())), ", ".join(kinds)),
            ("dropped columns", len(table.dropped), "stored, never given to the model"),
        ]
    )
    page.heading("What follows").points(found)
    page.note(
        "This page shows aggregates of rows, except for dots in scatter and box plots and for sample images: keep it "
        f"where the data may be kept. Categories and words with fewer than {FEW_ROWS} rows are not named."
    )
    limits = _limits(table, relations)
    if limits:
        page.note(f"Limits of this page: {'; '.join(limits)}. All counts are of all rows.")


def _limits(table: Table, relations: Relations) -> list[str]:
    columns = len(table.numeric)
    limits = []
    if columns > MOST_COLUMNS:
        which = "most related to the target " if table.target_name else ""
        limits.append(f"the {MOST_COLUMNS} of {columns:,} numeric columns {which}are drawn")
    if columns > len(relations.names):
        limits.append(f"only the first {len(relations.names):,} numeric columns are compared with each other")
    if columns and relations.rows < table.rows:
        limits.append(f"columns are compared with each other on {relations.rows:,} rows, evenly picked")
    if table.rows > MOST_POINTS:
        limits.append(f"scatter plots show {MOST_POINTS:,} of {table.rows:,} rows, evenly picked")
    if (table.texts or table.series) and table.rows > MOST_SEQUENCES:
        limits.append(f"texts and series are drawn from {MOST_SEQUENCES:,} rows, evenly picked")
    if table.rows > MOST_ROWS:
        limits.append(f"histograms, boxes and images are drawn from {MOST_ROWS:,} rows, evenly picked")
    return limits


def _target(page: Page, table: Table) -> None:
    page.heading(f"The target: {table.target_name}")
    known = table.target[table.labelled]
    if not known.size:
        page.text("No row is labelled.")
    elif table.classes:
        counts = np.bincount(known.astype(int), minlength=len(table.classes))
        order = range(len(table.classes)) if len(table.classes) <= 40 else np.argsort(-counts, kind="stable")[:40]
        if len(table.classes) > 40:
            page.note(f"The 40 largest of {len(table.classes):,} classes are drawn.")
        names, rows = [table.classes[place] for place in order], [int(counts[place]) for place in order]
        page.figure(bars(names, rows, "labelled rows"), "Class balance", f"Rows of each class of {table.target_name}")
    else:
        words = f"Histogram of {table.target_name}"
        page.figure(histogram(known[thin(len(known), MOST_ROWS)], table.target_name, (560, 240)), "", words)


def _distributions(page: Page, table: Table, shown: Sequence[str]) -> None:
    kept = thin(table.rows, MOST_ROWS)
    order = ", the most related to the target first" if table.target_name else ""
    page.heading("Distributions").text(f"Rows per interval of each numeric feature{order}.")
    page.gallery(Figure(histogram(table.numeric[name][kept], name), alt=f"Histogram of {name}") for name in shown)
    page.heading("Box plots", 3)
    scaled = {}
    for name in shown:
        values = table.numeric[name][kept]
        deviation = np.nanstd(values) if np.isfinite(values).any() else 0.0
        scaled[name] = (values - np.nanmean(values)) / deviation if deviation > 0 else np.zeros(0)
    caption = "Each feature in standard deviations from its mean; dots lie beyond 1.5 quartile distances."
    page.figure(boxes(scaled, "standard deviations from the mean"), caption, "Box plots of the numeric features")


def _with_target(page: Page, table: Table, relations: Relations, shown: Sequence[str]) -> None:
    best = [name for name in shown if np.isfinite(relations.with_target.get(name, np.nan))][:6]
    if not best:
        return
    page.heading("Features and the target")
    if not table.classes:
        page.text("The features most related to the target, each with its correlation.")
        page.gallery((_against_target(table, relations, name) for name in best), 430)
        return
    page.text("The features most related to the target, by class: boxes that overlap little tell classes apart.")
    page.gallery((_by_class(table, name) for name in best), 430)
    if len(best) > 1:
        left, right = best[0], _second(table, best)
        rows = np.flatnonzero(table.labelled)[thin(int(table.labelled.sum()))]
        groups = np.array([table.classes[int(code)] for code in table.target[rows]], dtype=object)
        picture = scatter(
            table.numeric[left][rows], table.numeric[right][rows], left, right, groups=groups, size=(620, 420)
        )
        caption = f"{left} and {right}, coloured by class: two of the strongest features that repeat each other least."
        page.figure(picture, caption, f"Scatter plot of {left} and {right} by class")


def _against_target(table: Table, relations: Relations, name: str) -> Figure:
    picture = scatter(table.numeric[name], table.target, name, table.target_name)
    return Figure(picture, f"r = {relations.with_target[name]:.2f}", f"Scatter plot of {name} and {table.target_name}")


def _by_class(table: Table, name: str) -> Figure:
    kept = thin(table.rows, MOST_ROWS)
    values, target = table.numeric[name][kept], table.target[kept]
    groups = {label: values[target == code] for code, label in enumerate(table.classes[:12])}
    more = f"The first 12 of {len(table.classes):,} classes." if len(table.classes) > 12 else ""
    return Figure(boxes(groups, name, width=430, coloured=True), more, f"Box plots of {name} by {table.target_name}")


def _second(table: Table, best: Sequence[str]) -> str:
    """The strong feature that repeats the strongest one least."""
    matrix = np.abs(np.nan_to_num(correlation(np.column_stack([table.numeric[name] for name in best]))[0, 1:]))
    return best[1 + int(matrix.argmin())]


def _together(page: Page, table: Table, relations: Relations, shown: Sequence[str]) -> None:
    page.heading("Correlations")
    order = [name for name in relations.names if name in set(shown)]
    place = [relations.names.index(name) for name in order]
    matrix = relations.matrix[np.ix_(place, place)]
    if table.target_name:
        strengths = np.array([relations.with_target[name] for name in order])
        itself = np.array([1.0 if table.labelled.any() else np.nan])
        matrix = np.block([[matrix, strengths[:, None]], [strengths[None, :], itself[None, :]]])
        order.append(table.target_name)
    meaning = (
        "" if relations.signed else " For more than two classes the target's line holds correlation ratios, 0 to 1."
    )
    caption = f"Pearson's correlations over {relations.rows:,} rows; blue is positive, orange negative.{meaning}"
    beside = " and the target" if table.target_name else ""
    page.figure(correlations(matrix, order), caption, f"Correlations of the features{beside}")
    page.heading("Redundant pairs", 3)
    if not relations.pairs:
        page.text(f"No two numeric features are correlated beyond ±{REDUNDANT}.")
        return
    page.table(["feature", "repeats", "r"], relations.pairs, f"Pairs with |r| above {REDUNDANT}", limit=40)


def _categories(page: Page, table: Table) -> None:
    page.heading("Categories")
    figures = []
    for name, texts in list(table.categorical.items())[:MOST_COLUMNS]:
        found, missing = categories(texts)
        named = [(label, rows) for label, rows in found[:10] if rows >= FEW_ROWS]
        rest = sum(rows for _, rows in found) - sum(rows for _, rows in named)
        entries = [*named, *([("all others", rest)] if rest else []), *([("missing", missing)] if missing else [])]
        picture = bars([label for label, _ in entries], [rows for _, rows in entries], f"rows by {name}", width=520)
        figures.append(Figure(picture, f"{name}: {count(len(found), 'category', 'categories')}", f"Rows by {name}"))
    page.gallery(figures, 430)
    if len(table.categorical) > MOST_COLUMNS:
        page.note(f"The first {MOST_COLUMNS} of {len(table.categorical):,} categorical features are drawn.")


def _columns(page: Page, table: Table, described: Mapping[str, Numbers], relations: Relations) -> None:
    page.heading("All columns")
    gaps = {name: numbers.missing / table.rows for name, numbers in described.items()}
    gaps |= {name: categories(texts)[1] / table.rows for name, texts in table.categorical.items()}
    gaps |= {name: dates.missing / table.rows for name, dates in table.dates.items()}
    worst = sorted((name for name in gaps if gaps[name] > 0), key=lambda name: (-gaps[name], name))[:MOST_COLUMNS]
    if worst:
        picture = bars(worst, [gaps[name] for name in worst], "share of rows without a value", shares=True)
        page.figure(picture, f"Missing values in {len(worst)} columns", "Share of missing values by column")
    else:
        page.text("No value is missing in any column.")
    rows = [
        (
            name,
            percent(numbers.missing / table.rows),
            *(numbers.distinct, numbers.low, numbers.median, numbers.high, numbers.mean, numbers.deviation),
            *(numbers.skewness, numbers.outliers),
            *([relations.with_target.get(name)] if table.target_name else []),
        )
        for name, numbers in described.items()
    ]
    heads = [
        *("column", "missing", "distinct", "min", "median", "max", "mean", "deviation", "skewness", "outliers"),
        *(["target"] if table.target_name else []),
    ]
    last = "; the last one is the strength of the relation with the target" if table.target_name else ""
    page.table(heads, rows, f"Numeric columns{last}", limit=500)
