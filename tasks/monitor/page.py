"""The page on one window: the verdict, every column beside its limit, the performance, and what it all rests on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.core.upkeep import Monitoring
from tasks.monitor.drift import Column, Drift
from tasks.monitor.performance import Performance
from tasks.report.limits import against_limits
from tasks.report.numbers import count, show
from tasks.report.page import Badge, Page

MOST_BARS = 40
"""Columns that are drawn; all of them are in the table."""


def drift_page(
    title: str,
    subtitle: str,
    drift: Drift,
    performance: Performance | None,
    monitoring: Monitoring,
    *,
    confirmed: bool,
    reason: str = "",
    details: str | None = None,
) -> Page:
    """Draw the verdict on one window.

    Args:
        title: of the page.
        subtitle: which rows were compared with what.
        drift: the verdict on the rows.
        performance: the champion's, where there are labels.
        monitoring: the recipe's section.
        confirmed: whether an alarm is due.
        reason: one sentence above all others.
        details: Evidently's report, as an address relative to the page.
    """
    page = Page(title, subtitle)
    page.numbers(_figures(drift, performance, monitoring, confirmed))
    page.heading("In words").points([sentence for sentence in (reason, drift.reason) if sentence])
    if drift.columns:
        _columns(page, drift.columns)
    page.heading("Performance")
    if performance is None:
        page.text("No row of the window has a label that the champion has not seen.")
    else:
        page.badge(_standing(performance), performance.reason)
    if drift.judged:
        page.heading("What the threshold rests on").points(_basis(drift, monitoring))
    if details is not None:
        page.heading("Evidently").text("The same rows as Evidently shows them. The verdict above does not use it.")
        page.link(details, "Evidently's report")
    return page


def _figures(
    drift: Drift, performance: Performance | None, monitoring: Monitoring, confirmed: bool
) -> list[tuple[str, Any, str]]:
    moved = [column.name for column in drift.columns if column.drifted]
    figures: list[tuple[str, Any, str]] = [
        ("drift", Badge(_state(drift, confirmed)), _rule(monitoring)),
        ("rows", drift.rows, ""),
        ("columns that moved", len(moved), f"of {len(drift.columns):,}"),
    ]
    if drift.statistic is not None and drift.threshold is not None:
        more = f"threshold {show(drift.threshold)}, in spreads of no-drift windows"
        figures.append(("largest departure", drift.statistic, more))
    if performance is not None and performance.value is not None:
        more = "expected " + ("unknown" if performance.expected is None else show(performance.expected))
        figures.append((f"live {performance.metric}", performance.value, more))
    return figures


def _columns(page: Page, columns: Sequence[Column]) -> None:
    """Bars of the columns nearest to their limits or beyond them, and a table of all."""
    ordered = sorted(columns, key=lambda column: (column.threshold - column.effect, column.name))
    drawn = ordered[:MOST_BARS]
    page.heading("Columns")
    picture = against_limits(
        [column.name for column in drawn],
        [column.effect for column in drawn],
        [column.threshold for column in drawn],
        "distance from the history, in [0, 1]",
    )
    page.figure(
        picture,
        "Kolmogorov-Smirnov distance of numbers, total variation distance of labels; the mark is how far a column "
        "may move before it counts.",
        "Effect of each column beside its threshold",
    )
    if len(ordered) > len(drawn):
        page.note(f"The picture shows the {len(drawn)} columns of {len(ordered):,} that are nearest to their limit.")
    rows = [(column.name, column.effect, column.threshold, column.drifted) for column in ordered]
    page.table(["column", "effect", "threshold", "drifted"], rows, limit=1000, fold="Every column in a table")


def _basis(drift: Drift, monitoring: Monitoring) -> list[str]:
    budget = show(monitoring.false_alarms_per_year)
    points = [
        f"{count(drift.windows, 'contiguous window')} of {count(drift.window_rows, 'row')} of the history, each "
        "compared with the rest of it: that far do windows lie apart although nothing changed.",
        "Each column is measured in the spread of its own windows, and the threshold is that of the column that "
        "moved farthest, so it does not depend on how many columns there are.",
        f"The recipe allows {budget} confirmed false alarms a year ({_rule(monitoring)}).",
    ]
    if drift.supported_rate is not None and drift.supported_rate > monitoring.false_alarms_per_year:
        points.append(
            f"So short a history can by itself vouch for no fewer than {show(drift.supported_rate)} a year. The "
            "threshold lies above all of its windows, by Kolmogorov's law, and errs on the side of silence."
        )
    if drift.window_rows < drift.rows:
        points.append(
            "The windows of the history are smaller than the one that was judged, as it is too short for larger "
            "ones; smaller windows scatter more, so this too errs on the side of silence."
        )
    return points


def _rule(monitoring: Monitoring) -> str:
    of = monitoring.of_windows or monitoring.windows_to_confirm
    if of == 1:
        return "one window raises an alarm"
    return f"{monitoring.windows_to_confirm} of {of} windows must move for an alarm"


def _state(drift: Drift, confirmed: bool) -> str:
    if not drift.judged:
        return "not judged"
    if confirmed:
        return "drift confirmed"
    return "drift" if drift.detected else "no drift"


def _standing(performance: Performance) -> str:
    if not performance.judged or performance.expected is None:
        return "not judged"
    return "worse" if performance.worse else "as expected"
