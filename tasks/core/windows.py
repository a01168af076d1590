"""Windows over rows ordered in time: each row gets the values of rows before it, as the columns of a series."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.core import splits
from tasks.core.feature_kinds import SeriesFeature
from tasks.core.features import parts_of
from tasks.core.recipe import Windows


def window_columns(windows: Windows) -> list[str]:
    """The columns that windows are written to, the steps of one column after another, the oldest first."""
    made_of = SeriesFeature(kind="series", length=windows.length, channels=windows.columns)
    return parts_of(windows.feature, made_of)


def with_windows(frame: pd.DataFrame, windows: Windows, time: str) -> pd.DataFrame:
    """Rows with the columns that `data.windows` asks for: the one way a window is made, in training and in asking.

    A row's window ends `horizon` rows before it, so that a model answers a question about the row itself that could
    have been asked that long before. Rows of one time keep the order of the source. A row whose time cannot be read
    has no window and is in none.

    Args:
        frame: All rows [N], in any order.
        windows: `data.windows` of the recipe.
        time: Column that orders the rows: `data.time`.

    Returns:
        The rows in the order they came, with `length` float64 columns for each of the window's columns. What lies
        before the first row, and what is no number, is missing.

    Raises:
        ValueError: one sentence: a column that the window needs is absent, or one of its own names is taken.
    """
    refuse_absent(frame, windows, time)
    names = window_columns(windows)
    taken = [name for name in names if name in frame.columns]
    if taken:
        raise ValueError(f"The source has a column '{taken[0]}', which data.windows writes.")
    known = in_order(frame, time)
    values = frame[list(windows.columns)].apply(pd.to_numeric, errors="coerce").astype(np.float64)
    ordered = values.reset_index(drop=True).loc[known]
    groups = None if windows.by is None else frame[windows.by].reset_index(drop=True).loc[known]
    made = {}
    for place, column in enumerate(windows.columns):
        of = ordered[column] if groups is None else ordered[column].groupby(groups)
        for step in range(windows.length):
            earlier = of.shift(windows.horizon + windows.length - 1 - step)
            made[names[place * windows.length + step]] = earlier.reindex(range(len(frame))).to_numpy()
    return pd.concat([frame, pd.DataFrame(made, index=frame.index)], axis=1)


def refuse_absent(frame: pd.DataFrame, windows: Windows, time: str) -> None:
    """Nothing, where the columns that windows are made from are there.

    Raises:
        ValueError: one is not.
    """
    needed = [*windows.columns, time, *([windows.by] if windows.by is not None else [])]
    absent = [column for column in needed if column not in frame.columns]
    if absent:
        raise ValueError(f"The source has no column '{absent[0]}', which data.windows needs.")


def in_order(frame: pd.DataFrame, time: str) -> pd.Index:
    """Positions of the rows whose time can be read, from the oldest on; rows of one time in the order they came."""
    moments = splits.moments_in(frame[time]).reset_index(drop=True)
    return moments[moments.notna()].sort_values(kind="stable").index
