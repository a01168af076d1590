"""What a row is judged by: the value of its target, or where the row itself is to be reproduced, an error of 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def truth_of(frame: pd.DataFrame, target: str | None) -> pd.Series:
    """What a model ought to say about each row [N], with the index of `frame`.

    Args:
        frame: Rows with the user's columns.
        target: `data.target`. None: nothing is predicted, the model says how far its reconstruction is from the row,
            and it ought to be 0.

    Raises:
        KeyError: there is no such column.
    """
    if target is not None:
        return frame[target]
    import pandas as pd

    return pd.Series(0.0, index=frame.index, name="anomaly score")


def has_truth(frame: pd.DataFrame, target: str | None) -> pd.Series:
    """Whether the truth about each row is known, booleans [N]; that of no row where the column is not there."""
    if target is not None and target in frame.columns:
        known: pd.Series = frame[target].notna()
        return known
    import pandas as pd

    return pd.Series(target is None, index=frame.index)
