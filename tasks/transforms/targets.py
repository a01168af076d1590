"""Fits the target: a list of class labels, or the mean and deviation of a quantity."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from tasks.core.errors import RequestError
from tasks.transforms.cells import numbers, text_cells
from tasks.transforms.tabular import scale_of

Label = bool | int | float | str


def fit_classes(target: pd.Series[Any]) -> list[Label]:
    """The class labels, sorted, in the type they have in the data.

    Whole numbers that became floats because other rows are unlabelled are ints again; labels of
    different types become text.

    Args:
        target: Of all labelled rows: which classes there are is part of the question, not learned.

    Raises:
        RequestError: there are fewer than two classes.
    """
    found = {_plain(value) for value in pd.unique(target.dropna())}
    types = {type(label) for label in found}
    if types == {int, float}:
        found = {float(label) for label in found}
    elif len(types) > 1:
        found = {str(label) for label in found}
    if len(found) < 2:
        raise RequestError(
            f"data.target '{target.name}' has {len(found)} distinct value{'' if len(found) == 1 else 's'}, "
            "and classification needs at least two.",
            remedy="Name another target, or bring rows of another class.",
        )
    return sorted(found)


def encode_classes(target: pd.Series[Any], classes: list[Label]) -> np.ndarray[Any, Any]:
    """Positions in `classes`; int64 [N]. Every value must be one of them."""
    as_text = all(isinstance(label, str) for label in classes)
    position = {label: index for index, label in enumerate(classes)}
    codes, found = pd.factorize(target)
    places = [position[str(_plain(value)) if as_text else _plain(value)] for value in found]
    return np.array(places, dtype=np.int64)[codes]


def quantity(target: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """The target of a regression; float64 [N], finite.

    Raises:
        RequestError: a value is no finite number.
    """
    try:
        values = numbers(target)
        text = text_cells(target)
    except ValueError as error:
        raise RequestError(f"data.target: {error}", remedy="Name a column of numbers.") from error
    absent = int(np.isnan(values).sum())
    if absent:
        what = "text" if text else "no finite number"
        raise RequestError(
            f"data.target '{target.name}' is {what} in {absent} of {len(values)} rows, and regression needs numbers.",
            remedy="Correct the rows, name another target, or set problem: classification.",
        )
    return values


def fit_quantity(values: np.ndarray[Any, Any]) -> dict[str, float]:
    """Mean and deviation (1 for a constant) of the training targets; float64 [N] → `mean`, `std`."""
    mean, std = scale_of(values, "standard")
    return {"mean": mean, "std": std}


def encode_quantity(values: np.ndarray[Any, Any], state: dict[str, float]) -> np.ndarray[Any, Any]:
    """Standardised targets; float64 [N] → float32 [N]."""
    standardised: np.ndarray[Any, Any] = (values - state["mean"]) / state["std"]
    return standardised.astype(np.float32)


def _plain(value: Any) -> Label:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return int(value) if float(value).is_integer() else float(value)
    return str(value)
