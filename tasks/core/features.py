"""Which columns a model sees, and as what: the recipe's kinds plus the ones inferred from dtypes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import (
    CategoricalFeature,
    DatetimeFeature,
    DropFeature,
    Feature,
    ImageFeature,
    NumericFeature,
    SeriesFeature,
    TextFeature,
)
from tasks.core.recipe import Data

RESERVED_COLUMNS = ("row_id", "batch")
"""Columns Evergreen adds to every dataset; no source may have them."""

_NUMERIC_DTYPES = ("int", "uint", "float", "complex", "Int", "UInt", "Float")
_SPAN_DTYPES = ("timedelta", "period", "interval")


def resolve(columns: Mapping[str, str], data: Data) -> dict[str, Feature]:
    """Give every column of a dataset a kind.

    What `data.features` names keeps its kind, whether or not the column is there (that it is missing is
    the `schema` gate's finding). Of the rest, numbers become numeric, points in time calendar features,
    spans of time and the column rows are grouped by are dropped, and everything else is categorical. The
    id and the target are never features, the time only where it is declared as a date. An image feature
    stands for its pixel columns, a series for its steps.

    Args:
        columns: Column name → pandas dtype name, in the order of the frame.
        data: The recipe's `data` section.

    Returns:
        Feature name → kind, in the order of the frame; columns that are not there come last.

    Raises:
        RequestError: the recipe makes a feature of the target or the id, or of the time other than a date.
    """
    _refuse_answers(data)
    owner = {
        column: name
        for name, feature in data.features.items()
        if isinstance(feature, ImageFeature | SeriesFeature)
        for column in parts_of(name, feature)
    }
    never = {data.target, data.id, data.time, *RESERVED_COLUMNS}
    resolved: dict[str, Feature] = {}
    for column, dtype in columns.items():
        name = owner.get(column, column)
        if name in data.features:
            resolved[name] = data.features[name]
        elif column not in never:
            resolved[column] = _inferred(column, dtype, data)
    return resolved | {name: feature for name, feature in data.features.items() if name not in resolved}


def columns_of(features: Mapping[str, Feature]) -> tuple[str, ...]:
    """Columns the model's frame must have, in order: no dropped ones, every pixel of an image, every step."""
    kept = ((name, feature) for name, feature in features.items() if not isinstance(feature, DropFeature))
    return tuple(column for name, feature in kept for column in parts_of(name, feature))


def parts_of(name: str, feature: Feature) -> list[str]:
    """The columns of one feature, a dropped one too: pixels row by row, the steps of one channel after another."""
    if isinstance(feature, ImageFeature):
        return pixel_columns(name, feature)
    if isinstance(feature, SeriesFeature):
        of = [f"{name}_{channel}" for channel in feature.channels] or [name]
        return [f"{prefix}_{step}" for prefix in of for step in range(feature.length)]
    return [name]


def pixel_columns(name: str, feature: ImageFeature) -> list[str]:
    """The columns `<name>_<row>_<column>` of an image, row by row."""
    height, width = feature.size
    return [f"{name}_{row}_{column}" for row in range(height) for column in range(width)]


def inputs_of(features: Mapping[str, Feature]) -> tuple[int, ...]:
    """The shape of one example, as far as it is known before anything is fitted.

    Returns:
        (images, height, width) for images; (1,) for a text, however many ids it gets; (steps, channels + 1) for a
        series; (columns,) for others, where a category counts as one column; for a text or a series with columns
        beside it one number, that of both together; empty where no column is left to learn from, or images have other
        features beside them or there are several texts or series, which no model takes.
    """
    kept = [feature for feature in features.values() if not isinstance(feature, DropFeature)]
    sequences = [_sequence(feature) for feature in kept if isinstance(feature, TextFeature | SeriesFeature)]
    sizes = [feature.size for feature in kept if isinstance(feature, ImageFeature)]
    if sizes:
        return (len(sizes), *sizes[0]) if len(sizes) == len(kept) else ()
    if not sequences:
        return (len(kept),) if kept else ()
    if len(sequences) > 1:
        return ()
    return sequences[0] if len(kept) == 1 else (math.prod(sequences[0]) + len(kept) - 1,)


def sequence_of(features: Mapping[str, Feature]) -> tuple[int, ...]:
    """The shape of the text or series that has numbers or categories beside it, as `inputs_of` counts; else empty."""
    kept = [feature for feature in features.values() if not isinstance(feature, DropFeature)]
    sequences = [_sequence(feature) for feature in kept if isinstance(feature, TextFeature | SeriesFeature)]
    return sequences[0] if len(sequences) == 1 < len(kept) and inputs_of(features) else ()


def least_vocabulary(features: Mapping[str, Feature]) -> int:
    """Token ids that a text has before anything is fitted, padding and unknown; 0 where there is no text."""
    return 2 if any(isinstance(feature, TextFeature) for feature in features.values()) else 0


def _sequence(feature: TextFeature | SeriesFeature) -> tuple[int, ...]:
    return (1,) if isinstance(feature, TextFeature) else (feature.length, (len(feature.channels) or 1) + 1)


def _inferred(column: str, dtype: str, data: Data) -> Feature:
    if dtype.startswith(_SPAN_DTYPES) or column == getattr(data.split, "group", None):
        return DropFeature(kind="drop")
    if dtype.startswith(_NUMERIC_DTYPES):
        return NumericFeature(kind="numeric")
    if dtype.startswith("datetime"):
        return DatetimeFeature(kind="datetime")
    return CategoricalFeature(kind="categorical")


def _refuse_answers(data: Data) -> None:
    roles: Iterable[tuple[str, str | None]] = (("target", data.target), ("id", data.id), ("time", data.time))
    for role, column in roles:
        feature = data.features.get(column) if column is not None else None
        allowed = ("drop", "datetime") if role == "time" else ("drop",)
        if feature is not None and feature.kind not in allowed:
            or_date = ", let it be {kind: datetime}" if role == "time" else ""
            raise RequestError(
                f"data.features.{column} makes a feature of the column that data.{role} names.",
                remedy=f"Remove data.features.{column}{or_date}, or name another column in data.{role}.",
                code="features",
            )
