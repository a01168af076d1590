"""What kind of problem a target column poses."""

from __future__ import annotations

import difflib

import numpy as np
import pandas as pd

from tasks.core.errors import RequestError
from tasks.core.features import RESERVED_COLUMNS
from tasks.core.recipe import Problem
from tasks.validate.cells import as_numbers, is_empty, share_of_numbers
from tasks.validate.columns import MOSTLY_NUMBERS

MOST_CLASSES = 20
"""Whole numbers with more different values than this are a quantity."""


def require_target(frame: pd.DataFrame, target: str) -> None:
    """Refuse data that have no such target, or nothing to learn in it.

    Raises:
        RequestError: no such column (the nearest name is offered), no rows, a reserved column name, or a target
            that is empty or has one value.
    """
    names = [str(name) for name in frame.columns]
    if target not in names:
        raise RequestError(f"The data have no column '{target}'.", remedy=_offer(target, names), code="column")
    for name in RESERVED_COLUMNS:
        if name in names:
            raise RequestError(
                f"The data have a column '{name}', which Evergreen adds to every dataset itself.",
                remedy=f"Rename the column '{name}' in the data.",
                code="column",
            )
    if not len(frame):
        raise RequestError("The data have no rows.", remedy="Name a file that holds data.", code="data")
    values = frame[target]
    distinct = values[~is_empty(values)].nunique()
    if distinct < 2:
        found = "is empty" if not distinct else "has the same value in every row"
        raise RequestError(
            f"The target '{target}' {found}, so there is nothing to learn.",
            remedy="Name another column with --target.",
            code="column",
        )


def problem_of(values: pd.Series) -> Problem:
    """Whether a target [N] names classes or is a quantity.

    Text and booleans are classes, fractions are a quantity. Whole numbers are classes where there are two of
    them, or few of which each has its share of the rows: marks from 3 to 9 of which some hardly occur are a
    quantity, ten digits that all occur are classes.

    Raises:
        RequestError: the target is text of which nearly every row has its own, or fewer than two of its numbers
            are finite.
    """
    filled = values[~is_empty(values)]
    distinct = int(filled.nunique())
    # In a column of numbers, infinities are rows to set aside and no reason to take the others for labels.
    typed = pd.api.types.is_numeric_dtype(filled.dtype) and not pd.api.types.is_bool_dtype(filled.dtype)
    if not typed and (pd.api.types.is_bool_dtype(filled.dtype) or share_of_numbers(filled) < MOSTLY_NUMBERS):
        if distinct > max(MOST_CLASSES, len(filled) / 2):
            raise RequestError(
                f"The target '{values.name}' has {distinct} different texts in {len(filled)} rows: neither a class "
                "nor a quantity.",
                remedy="Name another column with --target.",
                code="column",
            )
        return "classification"
    numbers = as_numbers(filled)
    numbers = numbers[np.isfinite(numbers)]
    if numbers.nunique() < 2:
        raise RequestError(
            f"The target '{values.name}' has fewer than two different finite numbers, so there is nothing to learn.",
            remedy="Name another column with --target.",
            code="column",
        )
    if bool((numbers % 1 != 0).any()) or numbers.nunique() > MOST_CLASSES:
        return "regression"
    if numbers.nunique() <= 2:
        return "classification"
    fair = min(20.0, len(numbers) / (3 * numbers.nunique()))
    return "classification" if int(numbers.value_counts().min()) >= max(2, fair) else "regression"


def _offer(target: str, names: list[str]) -> str:
    # A file without a header line has its first row's values for names; they are not repeated here.
    if names and share_of_numbers(pd.Series(names, dtype=object)) > 0.5:
        return "The file seems to have no header line: add one that names the columns."
    close = difflib.get_close_matches(target, names, n=1, cutoff=0.5)
    close = close or [name for name in names if name.strip().lower() == target.strip().lower()]
    if close:
        return f"Did you mean '{close[0]}'?"
    shown = ", ".join(f"'{name}'" for name in names[:20])
    return f"The columns are {shown}{' and more' if len(names) > 20 else ''}."
