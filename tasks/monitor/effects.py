"""How far a window of rows lies from a reference, column by column, as an effect size in [0, 1].

numbers       Kolmogorov-Smirnov distance: the largest difference between the two distribution functions
labels        total variation distance: half the sum of the differences between the two shares of each label
dates         as two columns, the time of day (numbers, where the model sees it) and the day of the week (labels): what
              goes on by itself, as the month and the year do, is no drift
texts         as numbers, by how many words each has: hardly a text occurs twice, so as labels all would be new

Neither has a unit, neither grows with the number of rows as a test statistic does, and neither notices a
monotone change of scale. 0 means that the distributions are equal, 1 that they do not overlap.

Missing values are a part of the distribution. Among labels they are one more label. Among numbers they have
no place in the order, so they are put below all numbers once and above all once, and the larger distance
counts: it is never less than the difference of the two missing shares, and turning the numbers' signs does
not change it.

A window that is a part of the reference itself is compared with the *rest* of it without computing the
rest: both distances are linear in the difference of two distributions, and the window W of n rows among the
N rows of H obeys W - (H without W) = N / (N - n) · (W - H).

Notation: M windows of n rows each; L distinct values (levels) of the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tasks.core.feature_kinds import (
    DatetimeFeature,
    DropFeature,
    Feature,
    ImageFeature,
    NumericFeature,
    SeriesFeature,
    TextFeature,
)
from tasks.core.features import columns_of, parts_of
from tasks.transforms.dates import part_of, read

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Kind = Literal["numbers", "labels", "texts"]

DENSE = 2_000_000
"""Counts of a table windows × labels up to which it is filled; beyond it only the labels that occur are counted."""


@dataclass(frozen=True)
class Numbers:
    """The reference of a numeric column: its distribution function, tabulated by code.

    Code 0 is missing, 2 i + 2 is the level i and 2 i + 1 lies between the levels i - 1 and i, so that codes are
    ordered as the values are.
    """

    levels: Floats
    """[L] distinct values, ascending."""
    counts: Floats
    """[L] rows of each."""
    missing: int

    def encode(self, values: Floats) -> Codes:
        """Codes of `values` [n], which may lie between the levels or be missing (NaN)."""
        place = np.searchsorted(self.levels, values)
        inside = np.minimum(place, len(self.levels) - 1)
        known = self.levels[inside] == values if len(self.levels) else np.zeros(len(values), bool)
        codes: Codes = np.where(np.isnan(values), 0, 2 * place + 1 + known).astype(np.int32)
        return codes

    def effects(self, codes: Codes) -> Floats:
        """Distance [M] of each of the windows `codes` [M, n] from the reference."""
        low = self._distance(np.sort(codes, axis=1), self.missing, 0)
        if not self.missing and codes.all():
            return low
        above = np.where(codes == 0, 2 * len(self.levels) + 2, codes)
        return np.maximum(low, self._distance(np.sort(above, axis=1), 0, self.missing))

    def _distance(self, ordered: Codes, below: int, above: int) -> Floats:
        """Kolmogorov-Smirnov distance [M] of `ordered` codes [M, n], with missing reference rows at either end."""
        rows = self.counts.sum() + below + above
        upto = np.empty(2 * len(self.levels) + 3)
        upto[0] = below
        upto[2:-1:2] = below + np.cumsum(self.counts)
        upto[1:-1:2] = np.r_[below, upto[2:-2:2]] if len(self.levels) else below
        upto[-1] = rows
        upto /= rows
        before = np.r_[0.0, upto[:-1]]
        # What lies between two levels is no row of the reference: nothing is added there.
        before[2:-1:2] = upto[1:-2:2]
        before[1:-1:2] = upto[1:-1:2]
        steps = np.arange(1, ordered.shape[1] + 1) / ordered.shape[1]
        over = (steps - upto[ordered]).max(axis=1)
        under = (before[ordered] - steps + steps[0]).max(axis=1)
        found: Floats = np.clip(np.maximum(over, under), 0.0, 1.0)
        return found


@dataclass(frozen=True)
class Labels:
    """The reference of a column of labels: the share of each, and a place for labels it has not."""

    places: Mapping[str, int]
    shares: Floats
    """[L + 2] share of each label, of missing values (L) and of new labels (L + 1), which is 0."""

    def encode(self, labels: NDArray[Any]) -> Codes:
        """Codes of `labels` [n], text or None."""
        codes, found = pd.factorize(labels)
        missing, new = len(self.places), len(self.places) + 1
        table = np.array([*(self.places.get(label, new) for label in found), missing], np.int32)
        return np.asarray(table[codes])

    def effects(self, codes: Codes) -> Floats:
        """Distance [M] of each of the windows `codes` [M, n] from the reference."""
        windows, rows = codes.shape
        keys = (np.arange(windows)[:, None] * len(self.shares) + codes).ravel()
        # The shares of both sum to one, so what the window has too much of is half of all differences.
        if windows * len(self.shares) <= DENSE:
            counts = np.bincount(keys, minlength=windows * len(self.shares)).reshape(windows, -1)
            found: Floats = np.maximum(counts / rows - self.shares, 0).sum(axis=1)
        else:
            cells, counts = np.unique(keys, return_counts=True)
            excess = np.maximum(counts / rows - self.shares[cells % len(self.shares)], 0)
            found = np.bincount(cells // len(self.shares), excess, minlength=windows).astype(np.float64)
        return np.clip(found, 0.0, 1.0)


Reference = Numbers | Labels


def as_compared(frame: pd.DataFrame, features: Mapping[str, Feature]) -> pd.DataFrame:
    """The frame [N] with the columns that `kinds` names of dates, beside its own."""
    made: dict[str, Floats] = {}
    for name, feature in features.items():
        if isinstance(feature, DatetimeFeature) and name in frame.columns:
            moments = read(frame[name], feature.timezone)[0]
            made |= {column: part_of(moments, part) for column, part in _clocks(name, feature).items()}
    return frame.assign(**made) if made else frame


def kinds(features: Mapping[str, Feature]) -> dict[str, Kind]:
    """Column → how it is compared, in the order of the model's frame; every pixel and every step is a column.

    A date is the columns `<name> (hour)`, where the model sees it, and `<name> (weekday)`, which `as_compared` makes.
    """
    numeric = {name for name, feature in features.items() if isinstance(feature, NumericFeature)}
    for name, feature in features.items():
        if isinstance(feature, ImageFeature | SeriesFeature):
            numeric.update(parts_of(name, feature))
    kept = columns_of({name: feature for name, feature in features.items() if not isinstance(feature, DropFeature)})
    texts = {name for name, feature in features.items() if isinstance(feature, TextFeature)}
    found: dict[str, Kind] = {}
    for column in kept:
        date = features.get(column)
        if isinstance(date, DatetimeFeature):
            found |= {name: "numbers" if part == "hour" else "labels" for name, part in _clocks(column, date).items()}
        else:
            found[column] = "numbers" if column in numeric else "texts" if column in texts else "labels"
    return found


def _clocks(name: str, feature: DatetimeFeature) -> dict[str, str]:
    """Column → the part of a date it holds."""
    parts = ("hour", "weekday") if "hour" in feature.parts else ("weekday",)
    return {f"{name} ({part})": part for part in parts}


def values_of(series: pd.Series, kind: Kind) -> NDArray[Any]:
    """The column as float64 with NaN, or as text with None; what is no number where one is due is missing."""
    if kind == "texts":
        return _words(series)
    return _numbers(series) if kind == "numbers" else _texts(series)


def reference(values: NDArray[Any], kind: Kind) -> Reference:
    """Tabulate a reference from `values` [N] as `values_of` gives them."""
    if kind != "labels":
        present = values[~np.isnan(values)]
        levels, counts = np.unique(present, return_counts=True)
        return Numbers(levels, counts.astype(np.float64), len(values) - len(present))
    codes, found = pd.factorize(values)
    counts = np.bincount(np.where(codes < 0, len(found), codes), minlength=len(found) + 2)
    return Labels({label: place for place, label in enumerate(found)}, counts / max(len(values), 1))


def effect(reference_rows: pd.Series, window: pd.Series, kind: Kind) -> float:
    """Effect size between two columns of at least one row each."""
    against = reference(values_of(reference_rows, kind), kind)
    return float(against.effects(against.encode(values_of(window, kind))[None, :])[0])


def _numbers(series: pd.Series) -> Floats:
    if pd.api.types.is_datetime64_any_dtype(series) or pd.api.types.is_timedelta64_dtype(series):
        instants = series.to_numpy(dtype="datetime64[ns]" if series.dtype.kind in "MO" else "timedelta64[ns]")
        return np.where(np.isnat(instants), np.nan, instants.astype(np.int64).astype(np.float64))
    if pd.api.types.is_complex_dtype(series):
        return np.asarray(np.abs(series.to_numpy()), np.float64)
    if not pd.api.types.is_numeric_dtype(series):
        series = pd.to_numeric(series.astype(object), errors="coerce")
    return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))


def _words(series: pd.Series) -> Floats:
    """How many words each text has, parted by white space."""
    missing = series.isna().to_numpy(bool)
    return np.array([np.nan if gone else len(str(cell).split()) for cell, gone in zip(series, missing, strict=True)])


def _texts(series: pd.Series) -> NDArray[Any]:
    """Labels as text: 3, 3.0 and "3" are one label, as they are one class in tasks/metrics."""
    missing = series.isna().to_numpy(bool)
    values = series.astype(object).to_numpy()
    try:
        codes, found = pd.factorize(values)
    except TypeError:  # lists and other things without a hash
        codes, found = pd.factorize(np.array([str(value) for value in values], dtype=object))
    texts: NDArray[Any] = np.array([*(_text(value) for value in found), None], dtype=object)[codes]
    texts[missing] = None
    return texts


def _text(value: Any) -> str:
    plain = value.item() if hasattr(value, "item") else value
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)
