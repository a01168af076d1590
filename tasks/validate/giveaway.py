"""Target leakage: columns that know the answer, alone or added up.

Three searches, each on rows it has not been fitted on:
a single column whose labels or value ranges tell the class; a single column that puts the rows in the
order of the target; a few columns whose weighted sum is the target. What they find is not proof that a
column is unknown at prediction time, only that learning anything else would be pointless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from tasks.core.feature_kinds import DatetimeFeature
from tasks.core.rows import content_hashes
from tasks.transforms.dates import part_of, read
from tasks.validate.candidate import Candidate
from tasks.validate.cells import as_numbers
from tasks.validate.linear import smallest_explaining_set

SURE_CLASS = 0.999
"""Mean recall over the classes from which one column alone is said to give the class away."""
SURE_ORDER = 0.9995
"""Rank correlation (Spearman) from which one column alone is said to give a quantity away."""
SURE_FIT = 0.9999
"""Explained share of the variance (R²) from which a weighted sum is said to be the target."""
MINIMUM_ROWS = 30
"""With fewer rows a perfect fit is no evidence."""
SAMPLE = 5000
"""Rows looked at at most, spread evenly over the row ids."""
ROWS_PER_CLASS = 10
"""Classes with fewer rows are left out; whether they may be so rare is what `class_coverage` judges."""
FOLDS = 3
MOST_CLASSES = 30
"""Classes up to which sums of columns are compared with the indicator of each class."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Giveaway:
    """Columns that together give the target away."""

    columns: tuple[str, ...]
    how: str

    def sentence(self, target: str) -> str:
        """What to tell a person, without a full stop."""
        names = " and ".join(f"'{name}'" for name in self.columns)
        plural = len(self.columns) > 1
        subject = f"the columns {names} together give" if plural else f"the column {names} alone gives"
        return f"{subject} the target '{target}' away ({self.how})"


def find(labelled: Candidate) -> tuple[Giveaway, ...]:
    """Find what gives the target away; nothing on fewer than `MINIMUM_ROWS` rows, or where there is no target.

    Columns found alone are left out of the search for sums, and each sum found is left out of the next search.
    """
    answer = labelled.data.target
    if answer is None:
        return ()
    rows = labelled.frame.sort_values("row_id", kind="stable")
    # Copies of a row would stand on both sides of a fold, and any column that names rows would seem to know the answer.
    copies = pd.Series(content_hashes(rows, [*labelled.columns, answer])).duplicated()
    rows = rows[~copies.to_numpy()]
    if labelled.problem == "classification":
        # A class too rare to be learned in every fold would hide what tells the others apart.
        rows = rows[rows.groupby(answer)[answer].transform("size") >= ROWS_PER_CLASS]
    if len(rows) > SAMPLE:
        rows = rows.iloc[np.linspace(0, len(rows) - 1, SAMPLE).astype(int)]
    target = rows[answer]
    if len(rows) < MINIMUM_ROWS or target.nunique() < 2:
        return ()
    numeric = set(labelled.numeric)
    ordered = numeric | set(labelled.dates)
    told = {name: _as_told(rows[name], labelled.dates.get(name)) for name in labelled.columns}
    if labelled.problem == "classification":
        classes = pd.factorize(target.astype(str), sort=True)[0]
        single = [name for name, of in told.items() if any(_tells_class(part, classes, name in ordered) for part in of)]
        how = "its values tell the class without an error"
    else:
        quantity = _scaled(as_numbers(target).to_numpy())
        single = [
            name for name, of in told.items() if any(_tells_quantity(part, quantity, name in ordered) for part in of)
        ]
        how = "it orders the rows as the target does"
    alone = tuple(Giveaway((name,), how) for name in single)
    rest = [name for name in labelled.columns if name in numeric and name not in single]
    return alone + tuple(_sums(rows, rest, _responses(target, labelled.problem)))


def _as_told(values: pd.Series, date: DatetimeFeature | None) -> list[pd.Series]:
    """A column as a model sees it: of a date its parts, each as a number."""
    if date is None:
        return [values]
    moments = read(values, date.timezone)[0]
    return [pd.Series(part_of(moments, part), index=values.index) for part in date.parts]


def _responses(target: pd.Series, problem: str) -> Numbers:
    """What a sum is compared with: the quantity [N, 1], or the indicator of each class [N, C]."""
    if problem == "regression":
        return _scaled(as_numbers(target).to_numpy())[:, None]
    classes = pd.factorize(target.astype(str), sort=True)[0]
    count = int(classes.max()) + 1
    return np.eye(count)[classes] if count <= MOST_CLASSES else np.empty((len(target), 0))


def _sums(rows: pd.DataFrame, names: Sequence[str], responses: Numbers) -> list[Giveaway]:
    found: list[Giveaway] = []
    left = list(names)
    if not responses.shape[1] or not np.isfinite(responses).all():
        return found
    columns = {name: _filled(rows[name]) for name in left}
    for _ in range(5):
        left = [name for name in left if np.ptp(columns[name]) > 0]
        if not left:
            break
        chosen = smallest_explaining_set(np.stack([columns[name] for name in left], axis=1), responses, SURE_FIT)
        if not chosen:
            break
        names_found = tuple(left[position] for position in chosen)
        found.append(Giveaway(names_found, f"their weighted sum explains more than {SURE_FIT:.2%} of it"))
        left = [name for name in left if name not in names_found]
    return found


def _filled(values: pd.Series) -> Numbers:
    numbers = pd.Series(_scaled(as_numbers(values).to_numpy()))
    finite = numbers.where(np.isfinite(numbers))
    filled = finite.fillna(float(finite.mean()) if finite.notna().any() else 0.0)
    return np.asarray(filled, dtype=np.float64)


def _scaled(values: Numbers) -> Numbers:
    """The values divided by a power of two, which loses no digit, so that the largest lies in [0.5, 1).

    Otherwise squares of 1e200 would overflow, and 1e300 or 1e-300 be no number to scikit-learn's float32 trees.
    """
    finite = np.abs(values[np.isfinite(values)])
    exponent = np.frexp(finite.max())[1] if len(finite) else 0
    scaled: Numbers = np.ldexp(values, -int(exponent))
    return scaled


def _tells_class(values: pd.Series, classes: npt.NDArray[np.intp], numeric: bool) -> bool:
    """Whether one column's values predict the class of rows that the prediction has not seen."""
    if values.nunique(dropna=False) < 2:
        return False
    if not numeric:
        codes = pd.factorize(values, use_na_sentinel=False)[0]
        return _mean_recall(_majority(codes, classes), classes) >= SURE_CLASS
    column = _scaled(as_numbers(values).to_numpy())[:, None]
    # A tree that errs on the first rows it was fitted on is not worth cross-validating.
    few = slice(0, 1000)
    if _mean_recall(_tree(column[few], classes[few], column[few]), classes[few]) < SURE_CLASS:
        return False
    predicted = np.empty_like(classes)
    for fold in range(FOLDS):
        held_out = np.arange(len(classes)) % FOLDS == fold
        predicted[held_out] = _tree(column[~held_out], classes[~held_out], column[held_out])
    return _mean_recall(predicted, classes) >= SURE_CLASS


def _tree(column: Numbers, classes: npt.NDArray[np.intp], asked: Numbers) -> npt.NDArray[np.intp]:
    """Predict by a few value ranges, at most two per class; a gap is a value."""
    from sklearn.tree import DecisionTreeClassifier

    leaves = 2 * (int(classes.max()) + 1)
    finite = np.where(np.isfinite(column), column, np.nan)
    tree = DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=0).fit(finite, classes)
    predicted: npt.NDArray[np.intp] = tree.predict(np.where(np.isfinite(asked), asked, np.nan))
    return predicted


def _majority(codes: npt.NDArray[np.intp], classes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Predict each row by the most frequent class of its label in the other folds; -1 for a label not seen there."""
    predicted = np.full_like(classes, -1)
    for fold in range(FOLDS):
        held_out = np.arange(len(classes)) % FOLDS == fold
        counts = np.zeros((int(codes.max()) + 1, int(classes.max()) + 1))
        np.add.at(counts, (codes[~held_out], classes[~held_out]), 1)
        best = np.where(counts.sum(axis=1) > 0, counts.argmax(axis=1), -1)
        predicted[held_out] = best[codes[held_out]]
    return predicted


def _mean_recall(predicted: npt.NDArray[np.intp], classes: npt.NDArray[np.intp]) -> float:
    hits = predicted == classes
    return float(np.mean([hits[classes == label].mean() for label in np.unique(classes)]))


def _tells_quantity(values: pd.Series, quantity: Numbers, numeric: bool) -> bool:
    """Whether one column orders the rows as the target does, or its labels name the target's value."""
    if not numeric:
        return _label_means_explain(pd.factorize(values, use_na_sentinel=False)[0], quantity)
    column = as_numbers(values).to_numpy()
    both = np.isfinite(column) & np.isfinite(quantity)
    if both.sum() < max(MINIMUM_ROWS, len(column) / 2) or np.ptp(column[both]) == 0 or np.ptp(quantity[both]) == 0:
        return False
    return abs(float(pd.Series(column[both]).corr(pd.Series(quantity[both]), method="spearman"))) >= SURE_ORDER


def _label_means_explain(codes: npt.NDArray[np.intp], quantity: Numbers) -> bool:
    known = np.isfinite(quantity)
    codes, quantity = codes[known], quantity[known]
    if len(quantity) < MINIMUM_ROWS:
        return False
    predicted = np.full(len(quantity), np.nan)
    for fold in range(FOLDS):
        held_out = np.arange(len(quantity)) % FOLDS == fold
        means = pd.Series(quantity[~held_out]).groupby(codes[~held_out]).mean()
        predicted[held_out] = pd.Series(codes[held_out]).map(means).fillna(float(quantity[~held_out].mean()))
    residual = float(((quantity - predicted) ** 2).sum())
    return residual < (1 - SURE_FIT) * float(((quantity - quantity.mean()) ** 2).sum())
