"""The champion's live performance on one window: its answers, what came true, and what was expected of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.core.home import Home
from tasks.core.recipe import Recipe
from tasks.core.truth import truth_of
from tasks.monitor import performance
from tasks.monitor.drift import windows_per_year
from tasks.monitor.performance import Performance
from tasks.monitor.reference import Reference, expected
from tasks.monitor.window import Window


def live_performance(recipe: Recipe, home: Home, reference: Reference, window: Window) -> Performance | None:
    """Measure the recipe's metric on the labelled rows of a window; None where there are none.

    Raises:
        RequestError: the champion cannot read a row.
        ServiceError: the ledger does not answer.
    """
    if window.labelled.empty or recipe.problem != reference.problem:
        return None
    answers = reference.predict(window.labelled, window.what)
    promotion, monitoring = recipe.gates.promotion, recipe.monitoring
    yearly = windows_per_year(recipe.schedule.monitor)
    return performance.measure(
        recipe.metric,
        truth_of(window.labelled, reference.target).to_numpy(),
        answers["prediction"].to_numpy(),
        _probabilities(answers, reference),
        reference.classes,
        expected=expected(home, reference.name, reference.version, recipe.metric),
        margin=promotion.margin,
        confidence=performance.confidence_for(promotion.confidence, monitoring.false_alarms_per_year, yearly),
        min_rows=monitoring.min_rows,
        expected_rows=reference.test_rows or None,
        groups=_groups(window.labelled, recipe),
        labels=reference.target is not None,
    )


def _probabilities(answers: pd.DataFrame, reference: Reference) -> NDArray[np.float64] | None:
    """Probabilities [N, C] in the order of the champion's classes; None for regression."""
    if not reference.classes:
        return None
    return answers[[f"probability_{label}" for label in reference.classes]].to_numpy(dtype=np.float64)


def _groups(rows: pd.DataFrame, recipe: Recipe) -> NDArray[np.int64] | None:
    """Codes [N] of rows that belong together; a row without a group is one of its own."""
    column = getattr(recipe.data.split, "group", None)
    if column is None or column not in rows.columns:
        return None
    codes: NDArray[np.int64] = pd.factorize(rows[column])[0].astype(np.int64)
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(int(alone.sum()))
    return codes
