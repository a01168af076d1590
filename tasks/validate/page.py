"""The validation page: gates, expectations and why rows were set aside, on one page without any row's values."""

from __future__ import annotations

from pathlib import Path

from tasks.report.numbers import count, percent
from tasks.report.page import Badge, Page
from tasks.validate.judge import Judgement
from tasks.validate.quarantine import count_by_rule

STATES = {"rows_failed": "warning", "warned": "warning"}
"""How the state of an expectation is shown; the others have the name of the state."""


def write_page(path: Path, name: str, judgement: Judgement) -> Path:
    """Write the page of one candidate dataset.

    Args:
        path: HTML file to write.
        name: The recipe, for the title.
        judgement: What the gates found.
    """
    quarantined = len(judgement.reasons)
    blocking = [gate for gate in judgement.gates if gate.blocks]
    page = Page(f"{name}: validation of the data", count(judgement.rows, "row"))
    page.badge("failed" if blocking else "passed", _verdict(judgement))
    page.numbers(
        [
            ("rows in", judgement.rows),
            ("rows kept", judgement.rows - quarantined),
            ("rows quarantined", quarantined, _share(quarantined, judgement.rows)),
        ]
    )
    page.heading("Gates").gates(judgement.gates)
    _expectations(page, judgement)
    _quarantine(page, judgement)
    return page.write(path)


def _verdict(judgement: Judgement) -> str:
    blocking = [gate.name for gate in judgement.gates if gate.blocks]
    return f"stopped by {', '.join(blocking)}" if blocking else "no data gate stops this dataset"


def _share(part: int, whole: int) -> str:
    return f"{percent(part / whole)} of the rows" if whole else ""


def _expectations(page: Page, judgement: Judgement) -> None:
    page.heading("Expectations")
    if not judgement.expectations:
        page.text("The recipe names no expectation suite, or the suite is empty (data.expectations).")
        return
    held = [item for item in judgement.expectations if item.state == "passed"]
    broken = [item for item in judgement.expectations if item.state != "passed"]
    if broken:
        page.table(
            ["expectation", "state", "rows that break it", "why"],
            [(item.rule, Badge(STATES.get(item.state, item.state)), item.rows, item.detail) for item in broken],
            "A warning sends the rows that break the rule to quarantine, or is a rule that only warns.",
        )
    else:
        page.text("Every row keeps every rule.")
    if held:
        rows = [(item.rule, Badge(item.state)) for item in held]
        page.table(["expectation", "state"], rows, fold=f"{count(len(held), 'rule')} that no row breaks")


def _quarantine(page: Page, judgement: Judgement) -> None:
    page.heading("Quarantine")
    if not judgement.reasons:
        page.text("No row was set aside.")
        return
    page.text(
        "Rows set aside stay in the dataset with their reasons and are never trained on. A row may break several rules."
    )
    page.table(["rule", "rows"], count_by_rule(judgement.reasons).items())
