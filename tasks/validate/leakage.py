"""Gate `leakage`: test rows that training has seen, and columns that give the target away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from tasks.core.contracts import Gate
from tasks.core.feature_kinds import (
    CategoricalFeature,
    DatetimeFeature,
    ImageFeature,
    NumericFeature,
    SeriesFeature,
    TextFeature,
)
from tasks.core.features import parts_of
from tasks.validate.candidate import Candidate
from tasks.validate.cells import as_numbers, seconds_of
from tasks.validate.chance import COARSER, Cells, repeats_are_natural, sample_of
from tasks.validate.giveaway import find

TOLERANCES = (0.01, 1e-6)
"""Near duplicates differ in no number by more than this share of the column's spread, and in no label.

The second stands for exact copies: it is used where so few columns are so coarse that rows come near each
other by chance at the first.
"""
TEST_ROWS = 5000
"""Test rows compared at most, spread evenly over their row ids."""
AXES = 64
"""Columns compared at once; of more, means over groups of columns are compared first."""
SINGLE = 1
"""One matching pair is a coincidence that stops nothing."""
GAP = -1e6
FARTHEST = 1e300
"""Distance, in spreads, beyond which nothing is told apart; far enough below the largest float to be added up."""


@dataclass(frozen=True)
class Overlap:
    """How many test rows have a near duplicate among the training rows."""

    compared: int
    overlapping: int
    natural: bool
    """The columns can hardly tell rows apart, so that repeats mean nothing."""

    @property
    def share(self) -> float:
        """Share of the compared test rows."""
        return round(self.overlapping / self.compared, 6) if self.compared else 0.0


def gate(labelled: Candidate, sides: pd.Series, maximum: float) -> Gate:
    """Judge both kinds of leakage.

    Args:
        labelled: Rows that are kept and have a target.
        sides: Split of each of them [N].
        maximum: Largest share of test rows that may have a near duplicate among the training rows.
    """
    overlap = overlap_of(labelled, sides)
    giveaways = find(labelled)
    evidence: dict[str, Any] = {
        "test_rows_compared": overlap.compared,
        "test_rows_overlapping": overlap.overlapping,
        "share": overlap.share,
        "columns": [name for giveaway in giveaways for name in giveaway.columns],
    }
    if overlap.natural:
        evidence["note"] = "The columns can hardly tell rows apart, so repeats are natural and not judged."
    problems = [giveaway.sentence(str(labelled.data.target)) for giveaway in giveaways]
    if giveaways:
        problems.append("declare what is not known before the prediction as {kind: drop}")
    if overlap.share > maximum and overlap.overlapping > SINGLE and not overlap.natural:
        problems.insert(
            0,
            f"{overlap.overlapping} of {overlap.compared} test rows ({overlap.share:.1%}) have a near duplicate among "
            f"the training rows, {maximum:.1%} may",
        )
    if problems:
        return Gate("leakage", "failed", maximum, {**evidence, "reason": "; ".join(problems) + "."})
    return Gate("leakage", "passed", maximum, evidence)


def overlap_of(candidate: Candidate, sides: pd.Series) -> Overlap:
    """Count the test rows that agree with some training row in every column.

    A number agrees where it differs by at most `TOLERANCES[0]` times the column's spread (the distance between
    its quartiles; where that is 0, between those of the other values), a label where it is the same, a gap where
    both are gaps. At most `TEST_ROWS` test rows are compared.
    """
    test = candidate.frame.index[sides == "test"]
    test = test[np.argsort(candidate.frame.loc[test, "row_id"].to_numpy(), kind="stable")]
    if len(test) > TEST_ROWS:
        test = test[np.linspace(0, len(test) - 1, TEST_ROWS).astype(int)]
    train = candidate.frame.index[sides == "train"]
    points, quantities = coordinates(candidate, candidate.frame.loc[[*train, *test]])
    if not len(test) or not len(train) or not points.shape[1]:
        return Overlap(len(test), 0, natural=False)
    told_apart = [tolerance for tolerance in TOLERANCES if not _natural(points, quantities, tolerance)]
    tolerance = (told_apart or [TOLERANCES[-1]])[0]
    matched = _near(points[: len(train)], points[len(train) :], tolerance)
    return Overlap(len(test), int(matched.sum()), natural=not told_apart)


def _natural(points: npt.NDArray[np.float64], quantities: npt.NDArray[np.bool_], tolerance: float) -> bool:
    """Whether points [N, D], rounded to the tolerance, would repeat each other by chance."""
    sample = points[sample_of(len(points))]
    fine, coarse = np.floor(sample / tolerance), np.floor(sample / (tolerance * COARSER))
    cells = [Cells(fine[:, axis], coarse[:, axis] if quantity else None) for axis, quantity in enumerate(quantities)]
    return repeats_are_natural(cells, len(points))


def coordinates(candidate: Candidate, frame: pd.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Rows as points [N, D] in which one unit is a column's spread, or another label.

    The pixels of an image share one spread, as most of some pixels' values are noise around nothing; so do the steps of
    a series.

    Returns:
        The points without coordinates that never vary, and which coordinates [D] are numbers.
    """
    columns: list[npt.NDArray[np.float64]] = []
    quantities: list[bool] = []
    for name, feature in candidate.features.items():
        if isinstance(feature, ImageFeature | SeriesFeature):
            pixels = [as_numbers(frame[column]).to_numpy() for column in parts_of(name, feature)]
            spread = _spread(np.concatenate(pixels))
            columns += [_scaled(values, spread) for values in pixels]
        elif isinstance(feature, NumericFeature):
            numbers = as_numbers(frame[name]).to_numpy()
            columns.append(_scaled(numbers, _spread(numbers)))
        elif isinstance(feature, DatetimeFeature):
            seconds = seconds_of(frame[name], feature.timezone)
            columns.append(_scaled(seconds, _spread(seconds)))
        else:
            columns.append(_labels(frame[name]))
        told = isinstance(feature, CategoricalFeature | TextFeature)
        quantities += [not told] * (len(columns) - len(quantities))
    varied = [position for position, column in enumerate(columns) if len(column) and np.ptp(column) > 0]
    points = np.stack([columns[position] for position in varied], axis=1) if varied else np.empty((len(frame), 0))
    return points, np.array(quantities, dtype=bool)[varied]


def _scaled(numbers: npt.NDArray[np.float64], spread: float) -> npt.NDArray[np.float64]:
    finite = np.isfinite(numbers)
    centre = float(np.median(numbers[finite])) if finite.any() else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        # A spread of 1e-313, or one beyond 1e308, sends rows further away than floats reach.
        distances = np.clip((numbers - centre) / min(spread, FARTHEST), -FARTHEST, FARTHEST)
    return np.where(finite, distances, GAP)


@np.errstate(over="ignore")
def _spread(numbers: npt.NDArray[np.float64]) -> float:
    """Distance between the quartiles, which no outlier can stretch; never 0."""
    values = numbers[np.isfinite(numbers)]
    if not len(values):
        return 1.0
    others = values[values != np.median(values)]
    for chosen in (values, others):
        if len(chosen):
            low, high = np.quantile(chosen, [0.25, 0.75])
            if high > low:
                return float(high - low)
    return float(np.std(values)) or 1.0


def _labels(values: pd.Series) -> npt.NDArray[np.float64]:
    return pd.factorize(values)[0].astype(np.float64)


def _near(train: npt.NDArray[np.float64], test: npt.NDArray[np.float64], tolerance: float) -> npt.NDArray[np.bool_]:
    """Which test rows [M] lie within the tolerance of a training row in every coordinate."""
    axes = _folded(np.vstack([train, test]))
    tree = cKDTree(axes[: len(train)])
    # A small allowance: `distance_upper_bound` excludes the bound itself.
    bound = tolerance * 1.0001
    _, nearest = tree.query(axes[len(train) :], p=np.inf, distance_upper_bound=bound)
    found = nearest < len(train)
    matched = np.zeros(len(test), dtype=bool)
    matched[found] = np.abs(test[found] - train[nearest[found]]).max(axis=1, initial=0.0) <= bound
    return matched


def _folded(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """At most `AXES` coordinates: rows near in every column are near in every mean over columns."""
    if points.shape[1] <= AXES:
        return points
    return np.stack([points[:, first::AXES].mean(axis=1) for first in range(AXES)], axis=1)
