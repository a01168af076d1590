"""Fits the transform of numbers, categories and dates: gaps, scale, one column per category, calendar features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import RequestError
from tasks.transforms import dates
from tasks.transforms.apply import clipped
from tasks.transforms.cells import labels, numbers, text_cells

if TYPE_CHECKING:
    import pandas as pd

    from tasks.core.feature_kinds import DatetimeFeature, Feature
    from tasks.core.preprocessing import Transforms

_CONSTANT = 1e-12
"""A column whose spread is less than this part of its largest value is constant but for rounding."""

_REACH = 1.5
"""How far beyond the quartiles a value may lie, in distances of the quartiles (Tukey, 1977)."""

_LARGEST = float(np.finfo(np.float64).max)


def fit(frame: pd.DataFrame, features: Mapping[str, Feature], transforms: Transforms) -> dict[str, Any]:
    """Learn how numbers, categories and dates become inputs.

    A model's inputs are, in this order: each numeric column, clipped and scaled; for each numeric column
    with gaps in `frame` (or as `missing_flag` says) a 1 where the value is missing; for each categorical
    column a 1 in the column of its category, of `other` (where `frame` had rare categories) or of `missing`
    (where it had gaps). A category never seen shares `other`; without one, all its columns are 0. Then, for each
    date, its parts (`dates.py`) and its flag, as numbers have one. With `impute: none` every flag is a mask: there
    for every number and date, 1 where there is a value and 0 where there is none, and a gap is 0 itself.

    Args:
        frame: The training rows.
        features: Numbers, categories and dates, in the order of the model frame.
        transforms: The recipe's section.

    Raises:
        RequestError: a column is not what it should be, or has gaps that `impute: refuse` refuses.
    """
    numeric, categorical, calendar, text = [], [], [], {}
    for column, feature in features.items():
        try:
            if feature.kind == "numeric":
                numeric.append(_fit_numbers(frame[column], transforms))
                if text_cells(frame[column]):
                    text[column] = True
            elif feature.kind == "datetime":
                calendar.append(_fit_dates(frame[column], feature, transforms))
                if dates.read(frame[column], feature.timezone)[1].any():
                    text[column] = True
            else:
                categorical.append(_fit_categories(frame[column], transforms))
        except ValueError as error:
            raise RequestError(
                f"data.features.{column}: {error}", remedy="Give the column another kind, or drop it with {kind: drop}."
            ) from error
    width = len(numeric) + sum(entry["gaps"] for entry in numeric)
    width += sum(len(entry["categories"]) + entry["other"] + entry["missing"] for entry in categorical)
    width += sum(len(entry["fill"]) + entry["gaps"] for entry in calendar)
    return {
        "kind": "tabular",
        "columns": list(features),
        "input_shape": [width],
        "impute": transforms.impute,
        "mask": transforms.impute == "none",
        "numeric": numeric,
        "categorical": categorical,
        "dates": calendar,
        "text_is_missing": text,
    }


def scaling_of(values: np.ndarray[Any, Any], transforms: Transforms) -> dict[str, Any]:
    """What stands for a gap, where numbers are cut off, and how they are scaled: `fill`, `fences`, `shift`, `scale`.

    Args:
        values: float64, finite, any shape; all that share one scale.
        transforms: The recipe's section.
    """
    fences = fences_of(values, transforms.outliers)
    values = clipped(values, {"fences": fences})
    shift, scale = scale_of(values, transforms.scale)
    fill = fill_of(values, transforms.impute, transforms.fill_value)
    return {"fill": fill, "fences": fences, "shift": shift, "scale": scale}


def scale_of(values: np.ndarray[Any, Any], how: str) -> tuple[float, float]:
    """Shift and scale with which (values − shift) / scale is what `how` asks for.

    Args:
        values: float64, finite, any shape.
        how: "standard" (mean 0, standard deviation 1), "minmax" (0 to 1), "minmax_symmetric" (−1 to 1),
            "robust" (median 0, distance of the quartiles 1) or "none".

    Returns:
        (0, 1) for none or no values; a scale of 1 for a constant column, which then becomes 0. Where the
        quartiles of a column that is not constant are equal, its standard deviation is the robust scale.
    """
    if how == "none" or values.size == 0:
        return 0.0, 1.0
    largest = float(np.abs(values).max())
    if largest == 0:
        return 0.0, 1.0
    # In parts of the largest value, so that neither squares nor differences overflow.
    parts = values / largest
    shift, spread = _middle_and_spread(parts, how)
    if spread <= _CONSTANT:
        return float(values.flat[0]), 1.0
    return shift * largest, min(spread * largest, _LARGEST)


def fences_of(values: np.ndarray[Any, Any], how: str) -> list[float] | None:
    """Tukey's fences: the lowest and the highest value that is kept as it is.

    Args:
        values: float64, finite, any shape.
        how: "clip"; or "keep" or "exclude", which leave every value as it is.

    Returns:
        None for keep, exclude, no values, or equal quartiles: cut off there, a column that is nearly always one value
        would always be it.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if how != "clip" or largest == 0:
        return None
    lower, upper = (float(value) for value in np.quantile(values / largest, (0.25, 0.75)))
    reach = _REACH * (upper - lower)
    if reach <= _CONSTANT:
        return None
    with np.errstate(over="ignore"):
        fences = np.clip(np.array([lower - reach, upper + reach]) * largest, -_LARGEST, _LARGEST)
    return [float(fence) for fence in fences]


def fill_of(values: np.ndarray[Any, Any], how: str, constant: float | None = None) -> float | None:
    """What stands in for a missing value.

    Args:
        values: float64, finite, any shape.
        how: "mean" or "median" of `values` (0 where there are none), "constant", "none" or "refuse".
        constant: The constant.

    Returns:
        None for none and refuse.
    """
    if how in ("none", "refuse"):
        return None
    if how == "constant":
        return constant
    if values.size == 0:
        return 0.0
    largest = float(np.abs(values).max()) or 1.0
    middle = np.mean(values / largest) if how == "mean" else np.median(values / largest)
    return float(middle) * largest


def _middle_and_spread(parts: np.ndarray[Any, Any], how: str) -> tuple[float, float]:
    """Shift and scale of values within −1 and 1, in the same unit."""
    if how == "standard":
        return float(parts.mean()), float(parts.std())
    if how == "robust":
        lower, middle, upper = (float(value) for value in np.quantile(parts, (0.25, 0.5, 0.75)))
        spread = upper - lower
        return middle, spread if spread > _CONSTANT else float(parts.std())
    lowest, width = float(parts.min()), float(np.ptp(parts))
    return (lowest + width / 2, width / 2) if how == "minmax_symmetric" else (lowest, width)


def _fit_numbers(column: pd.Series[Any], transforms: Transforms) -> dict[str, Any]:
    values = numbers(column)
    present = values[~np.isnan(values)]
    gaps = len(values) - len(present)
    return {"column": column.name, **scaling_of(present, transforms), "gaps": _flagged(column, gaps, transforms)}


def _fit_dates(column: pd.Series[Any], feature: DatetimeFeature, transforms: Transforms) -> dict[str, Any]:
    moments = dates.moments_of(column, feature.timezone)
    # In the order of time: sums must not depend on the order of the rows.
    inputs = dates.inputs_of(np.sort(moments[~np.isnat(moments)]), feature.parts)
    shift, scale = np.zeros(inputs.shape[1]), np.ones(inputs.shape[1])
    if "year" in feature.parts:
        # The one part without a middle and a width of its own.
        place = sum(2 if part in dates.CYCLES else 1 for part in feature.parts[: feature.parts.index("year")])
        shift[place], scale[place] = scale_of(inputs[:, place], transforms.scale)
    filled = len(inputs) and transforms.impute != "none"
    fill = ((inputs - shift) / scale).mean(axis=0) if filled else np.zeros(inputs.shape[1])
    return {
        "column": column.name,
        "timezone": feature.timezone,
        "parts": list(feature.parts),
        "shift": shift.tolist(),
        "scale": scale.tolist(),
        "fill": fill.tolist(),
        "gaps": _flagged(column, len(moments) - len(inputs), transforms),
    }


def _flagged(column: pd.Series[Any], gaps: int, transforms: Transforms) -> bool:
    """Whether a column of inputs tells the network about a column's gaps."""
    if gaps and transforms.impute == "refuse":
        raise RequestError(
            f"transforms.impute is refuse, and the column '{column.name}' has {gaps} gaps among the training rows.",
            remedy="Choose another impute, or drop the column with {kind: drop}.",
        )
    return transforms.impute == "none" or {"auto": gaps > 0, "always": True, "never": False}[transforms.missing_flag]


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
