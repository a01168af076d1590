"""What a column nobody has described holds: a quantity, labels, times, names, or nothing to learn from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from tasks.core.feature_kinds import Part
from tasks.transforms.dates import part_of, read
from tasks.validate.cells import as_numbers, is_empty, is_not_a_number, is_not_a_time

Role = Literal["numeric", "categorical", "datetime", "time", "drop"]

MOSTLY_NUMBERS = 0.95
"""A text column of which at least this share of the filled cells are numbers is a quantity with stray words."""
NAMES_SHARE = 0.5
"""Labels of which more than this share of the rows have their own are names or free text."""
MOST_LABELS = 50
"""Up to here labels are labels, however few the rows."""
OWN_TEXT = "nearly every row has its own text"
TIME_SHARE = 0.99
CYCLES: dict[Part, int] = {"hour": 1, "weekday": 7, "month": 365}
"""Parts of a date that are proposed, and the days after which they come round again."""
TIME_PATTERN = re.compile(r"\d[-/:. T]\d|\d\s+[A-Za-z]{3}|[A-Za-z]{3,9}\s+\d")
ID_WORDS = frozenset({"id", "ids", "key", "uuid", "guid", "identifier", "number", "no", "nr", "code", "ref", "instant"})
INDEX_WORDS = frozenset({"index", "idx", "row", "unnamed"})
"""Names of columns that count the lines of a file: another file starts again at the first."""


@dataclass(frozen=True)
class Column:
    """One column, with no value of it."""

    name: str
    dtype: str
    role: Role
    why: str
    """What speaks for the role, where it is not plain from the dtype."""
    distinct: int
    gaps: int
    bad: int = 0
    """Filled cells that do not go with the role (words in a quantity); their rows will be quarantined."""
    names_rows: bool = False
    """Every filled cell is different, and text or whole numbers."""
    parts: tuple[Part, ...] = ()
    """Of times: calendar features that the rows can teach."""


def look_at(values: pd.Series) -> Column:
    """Describe one column of a frame [N]."""
    name, empty = str(values.name), is_empty(values)
    filled = values[~empty]
    distinct = int(filled.nunique())
    whole = not pd.api.types.is_float_dtype(values.dtype) or bool((as_numbers(filled) % 1 == 0).all())
    own = len(filled) > 1 and distinct == len(filled) and whole
    role, why, bad = _role(filled, name, distinct, len(values))
    names_rows = own and not pd.api.types.is_bool_dtype(values.dtype)
    parts: tuple[Part, ...] = ()
    if role == "time":
        parts, why, unread = _calendar(filled)
        bad = max(bad, unread)
    return Column(name, str(values.dtype), role, why, distinct, int(empty.sum()), bad, names_rows, parts)


def words_of(name: str) -> list[str]:
    """The words of a column name, in lower case: `orderID`, `order_id` and `Order id` give the same."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [word.lower() for word in re.findall(r"[A-Za-z]+", spaced)]


def _role(filled: pd.Series, name: str, distinct: int, rows: int) -> tuple[Role, str, int]:
    if not len(filled):
        return "drop", "it is empty", 0
    if pd.api.types.is_bool_dtype(filled.dtype):
        return ("categorical", "", 0) if distinct > 1 or len(filled) < rows else ("drop", "it is constant", 0)
    if pd.api.types.is_datetime64_any_dtype(filled.dtype):
        return ("time", "it holds points in time", 0) if distinct > 1 else ("drop", "it is constant", 0)
    if pd.api.types.is_numeric_dtype(filled.dtype):
        return _numeric_role(filled, name, distinct)
    if distinct == 1:
        # A single label with gaps still tells two kinds of rows apart.
        return ("categorical", "", 0) if len(filled) < rows else ("drop", "it is constant", 0)
    return _text_role(filled, distinct)


def _numeric_role(filled: pd.Series, name: str, distinct: int) -> tuple[Role, str, int]:
    if distinct == 1:
        return "drop", "it is constant", 0
    if _counts_lines(filled) and set(words_of(name)) & (INDEX_WORDS | ID_WORDS):
        return "drop", "it counts the rows", 0
    return "numeric", "", int(is_not_a_number(filled).sum())


def _counts_lines(filled: pd.Series) -> bool:
    numbers = as_numbers(filled).to_numpy()
    return len(numbers) > 1 and bool(np.isfinite(numbers).all()) and bool((np.diff(numbers) == 1).all())


def _text_role(filled: pd.Series, distinct: int) -> tuple[Role, str, int]:
    bad = int(is_not_a_number(filled).sum())
    numbers = 1 - bad / len(filled)
    if numbers >= MOSTLY_NUMBERS:
        why = f"{bad} filled cells are not numbers" if bad else "its numbers are stored as text"
        return "numeric", why, bad
    if _are_times(filled):
        return "time", "it holds points in time", int(is_not_a_time(filled).sum())
    if numbers >= 0.5 and distinct > MOST_LABELS:
        return "drop", f"it mixes numbers with text ({1 - numbers:.0%} of the filled cells are not numbers)", 0
    if distinct > max(MOST_LABELS, NAMES_SHARE * len(filled)) or (distinct == len(filled) and len(filled) > 20):
        return "drop", OWN_TEXT, 0
    return "categorical", "", 0


def _calendar(filled: pd.Series) -> tuple[tuple[Part, ...], str, int]:
    """Parts of a date whose cycle the rows go through twice, why there are none, and cells that are no dates."""
    moments, refused = read(filled, "UTC")
    if refused.mean() > 1 - TIME_SHARE:
        return (), "it holds points in time that are not written in ISO 8601", 0
    known = moments[~np.isnat(moments)]
    days = (known.max() - known.min()) / np.timedelta64(1, "D")
    parts = tuple(part for part, cycle in CYCLES.items() if days >= 2 * cycle and np.ptp(part_of(known, part)) > 0)
    why = "" if parts else "it holds points in time that lie within two weeks"
    return parts, why, int(refused.sum()) if parts else 0


def _are_times(filled: pd.Series) -> bool:
    first = filled.iloc[:200].astype(str)
    if first.map(lambda text: bool(TIME_PATTERN.search(text))).mean() < TIME_SHARE:
        return False
    if is_not_a_time(first).mean() > 1 - TIME_SHARE:
        return False
    return bool(is_not_a_time(filled).mean() <= 1 - TIME_SHARE)
