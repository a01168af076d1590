"""From dates to calendar features, with the state that `fit` learned: the half that ships inside the model.

Uses the standard library, numpy and pandas alone. A date is what the clock on the wall shows in the feature's time
zone: one with an offset is converted to it, one without is taken as it is. So one instant gives the same numbers
however it is written. Notation: N rows, W inputs of one column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

CYCLES = ("hour", "weekday", "day_of_month", "month", "day_of_year")
"""Parts that come round again: each is a sine and a cosine. `weekend` and `year` are one input each."""

_MISSING = np.datetime64("NaT", "us")


def write_inputs(
    column: pd.Series[Any], fitted: Mapping[str, Any], block: np.ndarray[Any, Any], *, mask: bool = False
) -> None:
    """Fill `block` [N, W + 1 where there is a flag] with the inputs of one column.

    Args:
        column: [N], as `read` takes it.
        fitted: `timezone`, `parts`, `shift`, `scale` and `fill` ([W] each), and whether gaps are flagged (`gaps`).
        block: float64, overwritten.
        mask: Whether the flag is 1 where there is a date, and not where there is none.
    """
    moments = moments_of(column, fitted["timezone"])
    gaps = np.isnat(moments)
    inputs = (inputs_of(moments, fitted["parts"]) - fitted["shift"]) / fitted["scale"]
    block[:, : inputs.shape[1]] = np.where(gaps[:, None], fitted["fill"], inputs)
    if fitted["gaps"]:
        block[:, -1] = gaps != mask


def inputs_of(moments: np.ndarray[Any, Any], parts: Sequence[str]) -> np.ndarray[Any, Any]:
    """float64 [N, W], NaN where there is no date.

    A part that comes round again is a point on a circle, sin 2πp and cos 2πp with p in [0, 1): the part of the day, of
    the week or of the year that is over. So 23:00 is as near to 01:00 as 11:00 is to 13:00.
    """
    columns = []
    for part in parts:
        if part in CYCLES:
            angle = 2 * np.pi * _over(moments, part)
            columns += [np.sin(angle), np.cos(angle)]
        else:
            columns.append(part_of(moments, part))
    return np.column_stack(columns)


def part_of(moments: np.ndarray[Any, Any], part: str) -> np.ndarray[Any, Any]:
    """A part as a number, float64 [N], NaN where there is no date.

    Args:
        moments: datetime64 [N].
        part: "hour" (0 to 24, with its minutes), "weekday" (Monday is 0), "day_of_month" and "day_of_year" (from 1),
            "month" (1 to 12), "weekend" (1 on Saturday and Sunday) or "year" (with the part of it that is over).
    """
    days, months, years = (moments.astype(f"datetime64[{unit}]") for unit in "DMY")
    weekday = (_count(days) + 3) % 7  # 1970 began on a Thursday
    found: np.ndarray[Any, Any]
    if part == "hour":
        found = (moments - days) / np.timedelta64(1, "h")
    elif part == "weekday":
        found = weekday
    elif part == "weekend":
        found = np.where(np.isnan(weekday), np.nan, weekday >= 5)
    elif part == "day_of_month":
        found = (days - months.astype("datetime64[D]")) / np.timedelta64(1, "D") + 1
    elif part == "month":
        found = _count(months) % 12 + 1
    elif part == "day_of_year":
        found = (days - years.astype("datetime64[D]")) / np.timedelta64(1, "D") + 1
    else:
        began, ends = (edge.astype("datetime64[us]") for edge in (years, years + 1))
        found = _count(years) + 1970 + (moments - began) / (ends - began)
    return found


def moments_of(column: pd.Series[Any], timezone: str) -> np.ndarray[Any, Any]:
    """A column as datetime64[us] [N] in the time zone, NaT where a cell is missing or is no date.

    Raises:
        ValueError: the column holds numbers: of what, and since when, they do not say.
    """
    moments, refused = read(column, timezone)
    if column.dtype.kind in "iufcbm" and refused.any():
        raise ValueError(f"The column '{column.name}' holds {column.dtype} values, not dates.")
    return moments


def read(column: pd.Series[Any], timezone: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """datetime64[us] [N], NaT where a cell is missing or is no date, and bool [N]: which cells are there and no date.

    Args:
        column: Dates, points in time of any resolution, with or without a time zone, text in ISO 8601; mixed at will.
        timezone: A name of the IANA database, such as Europe/Berlin.
    """
    zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(zone).dt.tz_localize(None)
    absent = column.isna().to_numpy(dtype=bool)
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "M":
        return column.to_numpy().astype("datetime64[us]"), np.zeros(len(column), dtype=bool)
    cells = column.astype(object).to_numpy()
    try:
        codes, cells = pd.factorize(cells, use_na_sentinel=True)
    except TypeError:  # lists have no hash
        codes = np.where(absent, -1, np.arange(len(cells)))
    found = [_moment(cell, zone) for cell in cells]
    # The spare entry at the end is what code -1, a missing cell, picks.
    moments = np.array([*(_MISSING if moment is None else moment for moment in found), _MISSING], "datetime64[us]")
    refused = np.array([*(moment is None for moment in found), False])
    return moments[codes], refused[codes] & ~absent


def _moment(cell: Any, zone: tzinfo) -> np.datetime64 | None:
    """What the clock shows; NaT for a blank, None for what is no date."""
    if isinstance(cell, str):
        if not cell.strip():
            return _MISSING
        try:
            cell = datetime.fromisoformat(cell.strip())
        except ValueError:
            return None
    if isinstance(cell, np.datetime64):
        moment: np.datetime64 = cell.astype("datetime64[us]")
        return moment
    if not isinstance(cell, date):
        return None
    try:
        if isinstance(cell, datetime) and cell.tzinfo is not None:
            cell = cell.astimezone(zone).replace(tzinfo=None)
        return np.datetime64(cell, "us")
    except (OverflowError, ValueError):  # at either end of the calendar
        return None


def _over(moments: np.ndarray[Any, Any], part: str) -> np.ndarray[Any, Any]:
    """How much of its cycle is over, in [0, 1)."""
    value = part_of(moments, part)
    if part == "hour":
        return value / 24
    if part == "weekday":
        return value / 7
    if part == "month":
        return (value - 1) / 12
    unit = "M" if part == "day_of_month" else "Y"
    first = moments.astype(f"datetime64[{unit}]")
    days = ((first + 1).astype("datetime64[D]") - first.astype("datetime64[D]")) / np.timedelta64(1, "D")
    whole: np.ndarray[Any, Any] = (value - 1) / days
    return whole


def _count(units: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Days, months or years since 1970, float64, NaN for NaT."""
    return np.where(np.isnat(units), np.nan, units.astype(np.int64))
