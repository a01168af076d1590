"""Chooses columns by what the training rows say; the others are dropped, and the model's frame needs them no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import DropFeature
from tasks.transforms.cells import labels, numbers

if TYPE_CHECKING:
    from tasks.core.feature_kinds import Feature
    from tasks.core.selection import Importance, Redundancy, Select

MOST_ROWS = 20_000
"""Rows that columns are compared by, evenly spread over all: beyond them nothing changes but the time it takes."""
TREES = 100

Columns = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Selected:
    """What was chosen."""

    features: dict[str, Feature]
    """All features; those that were left out are dropped ones now."""
    left_out: dict[str, str]
    """Column → why it was left out, in a few words."""


def select(
    frame: pd.DataFrame, features: Mapping[str, Feature], target: npt.NDArray[Any], problem: str, settings: Select
) -> Selected:
    """Leave columns out.

    Args:
        frame: The training rows [N] and nothing else, in an order that depends on the rows alone.
        features: Resolved features.
        target: int64 [N] positions in the classes, or float64 [N].
        problem: The recipe's.
        settings: `transforms.select`.

    Raises:
        RequestError: there are images, whose pixels are no columns to choose from; a column cannot be what the recipe
            says it is; or more columns shall be kept than there are.
    """
    kept = {name: feature for name, feature in features.items() if feature.kind != "drop"}
    if settings.kind == "none":
        return Selected(dict(features), {})
    # A date is several inputs that say something together only; it stays.
    kept = {name: feature for name, feature in kept.items() if feature.kind != "datetime"}
    odd = next((f"'{name}' is of kind {part.kind}" for name, part in kept.items() if part.kind not in _COLUMNS), None)
    if odd:
        raise RequestError(
            f"transforms.select chooses among numbers and categories, and {odd}.",
            remedy="Remove transforms.select, or drop that feature with {kind: drop}.",
        )
    some = np.unique(np.linspace(0, len(frame) - 1, min(MOST_ROWS, len(frame))).astype(np.int64))
    frame, target = frame.iloc[some], target[some]
    try:
        if settings.kind == "redundancy":
            left_out = redundant(frame, [name for name in kept if kept[name].kind == "numeric"], settings)
        else:
            left_out = unimportant(frame, kept, target, problem, settings)
    except ValueError as error:
        raise RequestError(
            f"data.features: {error}", remedy="Give the column another kind, or drop it with {kind: drop}."
        ) from error
    drop = DropFeature(kind="drop")
    return Selected({name: drop if name in left_out else part for name, part in features.items()}, left_out)


_COLUMNS = ("numeric", "categorical")


def redundant(frame: pd.DataFrame, columns: list[str], settings: Redundancy) -> dict[str, str]:
    """Column → the earlier one, among those kept, that it says almost the same as.

    Correlations are over the rows in which both have a number; a constant column correlates with none. A column stays
    where every column it is like was left out itself.
    """
    values = np.column_stack([numbers(frame[column]) for column in columns]) if columns else np.empty((len(frame), 0))
    table = pd.DataFrame(values, columns=columns)
    found = np.abs(table.corr(method=settings.measure, min_periods=3).to_numpy())
    kept: list[int] = []
    left_out: dict[str, str] = {}
    for place, column in enumerate(columns):
        alike = [other for other in kept if found[place, other] >= settings.correlation]
        if alike:
            nearest = max(alike, key=lambda other: found[place, other])
            left_out[column] = f"|r| = {found[place, nearest]:.3f} with {columns[nearest]}"
        else:
            kept.append(place)
    return left_out


def unimportant(
    frame: pd.DataFrame, features: Mapping[str, Feature], target: npt.NDArray[Any], problem: str, settings: Importance
) -> dict[str, str]:
    """Column → how little it tells, of all but the `keep` that tell most; of equals the earlier is kept."""
    if settings.keep > len(features):
        raise RequestError(
            f"transforms.select.keep is {settings.keep}, and there are {len(features)} columns to choose from.",
            remedy="Make it smaller, or remove transforms.select.",
        )
    told = importances(frame, features, target, problem, settings)
    ranked = sorted(range(len(told)), key=lambda place: (-told[place], place))
    names = list(features)
    what = "mutual information" if settings.by == "mutual_information" else "part in a forest"
    last = {names[place]: f"{what} {told[place]:.3g}" for place in ranked[settings.keep :]}
    return {name: last[name] for name in names if name in last}


def importances(
    frame: pd.DataFrame, features: Mapping[str, Feature], target: npt.NDArray[Any], problem: str, settings: Importance
) -> Columns:
    """How much each column tells about the target; float64 [columns], ≥ 0.

    Mutual information is in nats, of one column at a time; the forest's parts sum to 1. Gaps count as the median of
    a number, and as a category of their own. Categories are numbered in the order of their names.
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

    columns = np.column_stack([_filled(frame[name], part.kind) for name, part in features.items()])
    classes = problem == "classification"
    if settings.by == "forest":
        forest = RandomForestClassifier if classes else RandomForestRegressor
        grown = forest(TREES, random_state=settings.seed, n_jobs=1).fit(columns, target)
        parts: Columns = grown.feature_importances_
        return parts
    discrete = np.array([part.kind == "categorical" for part in features.values()])
    information = mutual_info_classif if classes else mutual_info_regression
    found: Columns = information(columns, target, discrete_features=discrete, random_state=settings.seed)
    return found


def _filled(column: pd.Series[Any], kind: str) -> Columns:
    """float64 [N] without gaps."""
    if kind == "numeric":
        values = numbers(column)
        present = values[~np.isnan(values)]
        return np.where(np.isnan(values), np.median(present) if len(present) else 0.0, values)
    codes, found = labels(column)
    order = np.argsort(np.argsort(np.array(found, dtype=object)))
    places: Columns = np.append(order, -1)[codes].astype(np.float64)
    return places
