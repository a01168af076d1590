"""Dates: the calendar's parts by the standard library, an instant alike however it is written, gaps told or refused."""

from __future__ import annotations

import calendar
import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, get_args
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import DatetimeFeature, NumericFeature, Part
from tasks.core.preprocessing import Transforms
from tasks.transforms import fit
from tasks.transforms.apply import apply, check_frame
from tasks.transforms.dates import CYCLES, inputs_of, part_of, read

EVERY = get_args(Part)


def feature(*parts: str, timezone: str = "UTC") -> DatetimeFeature:
    return DatetimeFeature.model_validate_json(json.dumps({"kind": "datetime", "parts": parts, "timezone": timezone}))


def fitted(column: Any, *parts: str, timezone: str = "UTC", **transforms: Any) -> dict[str, Any]:
    of = feature(*parts, timezone=timezone)
    return fit(pd.DataFrame({"when": column}), {"when": of}, Transforms(**transforms))


def applied(state: dict[str, Any], column: Any) -> np.ndarray:
    return apply(pd.DataFrame({"when": column}), state)


@given(st.datetimes())
def test_parts_are_those_of_the_standard_library(moment: datetime):
    stored = np.array([moment, "NaT"], "datetime64[us]")
    found = {part: part_of(stored, part) for part in EVERY}
    assert all(np.isnan(values[1]) for values in found.values())
    told = {part: values[0] for part, values in found.items()}
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    assert told["hour"] == pytest.approx((moment - midnight) / timedelta(hours=1), abs=1e-9)
    assert told["weekday"] == moment.weekday() and told["weekend"] == (moment.weekday() > 4)
    assert (told["day_of_month"], told["month"]) == (moment.day, moment.month)
    assert told["day_of_year"] == moment.timetuple().tm_yday
    length = timedelta(days=366 if calendar.isleap(moment.year) else 365)
    over = (moment - datetime(moment.year, 1, 1)) / length
    assert told["year"] == pytest.approx(moment.year + over, abs=1e-6) and told["year"] < moment.year + 1 + 1e-9


def test_what_comes_round_again_is_a_point_on_a_circle():
    """Thursday, 29 February 2024, 18:00: three quarters of a day, day 60 of 366, the last of 29 days."""
    found = inputs_of(np.array(["2024-02-29T18:00"], "datetime64[us]"), EVERY)[0].reshape(-1)
    over = {"hour": 3 / 4, "weekday": 3 / 7, "day_of_month": 28 / 29, "month": 1 / 12, "day_of_year": 59 / 366}
    assert set(over) == set(CYCLES)
    expected = []
    for part in EVERY:
        turned = 2 * np.pi * over.get(part, 0.0)
        expected += (
            [np.sin(turned), np.cos(turned)] if part in over else [{"weekend": 0, "year": 2024 + 59.75 / 366}[part]]
        )
    assert found == pytest.approx(expected, abs=1e-12)
    night = inputs_of(
        np.array(["2024-01-01T23:00", "2024-01-02T01:00", "2024-01-01T21:00"], "datetime64[us]"), ["hour"]
    )
    assert np.linalg.norm(night[0] - night[1]) == pytest.approx(np.linalg.norm(night[0] - night[2]))


MOMENTS = [
    datetime(2024, 3, 31, 1, 30),
    datetime(1969, 12, 31, 23, 59, 59),
    datetime(2000, 2, 29),
    datetime(2262, 1, 1),
]
PARIS = ZoneInfo("Europe/Paris")
SPELLINGS = {
    "ISO 8601": [moment.isoformat() for moment in MOMENTS],
    "a blank for the T": [f" {moment.isoformat(' ')} " for moment in MOMENTS],
    "in UTC": [f"{moment.isoformat()}Z" for moment in MOMENTS],
    "elsewhere": [
        moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=-9))).isoformat() for moment in MOMENTS
    ],
    "datetime": MOMENTS,
    "aware datetime": [moment.replace(tzinfo=UTC).astimezone(PARIS) for moment in MOMENTS],
    "Timestamp": [pd.Timestamp(moment) for moment in MOMENTS],
    "numpy": [np.datetime64(moment) for moment in MOMENTS],
    "seconds": np.array(MOMENTS, "datetime64[s]"),
    "milliseconds": np.array(MOMENTS, "datetime64[ms]"),
    "nanoseconds": np.array(MOMENTS, "datetime64[ns]"),
    "with a zone": pd.Series(np.array(MOMENTS, "datetime64[us]")).dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata"),
    "string": pd.array([moment.isoformat() for moment in MOMENTS], dtype="string"),
    "category": pd.Categorical([moment.isoformat() for moment in MOMENTS]),
    "arrow": pd.Series(MOMENTS, dtype="timestamp[us][pyarrow]"),
    "mixed": [MOMENTS[0].isoformat(), MOMENTS[1], f"{MOMENTS[2].isoformat()}+00:00", pd.Timestamp(MOMENTS[3])],
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_one_instant_gives_the_same_numbers_however_it_is_written(spelling):
    state = fitted(MOMENTS, *EVERY)
    column = pd.Series(SPELLINGS[spelling], dtype=object if isinstance(SPELLINGS[spelling], list) else None)
    check_frame(pd.DataFrame({"when": column}), {"state": state})
    assert np.array_equal(applied(state, column), applied(state, MOMENTS))
    assert fitted(column, *EVERY) == state


def test_dates_without_a_time_begin_at_midnight():
    days = [date(2024, 2, 29), date(2023, 1, 1)]
    state = fitted(days, "hour", "day_of_year")
    alike = [[day.isoformat() for day in days], ["20240229", "20230101"], np.array(days, "datetime64[D]")]
    assert all(np.array_equal(applied(state, column), applied(state, days)) for column in alike)
    assert applied(state, days)[:, :2].tolist() == [[0, 1], [0, 1]]


def test_the_clock_is_that_of_the_zone_and_a_time_without_an_offset_is_taken_as_it_is():
    column = pd.Series(["2024-07-01T12:00Z", "2024-01-01T12:00Z", "2024-07-01T12:00", "2024-06-30T23:30-01:00"])
    hours = part_of(read(column, "Europe/Berlin")[0], "hour")
    assert hours.tolist() == [14, 13, 12, 2.5]
    stored = pd.Series(pd.to_datetime(column[[0, 1]], utc=True))
    assert part_of(read(stored, "Europe/Berlin")[0], "hour").tolist() == [14, 13]
    assert part_of(read(column, "UTC")[0], "hour").tolist() == [12, 12, 12, 0.5]


def test_parquet_keeps_what_is_told(tmp_path):
    frame = pd.DataFrame({"when": pd.Series(["2024-07-01T12:00:00.123456", None, "2031-12-31"])})
    state = fit(frame, {"when": feature("hour", "weekday")}, Transforms())
    stored = frame.assign(when=frame["when"].map(lambda cell: pd.Timestamp(cell) if cell else pd.NaT))
    for dates in (stored["when"], stored["when"].dt.tz_localize("UTC"), stored["when"].dt.date):
        dates.to_frame().to_parquet(tmp_path / "x.parquet")
        back = pd.read_parquet(tmp_path / "x.parquet")
        if back["when"].dtype == object:
            frame = frame.assign(when=["2024-07-01", None, "2031-12-31"])
        assert np.array_equal(apply(back, state), apply(frame, state))


def test_a_missing_date_is_the_mean_of_each_input_and_is_told():
    column = ["2024-01-01T06:00", "2024-01-06T12:00", None, " "]
    state = fitted(column, "hour", "weekend")
    assert applied(state, column) == pytest.approx(
        np.array([[1, 0, 0, 0], [0, -1, 1, 0], [0.5, -0.5, 0.5, 1], [0.5, -0.5, 0.5, 1]]), abs=1e-6
    )
    assert applied(fitted(column[:2], "hour"), [None]).shape == (1, 2)
    assert applied(fitted(column[:2], "hour", missing_flag="always"), [None])[0, -1] == 1
    assert applied(fitted(column, "hour", missing_flag="never"), [None]).shape == (1, 2)
    assert applied(fitted([None, None], "hour"), ["2024-01-01", None]).tolist() == [[0, 1, 0], [0, 0, 1]]
    assert np.array_equal(
        applied(fitted(column, "hour", impute="constant", fill_value=-9.0), column),
        applied(state, column)[:, [0, 1, 3]],
    )


def test_the_year_is_scaled_as_numbers_are_and_goes_on_beyond_them():
    column = ["2020-01-01", "2021-01-01", "2022-01-01"]
    state = fitted(column, "weekend", "month", "year", scale="minmax")
    assert applied(state, [*column, "2032-01-01"])[:, -1] == pytest.approx([0, 0.5, 1, 6])
    assert applied(fitted(column, "year", scale="none"), column).tolist() == [[2020], [2021], [2022]]


def test_inputs_follow_numbers_and_categories_and_the_state_is_json_whatever_the_order_of_the_rows():
    frame = pd.DataFrame({"when": pd.date_range("2023-11-05", periods=50, freq="31h"), "x": np.arange(50.0)})
    frame.loc[7, "when"] = pd.NaT
    features = {"when": feature("hour", "weekday", "year"), "x": NumericFeature(kind="numeric")}
    state = fit(frame, features, Transforms())
    assert state["columns"] == ["when", "x"] and state["input_shape"] == [7]
    assert fit(frame[::-1], features, Transforms())["dates"] == state["dates"]
    back = json.loads(json.dumps(state, allow_nan=False))
    assert np.array_equal(apply(frame, back), apply(frame, state))
    assert apply(frame, state)[:, 0] == pytest.approx((frame["x"] - 24.5) / np.std(np.arange(50)), abs=1e-6)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (["2024-01-01", "soon"], "The column 'when' holds something that is no date in ISO 8601."),
        (["31.12.2024"], "holds something that is no date"),
        (["2024-02-30"], "holds something that is no date"),
        ([[1]], "holds something that is no date"),
        ([20240101], "holds something that is no date"),
        ([True], "holds something that is no date"),
    ],
)
def test_what_is_no_date_is_refused_naming_the_column(column, says):
    state = fitted(["2024-01-01"], "month")
    with pytest.raises(ValueError, match=says):
        check_frame(pd.DataFrame({"when": column}), {"state": state})


def test_gaps_and_numbers_are_refused_where_nothing_stands_for_them():
    state = fitted(["2024-01-01"], "month", impute="refuse")
    with pytest.raises(ValueError, match="The column 'when' has 2 missing values, and this model imputes none"):
        check_frame(pd.DataFrame({"when": [None, "2024-01-01", ""]}), {"state": state})
    with pytest.raises(RequestError, match="impute is refuse, and the column 'when' has 1 gaps"):
        fitted(["2024-01-01", None], "month", impute="refuse")
    with pytest.raises(RequestError, match="The column 'when' holds int64 values, not dates"):
        fitted([1700000000, 1700000001], "month")
    torn = fitted(pd.Series(["2024-01-01", "soon"], dtype=object), "month")
    check_frame(pd.DataFrame({"when": ["soon"]}), {"state": torn})
    assert applied(torn, ["soon"])[0, -1] == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"parts": []}, "at least 1 item"),
        ({"parts": ["hour", "month", "hour"]}, "'hour' stands there twice"),
        ({"parts": ["century"]}, "Input should be 'hour'"),
        ({"timezone": "Berlin"}, "there is no time zone 'Berlin'"),
        ({"timezone": "Europe"}, "there is no time zone 'Europe'"),
    ],
)
def test_parts_and_zones_that_are_none_are_refused(fields, says):
    with pytest.raises(ValidationError, match=says):
        DatetimeFeature.model_validate_json(json.dumps({"kind": "datetime", **fields}))


def test_the_years_are_no_default():
    assert "year" not in DatetimeFeature(kind="datetime").parts
