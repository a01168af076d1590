"""The report of one window: a page with the verdict, and beside it Evidently's pictures where something moved."""

from __future__ import annotations

from tasks.core.home import Home
from tasks.core.recipe import Recipe
from tasks.monitor import evidently_report
from tasks.monitor.page import drift_page
from tasks.monitor.reference import Reference
from tasks.monitor.verdict import Verdict
from tasks.monitor.window import Window
from tasks.report.numbers import count

PICTURES = "evidently.html"


def write_report(home: Home, recipe: Recipe, reference: Reference, window: Window, verdict: Verdict) -> None:
    """Write the page that the ledger line names."""
    looked_at = count(len(window.rows), "prediction" if window.origin == "journal" else "row")
    span = f", {window.first} to {window.last}" if window.first else ""
    page = drift_page(
        f"{reference.name}: monitoring",
        f"{looked_at}{span}, against the {count(len(reference.history), 'row')} of version {reference.version}",
        verdict.drift,
        verdict.performance,
        recipe.monitoring,
        confirmed=verdict.confirmed,
        reason=verdict.reason,
        details=PICTURES if has_pictures(window, verdict) else None,
    )
    if verdict.note and verdict.performance is None:
        page.note(verdict.note)
    page.write(home.path(verdict.report))


def has_pictures(window: Window, verdict: Verdict) -> bool:
    """Whether Evidently draws this window: its rows moved, or the champion does worse on them.

    Drawing costs ten seconds and more, and nobody looks at the columns of a window where nothing happened.
    """
    worse = verdict.performance is not None and verdict.performance.worse
    return window.origin != "journal" and not window.rows.empty and (verdict.drift.detected or worse)


def draw_pictures(home: Home, reference: Reference, window: Window, verdict: Verdict) -> None:
    """Let Evidently draw the window's columns and the champion's; the columns that moved are never left out."""
    moved = [column.name for column in verdict.drift.columns if column.drifted]
    path = home.path(verdict.report).with_name(PICTURES)
    evidently_report.write(reference.history, window.rows, reference.features, path, first=moved)
