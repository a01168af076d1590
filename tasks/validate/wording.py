"""Expectations as short sentences a person can act on: which column, which rule, never a value of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

LISTED = 10
"""Longest set of allowed values that a sentence spells out."""


def columns_of(kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns an expectation speaks of, in the order it names them; none for rules about the table."""
    named = [kwargs[key] for key in ("column", "column_A", "column_B") if isinstance(kwargs.get(key), str)]
    listed = kwargs.get("column_list")
    return (*named, *(str(item) for item in listed)) if isinstance(listed, Sequence) else tuple(named)


def rule_of(kind: str, kwargs: Mapping[str, Any]) -> str:
    """What an expectation asks for, as `radius: must be between 0 and 50`.

    The bounds and sets come from the suite, which is schema, not data. A kind without wording of its own is
    read aloud: `expect_column_mean_to_be_between` gives `mean must be between …`.
    """
    subject = ", ".join(columns_of(kwargs)) or "table"
    wording = WORDINGS.get(kind)
    if wording is not None:
        return f"{subject}: {wording(kwargs)}"
    return f"{subject}: {_read_aloud(kind)}{_bounds(kwargs)}"


def _read_aloud(kind: str) -> str:
    words = kind
    for prefix in ("expect_column_values_", "expect_column_pair_values_", "expect_column_", "expect_table_", "expect_"):
        if words.startswith(prefix):
            words = words[len(prefix) :]
            break
    for ending in ("to_be_between", "to_be_greater_than", "to_be_less_than"):
        words = words.removesuffix(f"_{ending}")
    before, found, after = words.partition("to_")
    return f"{before}{'must ' if found else ''}{after}".replace("_", " ").strip()


def _bounds(kwargs: Mapping[str, Any]) -> str:
    if kwargs.get("min_value") is None and kwargs.get("max_value") is None:
        return ""
    return f" {_between(kwargs)}"


def _between(kwargs: Mapping[str, Any]) -> str:
    low, high = kwargs.get("min_value"), kwargs.get("max_value")
    if low is not None and high is not None:
        strict = " (bounds excluded)" if kwargs.get("strict_min") or kwargs.get("strict_max") else ""
        return f"must be between {low} and {high}{strict}"
    if low is not None:
        return f"must be {'more than' if kwargs.get('strict_min') else 'at least'} {low}"
    return f"must be {'less than' if kwargs.get('strict_max') else 'at most'} {high}"


def _one_of(kwargs: Mapping[str, Any]) -> str:
    values = list(kwargs.get("value_set") or ())
    if len(values) > LISTED:
        return f"must be one of {len(values)} values"
    return f"must be one of {', '.join(str(value) for value in values)}"


def _length(kwargs: Mapping[str, Any]) -> str:
    return _between(kwargs).replace("must be", "length must be", 1)


WORDINGS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "expect_column_to_exist": lambda kwargs: "column must exist",
    "expect_column_values_to_not_be_null": lambda kwargs: "must not be null",
    "expect_column_values_to_be_null": lambda kwargs: "must be null",
    "expect_column_values_to_be_unique": lambda kwargs: "must be unique",
    "expect_compound_columns_to_be_unique": lambda kwargs: "together must be unique",
    "expect_column_values_to_be_in_set": _one_of,
    "expect_column_values_to_not_be_in_set": lambda kwargs: _one_of(kwargs).replace("must be", "must not be", 1),
    "expect_column_values_to_be_between": _between,
    "expect_column_value_lengths_to_be_between": _length,
    "expect_column_values_to_be_of_type": lambda kwargs: f"must be of type {kwargs.get('type_')}",
    "expect_column_values_to_be_in_type_list": lambda kwargs: "must be of one of the listed types",
    "expect_column_values_to_match_regex": lambda kwargs: f"must match {kwargs.get('regex')}",
    "expect_column_pair_values_a_to_be_greater_than_b": lambda kwargs: "the first must be greater than the second",
    "expect_table_row_count_to_be_between": lambda kwargs: _between(kwargs).replace("must be", "rows must be", 1),
}
"""Expectation type → what it asks for, without the column."""
