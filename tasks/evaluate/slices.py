"""Metrics by part of the data: by each value of the categorical columns, and by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.evaluate.score import probabilities_of
from tasks.metrics import better, compute

MOST_VALUES = 12
"""A column with more values than this is not sliced by."""
FEW_ROWS = 10
"""Values with fewer rows share the slice "all others": a metric of so few rows says little, and names somebody."""
MOST_COLUMNS = 20
"""Columns sliced by at most, in the order of the dataset."""


@dataclass(frozen=True)
class Slice:
    """The metric on the rows where `column` is `value`; None where it is undefined, for `reason`."""

    column: str
    value: str
    rows: int
    metric: float | None
    reason: str
    versus_all: float | None
    """How much better than on all rows; negative is worse."""


@dataclass(frozen=True)
class Gap:
    """Distance of the best and the worst slice of one column."""

    column: str
    gap: float
    best: Slice
    worst: Slice


def slicing_columns(frame: pd.DataFrame, never: Sequence[str | None]) -> list[str]:
    """Columns to slice by: text, categories and truth values with 2 to 12 values, dropped features included.

    Also `batch`, where there are several. `never` are the columns with another role: target, id, time.
    """
    found = []
    for column in frame.columns:
        if column == "row_id" or column in never:
            continue
        kind = frame[column].dtype
        if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind) and column != "batch":
            continue
        if pd.api.types.is_datetime64_any_dtype(kind):
            continue
        if 2 <= frame[column].nunique() <= MOST_VALUES:
            found.append(str(column))
    return found[:MOST_COLUMNS]


def slices(
    frame: pd.DataFrame, columns: pd.DataFrame, problem: str, metric: str, classes: tuple[str, ...]
) -> list[Slice]:
    """The metric on every slice of scored rows.

    Args:
        frame: rows of the predictions file [N].
        columns: the columns to slice by [N], row by row the same rows.
        problem: of the recipe.
        metric: the metric shown.
        classes: the model's classes; empty for regression.
    """
    whole = _metric(frame, problem, metric, classes)[0]
    result = []
    for column in columns:
        names = columns[column].map(str, na_action="ignore").fillna("missing").to_numpy(dtype=object)
        counts = pd.Series(names).value_counts()
        rare = set(counts.index[counts < FEW_ROWS])
        names = np.array(["all others" if name in rare else name for name in names], dtype=object)
        for name in sorted(set(names), key=lambda name: (name == "all others", name)):
            rows = names == name
            value, reason = _metric(frame[rows], problem, metric, classes)
            versus = better(metric, value, whole) if value is not None and whole is not None else None
            result.append(Slice(str(column), str(name), int(rows.sum()), value, reason, versus))
    return result


def gaps(found: Sequence[Slice], metric: str) -> list[Gap]:
    """Best against worst slice of each column with at least two that have a value, the widest gap first."""
    by_column: dict[str, list[Slice]] = {}
    for part in found:
        if part.metric is not None and part.value != "all others":
            by_column.setdefault(part.column, []).append(part)
    result = []
    for column, parts in by_column.items():
        if len(parts) < 2:
            continue
        ordered = sorted(parts, key=lambda part: better(metric, part.metric or 0.0, 0.0))
        best, worst = ordered[-1], ordered[0]
        result.append(Gap(column, better(metric, best.metric or 0.0, worst.metric or 0.0), best, worst))
    return sorted(result, key=lambda gap: (-gap.gap, gap.column))


def _metric(frame: pd.DataFrame, problem: str, metric: str, classes: tuple[str, ...]) -> tuple[float | None, str]:
    values, undefined = compute(
        problem, frame["target"].to_numpy(), frame["prediction"].to_numpy(), probabilities_of(frame, classes), classes
    )
    return values.get(metric), undefined.get(metric, "")
