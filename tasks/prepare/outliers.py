"""Which training rows lie far outside, so that nothing is fitted to them: no scale, no choice of columns, no weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.core.errors import RequestError
from tasks.transforms.cells import numbers
from tasks.transforms.tabular import fences_of

if TYPE_CHECKING:
    from tasks.core.feature_kinds import Feature

OUTLIER = "outlier"
"""Why a row is among those that were left out."""
_ROUNDING = 1e-12
MOST = 0.5
"""Share of the training rows that may be left out: what more rows do than do not is no exception."""


@dataclass(frozen=True)
class Outside:
    """The training rows beyond a fence."""

    rows: npt.NDArray[np.bool_]
    """Whether each training row [N] is."""
    columns: dict[str, int]
    """Column → rows beyond its fences, most first."""

    @property
    def notes(self) -> tuple[str, ...]:
        """How many rows were left out and by which columns, in a sentence; none where no row was."""
        count = int(self.rows.sum())
        if not count:
            return ()
        named = [f"{column} ({rows:,})" for column, rows in list(self.columns.items())[:5]]
        more = [f"{len(self.columns) - 5} more columns"] if len(self.columns) > 5 else []
        by = ", ".join([*named, *more])
        return (f"{count:,} of {len(self.rows):,} training rows lie beyond the fences of {by} and were left out.",)


def outside(training: pd.DataFrame, features: Mapping[str, Feature], target: str | None, problem: str) -> Outside:
    """Rows with a number beyond Tukey's fences of its column, which are those of the training rows themselves.

    A gap is no outlier, and neither is a number in a column whose quartiles are equal.

    Args:
        training: The training rows [N].
        features: Resolved features; the numeric ones are looked at.
        target: Name of the target's column.
        problem: The recipe's.

    Raises:
        RequestError: a column is no numbers, more than half of the rows lie outside, or all of one class do.
    """
    found = np.zeros(len(training), dtype=bool)
    columns: dict[str, int] = {}
    for column in (name for name, feature in features.items() if feature.kind == "numeric"):
        beyond = _beyond(training[column])
        if beyond.any():
            columns[column] = int(beyond.sum())
            found |= beyond
    _refuse_most(found, columns)
    if problem == "classification":
        _refuse_whole_class(training[target], found)
    return Outside(found, dict(sorted(columns.items(), key=lambda item: (-item[1], item[0]))))


def _beyond(column: pd.Series) -> npt.NDArray[np.bool_]:
    try:
        values = numbers(column)
    except ValueError as error:
        raise RequestError(
            f"data.features.{column.name}: {error}",
            remedy="Give the column another kind, or drop it with {kind: drop}.",
        ) from error
    fences = fences_of(values[~np.isnan(values)], "clip")
    if fences is None:
        return np.zeros(len(values), dtype=bool)
    # Fences are computed with rounding, and a value on one is inside. Comparing with a gap is False.
    slack = _ROUNDING * fences[1] - _ROUNDING * fences[0]
    return (values < fences[0] - slack) | (values > fences[1] + slack)


def _refuse_most(found: npt.NDArray[np.bool_], columns: Mapping[str, int]) -> None:
    if found.sum() > MOST * len(found):
        worst = max(columns, key=lambda column: columns[column])
        raise RequestError(
            f"transforms.outliers is exclude, and {int(found.sum())} of {len(found)} training rows lie beyond the "
            f"fences of some column, {columns[worst]} of them in '{worst}'.",
            remedy="Use clip, which cuts the numbers off and keeps the rows.",
        )


def _refuse_whole_class(target: pd.Series, found: npt.NDArray[np.bool_]) -> None:
    lost = sorted(set(target.astype(str)) - set(target[~found].astype(str)))
    if lost:
        raise RequestError(
            f"transforms.outliers is exclude, and every training row of the class '{lost[0]}' lies beyond the fences "
            "of some column.",
            remedy="Use clip, which cuts the numbers off and keeps the rows.",
        )
