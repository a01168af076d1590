"""The steps between rows ordered in time: where rows are missing, and when the next ones come."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from tasks.core.splits import moments_in

EVEN = 0.85
"""Share of steps that are alike where rows are evenly spaced. Where weekends are left out it is four fifths."""
ALIKE = 0.1
"""Part of the middle step by which one may differ from it and be like it: months are alike."""
GAP = 1.5
"""Middle steps in a step over a row that is missing."""


def missing_between(moments: pd.Series, series: pd.Series) -> int:
    """At how many places rows are missing; 0 where the steps are too different for one to be told from the others.

    Args:
        moments: Numbers or times [N] without gaps, in order.
        series: Whose each is [N].
    """
    steps = moments.groupby(series.to_numpy()).diff().dropna()
    if pd.api.types.is_timedelta64_dtype(steps):
        steps = steps.dt.total_seconds()
    steps = steps[steps > 0]
    if steps.empty:
        return 0
    middle = float(steps.median())
    if float(((steps - middle).abs() <= ALIKE * middle).mean()) < EVEN:
        return 0
    return int((steps > GAP * middle).sum())


def continued(column: pd.Series, following: int) -> list[object]:
    """The times that follow, written as those of the column are; None each where its steps follow no rule.

    Equal steps do, and dates that pandas knows a frequency of: months, quarters, days without weekends.

    Args:
        column: Times [N] of one series as they came, in order, N > 0.
        following: How many are wanted.
    """
    moments = moments_in(column)
    last = column.iloc[-1]
    if pd.api.types.is_numeric_dtype(column):
        steps = np.diff(moments.to_numpy())
        if not len(steps) or steps.min() <= 0 or not np.allclose(steps, steps[0]):
            return [None] * following
        step = steps[-1].item()
        values = [moments.iloc[-1] + step * number for number in range(1, following + 1)]
        return [round(value) if pd.api.types.is_integer_dtype(column) else float(value) for value in values]
    coming = _dates(pd.DatetimeIndex(moments), following)
    return [None] * following if coming is None else [_like(last, moment) for moment in coming]


def _dates(moments: pd.DatetimeIndex, following: int) -> pd.DatetimeIndex | None:
    steps = np.diff(moments.asi8)
    if not len(steps) or steps.min() <= 0:
        return None
    if (steps == steps[0]).all():
        return pd.DatetimeIndex(
            [moments[-1] + (moments[-1] - moments[-2]) * number for number in range(1, following + 1)]
        )
    frequency = pd.infer_freq(moments) if len(moments) > 2 else None
    return None if frequency is None else pd.date_range(moments[-1], periods=following + 1, freq=frequency)[1:]


def _like(cell: object, moment: pd.Timestamp) -> object:
    """A UTC time, written as a cell is: text of the same form, a date, a time with or without a zone."""
    if isinstance(cell, str):
        form = guess_datetime_format(cell)
        return moment.isoformat() if form is None else moment.strftime(form)
    if isinstance(cell, dt.datetime):
        return moment.tz_localize(None) if cell.tzinfo is None else moment.tz_convert(cell.tzinfo)
    return moment.date() if isinstance(cell, dt.date) else moment
