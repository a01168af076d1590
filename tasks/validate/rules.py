"""Rules every row must meet, with or without a suite: an id, numbers and dates where they belong, a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from tasks.validate.candidate import Candidate, must_be_numbers
from tasks.validate.cells import is_empty, is_not_a_date, is_not_a_number, is_not_a_time


def broken_rules(candidate: Candidate, leave_out: Iterable[str] = ()) -> list[tuple[str, str]]:
    """The rows to quarantine, as pairs of row id and broken rule.

    Args:
        candidate: Rows to look at.
        leave_out: Columns that `schema` refused as a whole: their cells would only repeat that.
    """
    refused = set(leave_out)
    broken: list[tuple[str, str]] = []
    for column, rule, rows in _rules(candidate):
        if column not in refused and bool(rows.any()):
            broken += [(str(row), f"{column}: {rule}") for row in candidate.frame.loc[rows, "row_id"]]
    return broken


def _rules(candidate: Candidate) -> Iterator[tuple[str, str, pd.Series]]:
    """Column, rule, and which rows [N] break it."""
    frame, data = candidate.frame, candidate.data
    if data.id is not None and data.id in frame.columns:
        yield data.id, "must not be null", is_empty(frame[data.id])
    for name in must_be_numbers(candidate):
        yield name, "not a number", is_not_a_number(frame[name])
    for name, feature in candidate.dates.items():
        yield name, "not a date in ISO 8601", is_not_a_date(frame[name], feature.timezone)
    if data.time is not None and data.time in frame.columns:
        yield data.time, "not a time", is_not_a_time(frame[data.time])
        if data.split.kind == "time":
            yield data.time, "must not be null, rows are split by it", is_empty(frame[data.time])
