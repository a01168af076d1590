"""Fits the transform of grey images stored as one column per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import RequestError
from tasks.core.features import columns_of
from tasks.transforms.cells import numbers
from tasks.transforms.tabular import scaling_of

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.feature_kinds import Feature
    from tasks.core.preprocessing import Transforms


def fit(frame: pd.DataFrame, features: Mapping[str, Feature], transforms: Transforms) -> dict[str, Any]:
    """Learn one shift, scale and filling for all pixels of all images.

    Args:
        frame: The training rows, with the columns `<feature>_<row>_<column>`.
        features: Image features; several of one size become the channels of one input.
        transforms: The recipe's section; `scale` and `outliers` are over all pixels, not pixel by pixel.

    Returns:
        The state; `input_shape` is [images, height, width].

    Raises:
        RequestError: images differ in size, or a pixel is missing, no number, or has a gap where `impute` is none or
            refuse; or gaps are to be marked, which only numbers of their own can be.
    """
    sizes = {name: feature.size for name, feature in features.items() if feature.kind == "image"}
    (first, (height, width)), *_ = sizes.items()
    for name, size in sizes.items():
        if size != (height, width):
            raise RequestError(
                f"data.features.{name} has the size {list(size)}, but '{first}' has {[height, width]}.",
                remedy="Images of one model must have one size: drop one of them with {kind: drop}.",
            )
    if transforms.missing_flag == "always":
        raise RequestError(
            f"transforms.missing_flag is always, and '{first}' is an image, beside whose pixels no flag can stand.",
            remedy="Set missing_flag to auto or never.",
        )
    columns = list(columns_of(features))
    values = np.column_stack([_pixel(frame, column, transforms) for column in columns])
    return {
        "kind": "image",
        "columns": columns,
        "input_shape": [len(sizes), height, width],
        "impute": transforms.impute,
        **scaling_of(values[~np.isnan(values)], transforms),
        "text_is_missing": {},
    }


def _pixel(frame: pd.DataFrame, column: str, transforms: Transforms) -> np.ndarray[Any, Any]:
    if column not in frame.columns:
        raise RequestError(
            f"data.features: the data have no column '{column}', which the image's size asks for.",
            remedy="Correct the size, or the names of the pixel columns.",
        )
    try:
        values = numbers(frame[column])
    except ValueError as error:
        raise RequestError(f"data.features: {error}", remedy="Pixels must be numbers.") from error
    if transforms.impute in ("none", "refuse") and np.isnan(values).any():
        raise RequestError(
            f"transforms.impute is {transforms.impute}, and the pixel column '{column}' has missing values among the "
            "training rows.",
            remedy="Choose mean, median or constant.",
        )
    return values
