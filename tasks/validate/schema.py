"""Gate `schema`: the columns the recipe speaks of are there, and hold what it says they hold."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from tasks.core.contracts import Gate
from tasks.core.feature_kinds import DropFeature
from tasks.core.features import columns_of
from tasks.core.recipe import Data
from tasks.validate.candidate import Candidate, must_be_numbers
from tasks.validate.cells import is_empty, is_not_a_date, is_not_a_time, share_of_numbers

WRONG_TYPE_BELOW = 0.5
"""A column of numbers or times less than half of whose filled cells are one is of the wrong type.

Above, the cells that are none cost their rows (quarantine), and `expectations` judges how many.
"""
CHANCE_OF_ALL_EMPTY = 1e-6
"""A column that is empty throughout a batch is gone if its earlier gaps make that less likely than this."""


@dataclass(frozen=True)
class SchemaFindings:
    """Columns at fault, by fault; all names, no values."""

    missing: dict[str, str] = field(default_factory=dict)
    """Column → the recipe's field that names it."""
    wrong_type: dict[str, str] = field(default_factory=dict)
    """Column → the type it should have."""
    changed: dict[str, str] = field(default_factory=dict)
    """Column → how the newest batch differs from those before."""

    @property
    def columns(self) -> set[str]:
        """All columns at fault."""
        return {*self.missing, *self.wrong_type, *self.changed}


def inspect(candidate: Candidate, read: Collection[str] | None = None) -> SchemaFindings:
    """Find missing columns, columns of the wrong type, and columns that changed with the newest batch.

    Args:
        candidate: All rows; a column that any read had is in its frame.
        read: Columns of the newest read; none: those of the frame.
    """
    missing = _missing(candidate, set(candidate.frame.columns if read is None else read))
    wrong_type = _wrong_type(candidate)
    changed = {name: how for name, how in _changed(candidate).items() if name not in {*missing, *wrong_type}}
    return SchemaFindings(missing, wrong_type, changed)


def gate(candidate: Candidate, findings: SchemaFindings) -> Gate:
    """Judge what `inspect` found."""
    evidence = {
        "columns": len(candidate.frame.columns) - 2,
        "features": len(candidate.columns),
        "missing": sorted(findings.missing),
        "wrong_type": sorted(findings.wrong_type),
        "changed": sorted(findings.changed),
    }
    if not findings.columns:
        return Gate("schema", "passed", None, evidence)
    return Gate("schema", "failed", None, {**evidence, "reason": _reason(findings)})


def _reason(findings: SchemaFindings) -> str:
    parts = [f"column '{name}' ({where}) is missing" for name, where in findings.missing.items()]
    parts += [f"column '{name}' should hold {kind} and mostly does not" for name, kind in findings.wrong_type.items()]
    parts += [f"column '{name}' {how}" for name, how in findings.changed.items()]
    more = f"; and {len(parts) - 3} more" if len(parts) > 3 else ""
    return "; ".join(parts[:3]) + more + "."


def _missing(candidate: Candidate, present: set[str]) -> dict[str, str]:
    data = candidate.data
    named = {
        "data.target": data.target,
        "data.id": data.id,
        "data.time": data.time,
        "data.split.group": getattr(data.split, "group", None),
    }
    missing = {column: where for where, column in named.items() if column is not None and column not in present}
    for name, feature in data.features.items():
        wanted = () if isinstance(feature, DropFeature) else columns_of({name: feature})
        absent = [column for column in wanted if column not in present]
        parts = {"image": "pixel", "series": "step"}.get(feature.kind)
        if parts is not None and absent:
            missing[absent[0]] = f"data.features.{name}, {len(absent)} of {len(wanted)} {parts} columns"
        missing |= {column: f"data.features.{name}" for column in absent if column not in missing and len(absent) == 1}
    # What is known of old rows is kept, so a column that is no longer sent would otherwise never be missed.
    retired = "read before; if it is gone for good, declare it as {kind: drop}"
    inferred = set(candidate.columns) - set(columns_of(data.features))
    return missing | {column: retired for column in candidate.columns if column in inferred - present}


def _wrong_type(candidate: Candidate) -> dict[str, str]:
    frame = candidate.frame
    wrong = {name: "numbers" for name in must_be_numbers(candidate) if share_of_numbers(frame[name]) < WRONG_TYPE_BELOW}
    time = candidate.data.time
    if time is not None and time in frame.columns and _mostly(is_not_a_time(frame[time]), frame[time]):
        wrong[time] = "times"
    for name, feature in candidate.dates.items():
        if _mostly(is_not_a_date(frame[name], feature.timezone), frame[name]):
            wrong.setdefault(name, "dates in ISO 8601")
    return wrong


def _mostly(refused: pd.Series, values: pd.Series) -> bool:
    """Whether too many of the filled cells [N] are refused."""
    filled = int((~is_empty(values)).sum())
    return bool(filled) and 1 - int(refused.sum()) / filled < WRONG_TYPE_BELOW


def _changed(candidate: Candidate) -> dict[str, str]:
    """Columns whose newest batch does not go with the batches before it."""
    frame, newest = candidate.frame, candidate.newest
    if bool(newest.all()):
        return {}
    data = candidate.data
    watched = [*candidate.columns, *(name for name in (data.id, data.time) if name is not None)]
    changed = {}
    for name in dict.fromkeys([*watched, *([] if data.target is None else [data.target])]):
        if name in frame.columns:
            before, after = frame.loc[~newest, name], frame.loc[newest, name]
            how = _change(before, after, may_be_empty=name == data.target) or _other_kind(name, before, after, data)
            if how:
                changed[name] = how
    return changed


def _other_kind(name: str, before: pd.Series, after: pd.Series, data: Data) -> str:
    """A stray word in a column whose kind is inferred would turn numbers into categories, for all old rows too."""
    if name in data.features or name in (data.id, data.time, data.target):
        return ""
    if pd.api.types.is_numeric_dtype(before.dtype) or share_of_numbers(before) < 1 or not share_of_numbers(after) < 1:
        return ""
    return f"held only numbers and holds text too; declare it as {name}: {{kind: numeric}} to set such rows aside"


def _change(before: pd.Series, after: pd.Series, *, may_be_empty: bool) -> str:
    gaps = is_empty(after)
    if bool(gaps.all()):
        earlier_gaps = (int(is_empty(before).sum()) + 1) / (len(before) + 2)
        gone = len(after) * math.log(earlier_gaps) < math.log(CHANCE_OF_ALL_EMPTY)
        return "is empty throughout the newest batch" if gone and not may_be_empty else ""
    if pd.api.types.is_numeric_dtype(before.dtype):  # one column has one dtype over all batches
        return ""
    earlier, later = share_of_numbers(before), share_of_numbers(after)
    if np.isnan(earlier):
        return ""
    if earlier >= WRONG_TYPE_BELOW > later:
        return "held numbers and holds text in the newest batch"
    if later >= 1 and earlier < WRONG_TYPE_BELOW and int((~gaps).sum()) >= 20:
        return "held text and holds only numbers in the newest batch"
    return ""
