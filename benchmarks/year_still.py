"""How often a window in which nothing happened is flagged as drifted: counted beside the year of `year.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.home import Home
from tasks.core.load import LoadedRecipe

if TYPE_CHECKING:
    import pandas as pd

WINDOW_WEEKS = 4


@dataclass(frozen=True)
class StillWindows:
    """Windows in which nothing happened."""

    windows: int
    flagged: int


def false_alarms(loaded: LoadedRecipe, home: Home, versions: Sequence[str], windows: int) -> dict[str, StillWindows]:
    """Judge windows of these champions' own histories, in which nothing happened: drawn weeks, and weeks in a row."""
    found = {"drawn": 0, "contiguous": 0}
    for version in versions:
        history, judge = _own_history(loaded, home, version)
        random, weeks = np.random.default_rng(int(version)), int(history["week"].max()) + 1
        for _ in range(windows):
            found["drawn"] += judge(random.choice(weeks, WINDOW_WEEKS, replace=False))
            found["contiguous"] += judge(random.integers(0, weeks - WINDOW_WEEKS + 1) + np.arange(WINDOW_WEEKS))
    return {kind: StillWindows(len(versions) * windows, flagged) for kind, flagged in found.items()}


def _own_history(loaded: LoadedRecipe, home: Home, version: str) -> tuple[pd.DataFrame, Callable[[Any], bool]]:
    """A champion's history with its week, and whether a window of some weeks is flagged beside the other weeks.

    The champion's answers on all of its history count, also on rows it was trained on: they are as flattered in the
    window as beside it.
    """
    from tasks.monitor import drift
    from tasks.monitor.reference import moments, open_reference

    reference = open_reference(home, loaded.recipe.name, version)
    history = reference.history
    said = reference.predict(history, "the history")["prediction"]
    day = moments(history[str(loaded.recipe.data.time)])
    history = history.assign(week=(day - day.min()).dt.days // 7)
    yearly = drift.windows_per_year(loaded.recipe.schedule.monitor)

    def flagged(weeks: Any) -> bool:
        inside = history["week"].isin(weeks).to_numpy()
        parts = [
            (history[rows].reset_index(drop=True), said[rows].reset_index(drop=True)) for rows in (~inside, inside)
        ]
        verdict = drift.judge(
            parts[0][0],
            parts[1][0],
            reference.features,
            loaded.recipe.monitoring,
            yearly,
            history_predictions=parts[0][1],
            window_predictions=parts[1][1],
        )
        return verdict.detected

    return history, flagged
