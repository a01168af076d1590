"""The page of a search: what was found, how the values came, which field mattered, and every trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.core.hashing import canonical_json
from tasks.report.curves import Line, curves
from tasks.report.histograms import bars
from tasks.report.numbers import count, show
from tasks.report.page import Badge, Page
from tasks.tune.trials import UNCHANGED, Trial, best_of


def search_page(
    name: str,
    metric: str,
    rows: str,
    trials: Sequence[Trial],
    unchanged: Trial,
    best: Trial,
    importance: Mapping[str, float],
    *,
    maximise: bool,
) -> Page:
    """What a person reads after a search.

    Args:
        name: of the recipe.
        metric: what was compared.
        rows: in words, the rows it was measured on.
        trials: all of them, by number.
        unchanged: the recipe as it stands.
        best: one of these.
        importance: field → share of the value it explains; empty where that cannot be said.
        maximise: whether a larger value is better.
    """
    better = "larger" if maximise else "smaller"
    page = Page(f"{name}: tuning", f"{count(len(trials), 'trial')}, {metric} on {rows}; {better} is better")
    page.numbers(
        [
            (metric, best.value, "the recipe as it stands" if best.number == UNCHANGED else f"trial {best.number}"),
            ("as it stood", unchanged.value),
            *((state, sum(trial.state == state for trial in trials)) for state in ("complete", "pruned", "failed")),
        ]
    )
    page.note(
        "The best of many trials looks better on the rows it was chosen by than it is. What it is worth on rows that "
        "nobody chose by, the run that follows says."
    )
    page.heading("The best")
    page.table(["field", "value"], [(field, written(value)) for field, value in best.parameters.items()])
    page.heading("One trial after the other")
    page.figure(_history(trials, unchanged, metric, maximise), "Each complete trial, and the best so far.")
    page.heading("What mattered")
    if importance:
        picture = bars(list(importance), list(importance.values()), "share", shares=True)
        page.figure(picture, "How differently a field's values are spread among the best trials and all (PED-ANOVA).")
    else:
        page.text("Too few trials are complete, or no field was varied, so nothing can be said.")
    page.heading("Every trial")
    columns = ["trial", "state", metric, *unchanged.parameters, "seconds", "remark"]
    return page.table(columns, [_row(trial, unchanged) for trial in (unchanged, *trials)], limit=1000)


def written(value: Any) -> str:
    """A value as a recipe has it, on one line."""
    return value if isinstance(value, str) else canonical_json(value)


def _row(trial: Trial, unchanged: Trial) -> list[Any]:
    number = "as it stands" if trial.number == UNCHANGED else str(trial.number)
    values = [written(trial.parameters.get(field)) for field in unchanged.parameters]
    return [number, Badge(trial.state), trial.value, *values, trial.seconds, trial.reason]


def _history(trials: Sequence[Trial], unchanged: Trial, metric: str, maximise: bool) -> str:
    numbers = list(range(len(trials)))
    values = [math.nan if trial.value is None else trial.value for trial in trials]
    so_far = []
    for number in numbers:
        best = best_of([unchanged, *trials[: number + 1]], maximise=maximise)
        so_far.append(math.nan if best is None or best.value is None else best.value)
    level = math.nan if unchanged.value is None else unchanged.value
    lines = [
        Line("each trial", numbers, values),
        Line("best so far", numbers, so_far),
        Line(f"as it stands: {show(level)}", numbers, [level] * len(numbers), dashed=True),
    ]
    return curves(lines, "trial", metric, dots=True, size=(700, 330))
