"""The report of one window: a page with the verdict, beside it what Evidently has to say about every column."""

from __future__ import annotations

from tasks.core.home import Home
from tasks.monitor.reference import Reference
from tasks.monitor.verdict import Verdict
from tasks.monitor.window import Window
from tasks.report.page import Page


def write_report(home: Home, reference: Reference, window: Window, verdict: Verdict) -> None:
    """Write the page that the ledger line names."""
    page = Page(f"{reference.name}: monitoring", f"{len(window.rows):,} rows against version {reference.version}")
    page.text(verdict.reason).text(verdict.drift.reason)
    if verdict.performance is not None:
        page.text(verdict.performance.reason)
    rows = [[column.name, column.effect, column.threshold, column.drifted] for column in verdict.drift.columns]
    if rows:
        page.heading("Columns").table(["column", "moved by", "usual up to", "drifted"], rows)
    page.write(home.path(verdict.report))
