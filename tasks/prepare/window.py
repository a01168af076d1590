"""Which training rows a model is fitted on: all of them, or the newest only."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tasks.core import splits
from tasks.core.errors import RequestError
from tasks.core.recipe import Data
from tasks.core.upkeep import ExpandingWindow, SlidingWindow


def newest(training: pd.DataFrame, window: ExpandingWindow | SlidingWindow, data: Data) -> pd.DataFrame:
    """The training rows inside the window, in the order they have.

    Args:
        training: The rows [N] of the training split, with `row_id`, `batch` and the user's columns.
        window: `retraining.window`. Days are counted back from the newest training row.
        data: `time` names the column that orders the rows; without one, batches do.

    Returns:
        Some of the rows. The newest so many are exactly so many where there are that many: equal times are
        told apart by `row_id`. A row whose time cannot be read is older than all others.

    Raises:
        RequestError: the window is given in days, and data.time holds no dates.
    """
    if window.kind == "expanding":
        return training
    if window.days is not None:
        return training[_younger_than(window.days, _dates(training, data))]
    assert window.rows is not None
    order = pd.DataFrame({"age": training["batch"], "row_id": training["row_id"]})
    if data.time is not None:
        order["age"] = splits.moments_of(training, data)
    order = order.reset_index(drop=True).sort_values(["age", "row_id"], na_position="first", kind="stable")
    return training.iloc[np.sort(order.index.to_numpy()[-window.rows :])]


def _younger_than(days: float, dates: pd.Series) -> pd.Series:
    recent: pd.Series = dates >= dates.max() - pd.Timedelta(days=days)
    return recent


def _dates(training: pd.DataFrame, data: Data) -> pd.Series:
    moments = splits.moments_of(training, data)
    if pd.api.types.is_numeric_dtype(moments) or moments.notna().sum() == 0:
        raise RequestError(
            f"retraining.window.days counts days, and the column '{data.time}' of data.time holds no dates.",
            remedy="Use retraining.window.rows, or name a column of dates.",
            code="column",
        )
    return moments
