"""Windows at the edge: what they cannot be made from stops with the gate `readable`."""

from __future__ import annotations

import pandas as pd

from tasks.core import windows
from tasks.core.recipe import Data
from tasks.ingest.readers import unreadable


def with_windows(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    """The rows of a source [N] with the columns that `data.windows` asks for; as they are where it asks for none.

    Raises:
        GateStopped: gate `readable` failed: a column that the window needs is absent, or one of its own names taken.
    """
    if data.windows is None:
        return frame
    try:
        return windows.with_windows(frame, data.windows, str(data.time))
    except ValueError as error:
        unreadable(str(error), field="data.windows")
