"""The rows under judgement, and what the recipe says about their columns."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from tasks.core.feature_kinds import DatetimeFeature, DropFeature, Feature, NumericFeature
from tasks.core.features import columns_of, resolve
from tasks.core.recipe import Data, Problem
from tasks.core.truth import has_truth


@dataclass(frozen=True)
class Candidate:
    """A frame with `row_id`, `batch` and the user's columns [N], and the meaning of its columns."""

    frame: pd.DataFrame
    data: Data
    problem: Problem
    features: dict[str, Feature]
    """Feature → kind; dropped and missing ones are not in it."""

    @property
    def columns(self) -> list[str]:
        """Columns the model sees, in order."""
        return list(columns_of(self.features))

    @property
    def numeric(self) -> list[str]:
        """Columns that must hold numbers: quantities, pixels and steps."""
        plain = {name for name, feature in self.features.items() if feature.kind not in ("numeric", "image", "series")}
        return [column for column in self.columns if column not in plain]

    @property
    def dates(self) -> dict[str, DatetimeFeature]:
        """Columns that must hold dates."""
        return {name: part for name, part in self.features.items() if isinstance(part, DatetimeFeature)}

    @property
    def newest(self) -> pd.Series:
        """Whether each row [N] belongs to the newest batch."""
        newest: pd.Series = self.frame["batch"] == self.frame["batch"].max()
        return newest

    @property
    def labelled(self) -> pd.Series:
        """Whether each row [N] has a target; all where none is predicted."""
        return has_truth(self.frame, self.data.target)

    def rows(self, chosen: pd.Series) -> Candidate:
        """The same candidate with only the chosen rows (booleans [N])."""
        return replace(self, frame=self.frame[chosen])

    def without(self, columns: set[str]) -> Candidate:
        """The same candidate whose model sees none of `columns`."""
        spoilt = {name for name, feature in self.features.items() if columns & set(columns_of({name: feature}))}
        return replace(self, features={name: kind for name, kind in self.features.items() if name not in spoilt})


def candidate_of(frame: pd.DataFrame, data: Data, problem: Problem) -> Candidate:
    """Resolve the features of a frame; declared ones whose columns are missing are left out.

    Raises:
        RequestError: the recipe makes a feature of the target, the id or the time.
    """
    dtypes = {str(name): str(dtype) for name, dtype in frame.dtypes.items() if name not in ("row_id", "batch")}
    present: dict[str, Feature] = {
        name: feature
        for name, feature in resolve(dtypes, data).items()
        if not isinstance(feature, DropFeature) and all(column in dtypes for column in columns_of({name: feature}))
    }
    return Candidate(frame, data, problem, present)


def must_be_numbers(candidate: Candidate) -> list[str]:
    """Columns whose cells must be numbers: numeric features, pixels and the target of a regression."""
    target = candidate.data.target if candidate.problem == "regression" else None
    return [*candidate.numeric, *([target] if target is not None and target in candidate.frame.columns else [])]


NUMERIC = NumericFeature(kind="numeric")
DROP = DropFeature(kind="drop")
