"""Windows over rows ordered in time: each row gets the values of rows before it, as the columns of a series."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.core import splits
from tasks.core.features import parts_of
from tasks.core.recipe import Data, SeriesFeature
from tasks.ingest.readers import unreadable


def with_windows(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """The rows of a source, with the columns that `data.windows` asks for.

    A row's window ends `horizon` rows before it, so that a model answers a question about the row itself that could
    have been asked that long before. Rows of one time keep the order of the source. A row whose time cannot be read
    has no window and is in none.

    Args:
        frame: All rows of the source [N], in any order.
        data: `windows` and `time` are read; without windows the frame comes back as it is.

    Returns:
        The rows in the order they came, with `length` float64 columns for each of the window's columns. What lies
        before the first row, and what is no number, is missing.

    Raises:
        GateStopped: gate `readable` failed: a column that the window needs is absent, or one of its own names taken.
    """
    windows = data.windows
    if windows is None:
        return frame
    needed = [*windows.columns, str(data.time), *([windows.by] if windows.by is not None else [])]
    absent = [column for column in needed if column not in frame.columns]
    if absent:
        unreadable(f"The source has no column '{absent[0]}', which data.windows needs.", field="data.windows")
    made_of = SeriesFeature(kind="series", length=windows.length, channels=windows.columns)
    names = parts_of(windows.feature, made_of)
    taken = [name for name in names if name in frame.columns]
    if taken:
        unreadable(f"The source has a column '{taken[0]}', which data.windows writes.", field="data.windows")
    moments = splits.moments_of(frame, data).reset_index(drop=True)
    known = moments[moments.notna()].sort_values(kind="stable").index
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
