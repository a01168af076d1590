"""What `init` concluded about a table: the one thing its parts pass around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tasks.core.contracts import Gate
from tasks.core.feature_kinds import DatetimeFeature, Feature
from tasks.core.recipe import Problem
from tasks.validate.candidate import DROP, NUMERIC
from tasks.validate.columns import Column


@dataclass(frozen=True)
class Inference:
    """What `init` concluded about a table."""

    target: str
    problem: Problem
    id: str | None
    time: str | None
    columns: tuple[Column, ...]
    rows: int
    labelled: int
    split: str = "random"
    """`random` or `time`."""
    max_quarantined: float = 1.0
    """Share of rows that may be set aside: the default, or what these data need."""
    set_aside: float = 0.0
    """Share of rows that the rules would set aside now."""
    margin: float = 0.02
    """Promotion margin these rows can resolve."""
    classes: tuple[Any, ...] = ()
    """Labels the target may have; empty for a regression."""
    gates: tuple[Gate, ...] = ()
    """What the data gates say now."""
    notes: tuple[str, ...] = ()
    """Sentences for the person who asked."""

    @property
    def dated(self) -> Column | None:
        """The column that orders the rows, where it is a feature as well."""
        return next((column for column in self.columns if column.name == self.time and column.parts), None)

    @property
    def declared(self) -> dict[str, Feature]:
        """Columns whose kind the recipe has to name, because their dtype says something else."""
        chosen: dict[str, Feature] = {}
        for column in self.columns:
            if column.parts and column.role in ("datetime", "time"):
                chosen[column.name] = DatetimeFeature(kind="datetime", parts=column.parts)
            elif column.name in (self.target, self.id, self.time):
                continue
            elif column.role == "drop":
                chosen[column.name] = DROP
            elif column.role == "numeric" and not pd.api.types.is_numeric_dtype(column.dtype):
                chosen[column.name] = NUMERIC
        return chosen
