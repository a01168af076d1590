"""Dates are drawn by the parts a model is told; what the rows cannot teach is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.explore.test_findings import explored

EVERY = ["hour", "weekday", "weekend", "day_of_month", "month", "day_of_year", "year"]


def dated(rows: int = 400, freq: str = "7h") -> pd.DataFrame:
    when = pd.date_range("2023-01-02", periods=rows, freq=freq)
    return pd.DataFrame({"when": when, "x": np.arange(rows) % 5.0, "y": np.where(when.dayofweek < 5, "work", "rest")})


def test_a_date_is_drawn_by_its_parts_and_its_strength_is_that_of_the_part():
    frame = dated()
    frame.loc[:39, "when"] = pd.NaT
    table, words, page = explored(frame, features={"when": {"kind": "datetime", "parts": EVERY}})
    assert table.dates["when"].missing == 40 and table.dropped == ()
    assert all(f"Rows of when by {part}" in page for part in EVERY)
    assert "Mon" in page and "Dec" in page and "2023-" not in words
    assert "when (weekday) almost settles y by itself" in words and "strength with the target 1.00" in page
    assert "Values are missing in when (10 %)" in words
    assert "1 numeric, 1 datetime" in page


@pytest.mark.parametrize(
    ("parts", "freq", "says"),
    [
        (["hour"], "1D", "when holds days without a time: its part hour tells a model nothing."),
        (
            ["month"],
            "1D",
            "The rows of when lie within 400 days, less than two years: by its part month a model cannot",
        ),
        (["year"], "7h", "The part year of when grows beyond all training rows"),
        (["hour", "weekday"], "7h", ""),
        (["month"], "2D", ""),
    ],
)
def test_what_the_rows_cannot_teach_is_said(parts, freq, says):
    _, words, _ = explored(dated(freq=freq), features={"when": {"kind": "datetime", "parts": parts}})
    said = [line for line in words.splitlines() if " when " in line and "related" not in line and "settles" not in line]
    assert (
        (says in words) if says else not any("hold" in line or "lie within" in line or "grows" in line for line in said)
    )


def test_a_column_without_any_date_is_no_error():
    table, words, page = explored(dated(60).assign(when=pd.NaT), features={"when": {"kind": "datetime"}})
    assert table.dates["when"].missing == 60 and "lie within" not in words and "Rows of when by year" in page
