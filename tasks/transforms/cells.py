"""What a cell says: a number, a label, or nothing. Part of the half of the transforms that ships inside the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_NOT_NUMBERS = ("complex", "date", "datetime", "datetime64", "period", "time", "timedelta", "timedelta64")


def numbers(column: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """A column as float64 [N]: ints, nullable ints, bools, floats and numbers written as text alike.

    What is no number, and infinities, become NaN.

    Raises:
        ValueError: the column holds dates, durations or complex numbers.
    """
    kind = pd.api.types.infer_dtype(column) if column.dtype.kind == "O" else ""
    if column.dtype.kind in "mMc" or kind in _NOT_NUMBERS:
        raise ValueError(f"The column '{column.name}' holds {kind or column.dtype} values, not numbers.")
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    try:
        found = pd.to_numeric(column, errors="coerce")
        values = found.to_numpy(dtype=np.float64, na_value=np.nan)
    except (OverflowError, TypeError, ValueError):  # an int beyond the range of float64, or a list
        values = np.array([_number(value) for value in column], dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def text_cells(column: pd.Series[Any]) -> int:
    """How many cells are there, are not blank, and are no number."""
    if column.dtype.kind in "iufb":
        return 0
    absent = np.isnan(numbers(column)) & column.notna().to_numpy()
    return sum(_number(value) is None for value in column[absent])


def labels(column: pd.Series[Any]) -> tuple[np.ndarray[Any, Any], list[str]]:
    """A categorical column as codes [N] into a list of labels; -1 is missing.

    One label has one spelling, whatever type it came as: 1, 1.0, True and "True" are "1".

    Raises:
        ValueError: a cell is a list or another value that cannot be a label.
    """
    try:
        codes, found = pd.factorize(column.astype(object), use_na_sentinel=True)
    except TypeError:
        raise ValueError(f"The column '{column.name}' holds values that are no labels, such as lists.") from None
    spelled = [_spelling(value) for value in found]
    position: dict[str, int] = {}
    for label in spelled:
        position.setdefault(label, len(position))
    # The spare entry at the end is what code -1, a missing cell, picks.
    merged = np.array([*(position[label] for label in spelled), -1], dtype=np.int64)
    blank = position.get("", -1)
    codes = merged[codes]
    codes[codes == blank] = -1
    return codes, list(position)


def _number(value: Any) -> float | None:
    """A cell as a number; NaN where it is missing or blank, None where it is something else."""
    if isinstance(value, str) and (not value.strip() or "_" in value):
        return None if value.strip() else np.nan
    try:
        return float(value)
    except OverflowError:
        return np.nan
    except (TypeError, ValueError):
        return np.nan if value is None or value is pd.NA else None


def _spelling(value: Any) -> str:
    if isinstance(value, bool | np.bool_) or value in ("True", "False"):
        return str(int(value in (True, "True")))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, str) else str(value)
