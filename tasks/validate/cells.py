"""Reading cells: which of a column's values are numbers, which are times, which say nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.transforms.dates import read


def as_numbers(values: pd.Series) -> pd.Series:
    """The column as float64 [N], NaN where a cell is empty or spells no number, as training will read it."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype) or pd.api.types.is_timedelta64_dtype(values.dtype):
        return pd.Series(np.nan, index=values.index, dtype=np.float64)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
    numbers = pd.to_numeric(values.astype(object), errors="coerce")
    return numbers.astype(np.float64)


def is_empty(values: pd.Series) -> pd.Series:
    """Whether each cell [N] is missing or nothing but white space."""
    empty: pd.Series = values.isna().astype(bool)
    if pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(values.dtype):
        text = values.astype(object)
        empty = empty | text.map(lambda value: isinstance(value, str) and not value.strip()).astype(bool)
    return empty


def is_not_a_number(values: pd.Series) -> pd.Series:
    """Whether each cell [N] holds something, and that is no finite number."""
    finite = pd.Series(np.isfinite(as_numbers(values).to_numpy()), index=values.index)
    refused: pd.Series = ~is_empty(values) & ~finite
    return refused


def is_not_a_time(values: pd.Series) -> pd.Series:
    """Whether each cell [N] holds something that can be read neither as a number nor as a point in time."""
    if pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype):
        return pd.Series(False, index=values.index)
    times = pd.to_datetime(values, errors="coerce", utc=True, format="mixed")
    unreadable: pd.Series = ~is_empty(values) & times.isna()
    return unreadable


def is_not_a_date(values: pd.Series, timezone: str = "UTC") -> pd.Series:
    """Whether each cell [N] holds something, and that is no date as the model reads one: ISO 8601, or a date's type."""
    return pd.Series(read(values, timezone)[1], index=values.index)


def seconds_of(values: pd.Series, timezone: str) -> npt.NDArray[np.float64]:
    """Dates as seconds since 1970 by the clock of the time zone, float64 [N], NaN where there is none."""
    moments = read(values, timezone)[0]
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64) / 1e6)


def share_of_numbers(values: pd.Series) -> float:
    """Share of the non-empty cells that are finite numbers; NaN where all are empty."""
    filled = int((~is_empty(values)).sum())
    return 1 - int(is_not_a_number(values).sum()) / filled if filled else float("nan")
