"""Fits the transform of numeric and categorical columns: gaps, scale, one column per category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import RequestError
from tasks.transforms.apply import labels, numbers, text_cells

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.recipe import Feature, Transforms

_CONSTANT = 1e-12
"""A column whose spread is less than this part of its largest value is constant but for rounding."""


def fit(frame: pd.DataFrame, features: Mapping[str, Feature], transforms: Transforms) -> dict[str, Any]:
    """Learn how numeric and categorical columns become inputs.

    A model's inputs are, in this order: each numeric column, scaled; for each numeric column with gaps in
    `frame` a 1 where the value is missing; for each categorical column a 1 in the column of its
    category, of `other` (where `frame` had rare categories) or of `missing` (where it had gaps). A
    category never seen shares `other`; without one, all its columns are 0.

    Args:
        frame: The training rows.
        features: Numeric and categorical ones, in the order of the model frame.
        transforms: The recipe's section.

    Raises:
        RequestError: a column is neither numbers nor labels, or has gaps that `impute: none` leaves.
    """
    numeric, categorical, text = [], [], {}
    for column, feature in features.items():
        try:
            if feature.kind == "numeric":
                numeric.append(_fit_numbers(frame[column], transforms))
                if text_cells(frame[column]):
                    text[column] = True
            else:
                categorical.append(_fit_categories(frame[column], transforms))
        except ValueError as error:
            raise RequestError(
                f"data.features.{column}: {error}", remedy="Give the column another kind, or drop it with {kind: drop}."
            ) from error
    width = len(numeric) + sum(entry["gaps"] for entry in numeric)
    width += sum(len(entry["categories"]) + entry["other"] + entry["missing"] for entry in categorical)
    return {
        "kind": "tabular",
        "columns": list(features),
        "input_shape": [width],
        "impute": transforms.impute,
        "numeric": numeric,
        "categorical": categorical,
        "text_is_missing": text,
    }


def scale_of(values: np.ndarray[Any, Any], how: str) -> tuple[float, float]:
    """Shift and scale that make `values` standard (mean 0, deviation 1) or minmax (0 to 1).

    Args:
        values: float64, finite, any shape.
        how: "standard", "minmax" or "none".

    Returns:
        (0, 1) for none or no values; a scale of 1 for a constant column, which then becomes 0.
    """
    if how == "none" or values.size == 0:
        return 0.0, 1.0
    largest = float(np.abs(values).max())
    if largest == 0:
        return 0.0, 1.0
    # In parts of the largest value, so that neither squares nor differences overflow.
    parts = values / largest
    if how == "standard":
        shift, spread = float(parts.mean()), float(parts.std())
    else:
        shift, spread = float(parts.min()), float(np.ptp(parts))
    if spread <= _CONSTANT:
        return float(values.flat[0]), 1.0
    return shift * largest, min(spread * largest, float(np.finfo(np.float64).max))


def fill_of(values: np.ndarray[Any, Any], how: str) -> float | None:
    """What stands in for a missing value: the mean or median of `values` (0 where there are none), or nothing."""
    if how == "none":
        return None
    if values.size == 0:
        return 0.0
    largest = float(np.abs(values).max()) or 1.0
    middle = np.mean(values / largest) if how == "mean" else np.median(values / largest)
    return float(middle) * largest


def _fit_numbers(column: pd.Series[Any], transforms: Transforms) -> dict[str, Any]:
    values = numbers(column)
    present = values[~np.isnan(values)]
    gaps = len(values) - len(present)
    if gaps and transforms.impute == "none":
        raise RequestError(
            f"transforms.impute is none, and the column '{column.name}' has {gaps} gaps among the training rows.",
            remedy="Choose mean or median, or drop the column with {kind: drop}.",
        )
    shift, scale = scale_of(present, transforms.scale)
    return {
        "column": column.name,
        "fill": fill_of(present, transforms.impute),
        "shift": shift,
        "scale": scale,
        "gaps": gaps > 0,
    }


def _fit_categories(column: pd.Series[Any], transforms: Transforms) -> dict[str, Any]:
    codes, found = labels(column)
    counts = np.bincount(codes[codes >= 0], minlength=len(found))
    present = [(label, int(count)) for label, count in zip(found, counts, strict=True) if count]
    # Most frequent first, then by name: the order must not depend on the order of the rows.
    ranked = sorted(present, key=lambda item: (-item[1], item[0]))
    kept = [label for label, count in ranked if count >= transforms.rare_below][: transforms.max_categories]
    missing = bool((codes < 0).any())
    return {
        "column": column.name,
        "categories": sorted(kept),
        "other": len(kept) < len(present),
        "missing": missing or not present,
    }
