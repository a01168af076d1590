"""Reads a dataset into what is described: numbers, categories, images, texts and the target, with counts per column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from tasks.core.feature_kinds import DatetimeFeature, Feature, ImageFeature, SeriesFeature
from tasks.core.features import parts_of, pixel_columns, resolve
from tasks.core.recipe import Data
from tasks.core.truth import truth_of
from tasks.explore.calendars import Dates
from tasks.report.boxes import fences
from tasks.report.svg import TOO_LARGE
from tasks.transforms.dates import read


@dataclass(frozen=True)
class Table:
    """A dataset of N rows, by kind of column.

    Numbers are float64 [N] with NaN where a value is missing, infinite or too large to square, categories
    and texts are text [N] with None where missing, images float32 [N, H, W].
    """

    rows: int
    batches: int
    numeric: dict[str, np.ndarray]
    categorical: dict[str, np.ndarray]
    images: dict[str, np.ndarray]
    texts: dict[str, np.ndarray]
    series: dict[str, np.ndarray]
    """Channel of a series → float64 [N, L], NaN where a step has no number."""
    dates: dict[str, Dates]
    dropped: tuple[str, ...]
    target_name: str
    """Empty where no column is predicted."""
    classes: tuple[str, ...]
    """Class labels as text, in order; empty for regression."""
    target: np.ndarray
    """float64 [N]: number of the class, or the value; NaN where a row is unlabelled. 0 where none is predicted."""

    @property
    def labelled(self) -> np.ndarray:
        """Rows whose target is known, bool [N]."""
        return np.asarray(np.isfinite(self.target))


@dataclass(frozen=True)
class Numbers:
    """What one numeric column looks like; all but the counts are NaN where no value is known."""

    missing: int
    distinct: int
    low: float
    median: float
    high: float
    mean: float
    deviation: float
    skewness: float
    """Third standardised moment: 0 is symmetric, above 0 has a long right tail."""
    outliers: int
    """Rows beyond Tukey's fences (1.5 quartile distances); 0 where both quartiles are the same."""


def read_table(frame: pd.DataFrame, data: Data, problem: str) -> Table:
    """Sort the columns of `frame` (row_id, batch, then the user's) by kind; see `tasks/core/features.py`."""
    features = resolve({str(name): str(dtype) for name, dtype in frame.dtypes.items()}, data)
    present = {name: feature for name, feature in features.items() if _columns(name, feature) <= set(frame.columns)}
    classes, target = _target(truth_of(frame, data.target), problem)
    return Table(
        rows=len(frame),
        batches=int(frame["batch"].nunique()),
        numeric={name: _numbers(frame[name]) for name, feature in present.items() if feature.kind == "numeric"},
        categorical={name: _texts(frame[name]) for name, feature in present.items() if feature.kind == "categorical"},
        images={
            name: frame[pixel_columns(name, feature)].to_numpy(np.float32, na_value=np.nan).reshape(-1, *feature.size)
            for name, feature in present.items()
            if isinstance(feature, ImageFeature)
        },
        texts={name: _texts(frame[name]) for name, feature in present.items() if feature.kind == "text"},
        series={
            channel: np.column_stack([_numbers(frame[column]) for column in columns])
            for name, feature in present.items()
            if isinstance(feature, SeriesFeature)
            for channel, columns in _channels(name, feature).items()
        },
        dates={
            name: Dates(read(frame[name], feature.timezone)[0], feature.parts)
            for name, feature in present.items()
            if isinstance(feature, DatetimeFeature)
        },
        dropped=tuple(name for name, feature in present.items() if feature.kind == "drop"),
        target_name=data.target or "",
        classes=classes,
        target=target,
    )


def describe(values: np.ndarray) -> Numbers:
    """Count and measure one numeric column, float64 [N] with NaN for missing."""
    known = values[np.isfinite(values)]
    missing = len(values) - len(known)
    if not known.size:
        none = float("nan")
        return Numbers(missing, 0, none, none, none, none, none, none, 0)
    mean, deviation = float(known.mean()), float(known.std())
    # The deviation of a constant float column is rounding error, not a scale to divide by.
    scaled = (known - mean) / deviation if deviation > 1e-12 * abs(mean) else np.zeros(1)
    low, high = fences(known)
    return Numbers(
        missing=missing,
        distinct=len(np.unique(known)),
        low=float(known.min()),
        median=float(np.median(known)),
        high=float(known.max()),
        mean=mean,
        deviation=deviation,
        skewness=float((scaled**3).mean()),
        outliers=int(((known < low) | (known > high)).sum()) if high > low else 0,
    )


def categories(values: np.ndarray) -> tuple[list[tuple[str, int]], int]:
    """Categories of one column and their rows, the most frequent first, and the rows without one."""
    known = pd.Series(values).dropna()
    counts = known.value_counts()
    ordered = sorted(((str(name), int(rows)) for name, rows in counts.items()), key=lambda pair: (-pair[1], pair[0]))
    return ordered, len(values) - len(known)


def words(texts: np.ndarray) -> np.ndarray:
    """How many words each text has, parted by white space; text [N] with None for missing, which has none."""
    return np.array([0 if text is None else len(text.split()) for text in texts], dtype=np.float64)


def _columns(name: str, feature: Feature) -> set[str]:
    return set(parts_of(name, feature))


def _channels(name: str, feature: SeriesFeature) -> dict[str, list[str]]:
    """Channel → its columns, in the order of the steps."""
    columns, length = parts_of(name, feature), feature.length
    names = [f"{name}_{channel}" for channel in feature.channels] or [name]
    return {channel: columns[place * length : (place + 1) * length] for place, channel in enumerate(names)}


def _target(column: pd.Series, problem: str) -> tuple[tuple[str, ...], np.ndarray]:
    if problem != "classification":
        return (), _numbers(column)
    known = column.dropna()
    classes = sorted(known.unique().tolist(), key=lambda label: (isinstance(label, str), label))
    place = {label: position for position, label in enumerate(classes)}
    codes = np.array([place.get(label, np.nan) for label in column.tolist()], dtype=np.float64)
    return tuple(str(label) for label in classes), codes


def _numbers(column: pd.Series) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.abs(values) < TOO_LARGE, values, np.nan)


def _texts(column: pd.Series) -> np.ndarray:
    return np.array(
        [None if missing else str(value) for value, missing in zip(column, column.isna(), strict=True)], object
    )
