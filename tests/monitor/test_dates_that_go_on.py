"""Dates go on by themselves, which is no drift; another hour or another weekday is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tasks.core.feature_kinds import DatetimeFeature, NumericFeature
from tasks.core.upkeep import Monitoring
from tasks.monitor.drift import judge
from tasks.monitor.effects import as_compared, kinds
from tasks.monitor.evidently_report import write

FEATURES = {"when": DatetimeFeature(kind="datetime"), "x": NumericFeature(kind="numeric")}


def calls(first: str, days: int, hours: float = 12.0) -> pd.DataFrame:
    """About 20 calls a day, around an hour of the day; as many on every day of the week."""
    random = np.random.default_rng(pd.Timestamp(first).dayofyear)
    at = pd.Timestamp(first) + pd.to_timedelta(np.repeat(np.arange(days), 20), "D")
    when = at + pd.to_timedelta(np.clip(random.normal(hours, 2, len(at)), 0, 23.9), "h")
    return pd.DataFrame({"when": when.astype(str), "x": random.normal(size=len(at))})


def test_a_later_window_is_no_drift_and_another_hour_or_weekday_is():
    history = calls("2024-01-01", 168)
    names = ["when (hour)", "when (weekday)", "x"]

    def moved(window: pd.DataFrame) -> list[str]:
        found = judge(history, window, FEATURES, Monitoring(min_rows=10), 52)
        assert [column.name for column in found.columns] == names
        return [column.name for column in found.columns if column.drifted]

    assert moved(calls("2024-06-17", 14)) == [] == moved(calls("2031-06-16", 14))
    assert moved(calls("2024-06-17", 14, hours=17)) == ["when (hour)"]
    weekend = pd.concat([calls(day, 2) for day in ("2024-06-22", "2024-06-29", "2024-07-06", "2024-07-13")])
    assert moved(weekend) == ["when (weekday)"]
    assert moved(calls("2024-06-17", 14).assign(when=None)) == ["when (hour)", "when (weekday)"]
    assert moved(calls("2024-06-17", 14).drop(columns="when")) == ["when (hour)", "when (weekday)"]


def test_a_date_is_compared_by_its_clock_alone():
    days = {"born": DatetimeFeature(kind="datetime", parts=("month", "year"))}
    assert kinds(days) == {"born (weekday)": "labels"}
    made = as_compared(pd.DataFrame({"born": ["2024-06-22", None, "soon"]}), days)
    assert made["born (weekday)"].tolist()[0] == 5 and made["born (weekday)"].isna().sum() == 2


@pytest.mark.slow
def test_evidently_draws_the_clock_too(tmp_path):
    history, window = calls("2024-01-01", 60), calls("2024-03-01", 14)
    assert write(history, window, FEATURES, tmp_path / "report.html")
    assert "when (hour)" in (tmp_path / "report.html").read_text()
