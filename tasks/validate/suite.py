"""A first expectation suite: about validity only, never about how values happen to be distributed.

Bounds taken from a sample would stop every drifted batch instead of having it retrained on, and closed sets
of labels would stop every new shop or product; so sets are closed for the classes and for two-valued flags
only, and bounds come from what a column's name means. An empty target is a row that waits for its label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from tasks.core.feature_kinds import CategoricalFeature, Feature, NumericFeature
from tasks.core.features import columns_of
from tasks.core.recipe import Data, Problem
from tasks.validate.cells import as_numbers, is_empty
from tasks.validate.columns import words_of

_SIZES = """
age ages area areas count counts distance duration height heights income length lengths mass price prices quantity
radius salary size sizes thickness volume weight weights width widths
"""
_DIFFERENCES = """
balance change delta diff difference error growth index log loss offset position profit relative residual return
scaled score standardised standardized trend z zscore
"""
NON_NEGATIVE = frozenset(_SIZES.split())
"""Words for what cannot be negative."""
SIGNED = frozenset(_DIFFERENCES.split())
"""Words that make a signed number of it: a change in price may be negative."""
DEGREES = {"latitude": (-90.0, 90.0), "longitude": (-180.0, 180.0)}
FLAG_ROWS = 100
"""Rows from which a column of nothing but 0 and 1 is taken for a flag."""
LISTED_COLUMNS = 200
"""With more columns (pixels), that each exists is left to the gate `schema`."""


def first_suite(
    frame: pd.DataFrame,
    features: Mapping[str, Feature],
    data: Data,
    problem: Problem,
    classes: Sequence[Any] | None = None,
) -> dict[str, Any]:
    """Write a Great Expectations suite as JSON values.

    Args:
        frame: Rows to look at [N]; only names, nulls and flags of it enter the suite, and the classes.
        features: Feature → kind; dropped ones may be in it.
        data: The recipe's `data` section.
        problem: The recipe's `problem`.
        classes: Labels the target may have; none: those of the frame.
    """
    columns = columns_of(features)
    rules: list[dict[str, Any]] = []
    if len(columns) <= LISTED_COLUMNS:
        rules += [_rule("expect_column_to_exist", column=name) for name in columns if name in frame.columns]
    if data.id is not None:
        rules += [
            _rule("expect_column_values_to_not_be_null", column=data.id),
            _rule("expect_column_values_to_be_unique", column=data.id),
        ]
    if problem == "classification":
        labels = list(classes) if classes is not None else _labels(frame[data.target])
        rules.append(_rule("expect_column_values_to_be_in_set", column=data.target, value_set=labels))
    for name, feature in features.items():
        if name in frame.columns:
            rules += _meant_by(name, frame[name], feature)
    return {"name": "validity", "expectations": rules, "meta": {"about": "validity, not distribution"}}


def _rule(kind: str, **kwargs: Any) -> dict[str, Any]:
    return {"type": kind, "kwargs": kwargs}


def _labels(values: pd.Series) -> list[Any]:
    """The labels of a column as JSON values, sorted."""
    labels = [label.item() if hasattr(label, "item") else label for label in values[~is_empty(values)].unique()]
    return sorted(labels, key=lambda label: (str(type(label)), label))


def _meant_by(name: str, values: pd.Series, feature: Feature) -> list[dict[str, Any]]:
    if isinstance(feature, NumericFeature):
        return _numeric_rules(name, as_numbers(values))
    if isinstance(feature, CategoricalFeature) and pd.api.types.is_bool_dtype(values.dtype):
        return [_rule("expect_column_values_to_be_in_set", column=name, value_set=[False, True])]
    return []


def _numeric_rules(name: str, numbers: pd.Series) -> list[dict[str, Any]]:
    filled = numbers.dropna()
    words = set(words_of(name))
    if len(filled) >= FLAG_ROWS and set(filled.unique()) == {0.0, 1.0} and not words & NON_NEGATIVE:
        return [_rule("expect_column_values_to_be_in_set", column=name, value_set=[0, 1])]
    for word, (low, high) in DEGREES.items():
        if word in words and bool(filled.between(low, high).all()):
            return [_rule("expect_column_values_to_be_between", column=name, min_value=low, max_value=high)]
    if words & NON_NEGATIVE and not words & SIGNED and bool((filled >= 0).all()):
        return [_rule("expect_column_values_to_be_between", column=name, min_value=0)]
    return []
