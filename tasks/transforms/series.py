"""Fits the transform of a series: one scale for each channel, whatever the step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import SeriesFeature
from tasks.core.features import columns_of
from tasks.transforms.apply import inner_gaps, stepwise, together
from tasks.transforms.cells import numbers
from tasks.transforms.tabular import scaling_of

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.feature_kinds import Feature
    from tasks.core.preprocessing import Transforms


def fit(frame: pd.DataFrame, features: Mapping[str, Feature], transforms: Transforms) -> dict[str, Any]:
    """Learn how the columns of a series become steps.

    Args:
        frame: The training rows.
        features: One series.
        transforms: The recipe's section: `outliers`, `scale`, and `impute` for gaps between two steps that are there.

    Returns:
        The state; `input_shape` is [steps, channels + 1], where the last number is 1 for a step that is there.

    Raises:
        RequestError: there are several series, a column is absent or holds no numbers, a flag for missing values is
            asked for, or there are gaps, and `impute` is none or refuse.
    """
    name, *others = features
    if others:
        raise RequestError(
            f"data.features has the series '{name}' and '{others[0]}', and a model takes one.",
            remedy="Make channels of one series of them, or drop one with {kind: drop}.",
        )
    if transforms.missing_flag == "always":
        raise RequestError(
            f"transforms.missing_flag is always, and '{name}' is a series, beside whose steps no flag can stand.",
            remedy="Set missing_flag to auto or never; whether a step is there at all is told to the network.",
        )
    feature = features[name]
    assert isinstance(feature, SeriesFeature)
    channels = len(feature.channels) or 1
    columns = list(columns_of(features))
    values = stepwise(np.column_stack([_step(frame, name, column) for column in columns]), channels)
    moved, there = together(values)
    gaps = int(inner_gaps(moved, there).sum())
    if gaps and transforms.impute in ("none", "refuse"):
        raise RequestError(
            f"transforms.impute is {transforms.impute}, and '{name}' has {gaps} gaps between steps among the training "
            "rows.",
            remedy="Choose mean, median or constant.",
        )
    return {
        "kind": "series",
        "columns": columns,
        "input_shape": [feature.length, channels + 1],
        "impute": transforms.impute,
        "channels": [scaling_of(of[~np.isnan(of)], transforms) for of in np.moveaxis(moved, 2, 0)],
        "text_is_missing": {},
    }


def _step(frame: pd.DataFrame, name: str, column: str) -> np.ndarray[Any, Any]:
    if column not in frame.columns:
        raise RequestError(
            f"data.features.{name}: the data have no column '{column}', which its length and channels ask for.",
            remedy="Correct the length, the channels, or the names of the columns.",
        )
    try:
        return numbers(frame[column])
    except ValueError as error:
        raise RequestError(f"data.features.{name}: {error}", remedy="Steps must be numbers.") from error
