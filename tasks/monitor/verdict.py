"""The verdict on one window: did the rows move, did the champion's answers, and does it still do as well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.contracts import to_json
from tasks.core.home import Home
from tasks.core.recipe import Recipe
from tasks.monitor import drift
from tasks.monitor.drift import Column, Drift
from tasks.monitor.live import live_performance
from tasks.monitor.performance import Performance
from tasks.monitor.reference import Reference
from tasks.monitor.window import Window, folder_of
from tasks.report.numbers import listing

REPORT = "report.html"


@dataclass(frozen=True)
class Verdict:
    """What was found in one window."""

    drift: Drift
    performance: Performance | None
    """None where no row has a label that the champion has not seen."""
    confirmed: bool
    """Enough of the newest windows drifted, this one among them."""
    reason: str
    """One sentence."""
    note: str
    """What could not be said, and why."""
    report: str
    """Path relative to the home."""

    @property
    def measured(self) -> bool:
        """Whether the champion's live performance is known."""
        return self.performance is not None and self.performance.judged

    @property
    def judged(self) -> bool:
        """Whether anything could be said."""
        return self.drift.judged or self.measured

    @property
    def body(self) -> dict[str, Any]:
        """What the ledger keeps: names of columns, and numbers computed over many rows."""
        found = self.drift
        return {
            "judged": found.judged,
            "detected": found.detected,
            "confirmed": self.confirmed,
            "statistic": found.statistic,
            "threshold": found.threshold,
            "supported_rate": found.supported_rate,
            "columns": [to_json(column) for column in found.columns],
            "drift_reason": found.reason,
            "performance": to_json(self.performance) if self.measured else None,
            "reason": self.reason,
            "note": self.note,
            "report": self.report,
        }


def judge(recipe: Recipe, home: Home, reference: Reference, window: Window, earlier: Sequence[bool]) -> Verdict:
    """Compare a window with the champion's history, and its answers with what came true.

    Args:
        recipe: Its sections monitoring, schedule and gates.
        home: The home.
        reference: The champion.
        window: What is looked at.
        earlier: Whether the windows before this one drifted, oldest first.

    Raises:
        RequestError: the champion cannot read a row.
        ServiceError: the ledger does not answer.
    """
    moved = _drift(recipe, reference, window)
    performance = live_performance(recipe, home, reference, window)
    confirmed = moved.judged and drift.confirmed([*earlier, moved.detected], recipe.monitoring)
    report = home.relative(folder_of(home, reference.name, window.fingerprint) / REPORT)
    reason = _reason(recipe, moved, performance, confirmed, earlier)
    unmeasured = performance.reason if performance is not None and not performance.judged else ""
    return Verdict(moved, performance, confirmed, reason, unmeasured or window.note, report)


def _drift(recipe: Recipe, reference: Reference, window: Window) -> Drift:
    yearly = drift.windows_per_year(recipe.schedule.monitor)
    history, said = reference.history, reference.history_answers()
    if window.origin == "journal":
        # Nothing but answers is compared: rows without one would only thin the windows of the history out.
        history = history[~reference.trained].reset_index(drop=True)
        said = None if said is None else said[~reference.trained].reset_index(drop=True)
        features, answers = {}, window.rows["prediction"]
    else:
        features, answers = reference.features, reference.predict(window.rows, window.what)["prediction"]
    return drift.judge(
        history, window.rows, features, recipe.monitoring, yearly, history_predictions=said, window_predictions=answers
    )


def _reason(
    recipe: Recipe, moved: Drift, performance: Performance | None, confirmed: bool, earlier: Sequence[bool]
) -> str:
    """One sentence that says what to think of it."""
    worse = performance.reason if performance is not None and performance.worse else ""
    if not moved.judged:
        return worse or moved.reason
    if not moved.detected:
        return worse or "Nothing moved farther than it does where nothing changes."
    columns = _listed(moved.columns)
    if confirmed:
        looked = [*earlier, True][-(recipe.monitoring.of_windows or recipe.monitoring.windows_to_confirm) :]
        windows = f", as {sum(looked)} of the last {len(looked)} windows moved" if len(looked) > 1 else ""
        found = f"Drift is confirmed{windows}: {columns}"
        return f"{found}; and {worse[:1].lower()}{worse[1:]}" if worse else f"{found}."
    return worse or f"These rows moved, which the next window has to confirm: {columns}."


def _listed(columns: Sequence[Column]) -> str:
    """The columns that moved, farthest beyond their threshold first."""
    moved = sorted((column for column in columns if column.drifted), key=lambda item: item.threshold - item.effect)
    return listing([f"{item.name} by {item.effect:.2f} (usual: up to {item.threshold:.2f})" for item in moved], 3)
