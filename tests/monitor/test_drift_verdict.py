"""The verdict on drift: finds what moved, is silent about what did not, and never fails on odd rows."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.core.feature_kinds import CategoricalFeature, ImageFeature, NumericFeature
from tasks.core.upkeep import Monitoring
from tasks.monitor.drift import Drift, confirmed, judge, windows_per_year
from tests.monitor.streams import frame, series

MONITORING = Monitoring()
NUMBER, LABEL = NumericFeature(kind="numeric"), CategoricalFeature(kind="categorical")


def rows(count: int, columns: int = 30, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).normal(size=(count, columns))
    return pd.DataFrame(values, columns=[f"c{place}" for place in range(columns)])


def features(table: pd.DataFrame) -> dict:
    return dict.fromkeys(table.columns, NUMBER)


def verdict(history: pd.DataFrame, window: pd.DataFrame, **more) -> Drift:
    return judge(history, window, more.pop("features", features(history)), MONITORING, 52, **more)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_one_column_of_thirty_that_moves_by_one_standard_deviation_is_found(correlation):
    found = []
    for seed in range(12):
        values = series(30, 2200, correlation, np.random.default_rng(seed))
        values[4, 2000:] += 1
        table = pd.DataFrame(values.T, columns=[f"c{place}" for place in range(30)])
        verdict_ = verdict(table[:2000], table[2000:])
        found.append(verdict_.columns[4].drifted)
        assert verdict_.detected or not found[-1]
    assert all(found)


def test_the_reason_names_what_moved_and_what_the_verdict_rests_on():
    history, window = rows(2000), rows(200, seed=1)
    window["c7"] += 1
    moved = verdict(history, window)
    assert moved.detected and [column.name for column in moved.columns if column.drifted] == ["c7"]
    assert moved.reason.startswith("1 of 30 columns moved: c7 (0.")
    assert "12 windows of 166 rows of the history" in moved.reason
    still = verdict(history, rows(200, seed=1))
    assert not still.detected and still.reason.startswith("No column moved farther")
    assert still.statistic is not None and still.threshold is not None and still.statistic < still.threshold


def test_the_statistic_is_beyond_the_threshold_where_a_column_is():
    history, window = rows(1000, 5), rows(100, 5, seed=3)
    for shift in np.linspace(0, 1, 9):
        found = verdict(history, window.assign(c0=window["c0"] + shift))
        assert found.detected == (found.statistic > found.threshold) == any(c.drifted for c in found.columns)
        assert [c.drifted for c in found.columns] == [c.effect > c.threshold for c in found.columns]


def test_a_new_label_is_found_and_so_is_a_column_that_went_missing():
    history, kinds = frame(series(8, 2400, 0.0, np.random.default_rng(0)))
    window, _ = frame(series(8, 200, 0.0, np.random.default_rng(1)))
    new = window.assign(c2=np.where(np.arange(200) % 3 == 0, "never seen", window["c2"]))
    assert [c.name for c in verdict(history, new, features=kinds).columns if c.drifted] == ["c2"]
    gone = verdict(history, window.drop(columns="c1"), features=kinds)
    assert [(c.name, c.effect) for c in gone.columns if c.drifted] == [("c1", 1.0)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.permutations(range(60)), st.floats(0.1, 50), st.floats(-9, 9))
def test_the_order_of_the_window_and_the_unit_of_a_column_do_not_matter(order, factor, offset):
    history, window = rows(240, 3), rows(60, 3, seed=1)
    plain = verdict(history, window)
    assert verdict(history, window.iloc[order]) == plain
    scaled = [table.assign(c1=(table["c1"] * factor + offset).round(9)) for table in (history, window)]
    rounded = [table.assign(c1=table["c1"].rank()) for table in scaled]
    assert verdict(*scaled).rows == verdict(*rounded).rows == plain.rows
    assert verdict(*scaled).columns[0] == plain.columns[0]
    assert verdict(*scaled).columns[1].effect == pytest.approx(plain.columns[1].effect, abs=0.02)


def test_nothing_moved_between_a_frame_and_itself():
    history, kinds = frame(series(8, 600, 0.5, np.random.default_rng(0)))
    found = verdict(history, history.sample(frac=1, random_state=1), features=kinds)
    assert not found.detected and all(column.effect == pytest.approx(0, abs=1e-12) for column in found.columns)


ODD = {
    "missing": lambda n: pd.Series([np.nan] * n),
    "none": lambda n: pd.Series([None] * n, dtype=object),
    "constant": lambda n: pd.Series([3] * n),
    "flag": lambda n: pd.Series([place % 2 == 0 for place in range(n)]),
    "nullable": lambda n: pd.Series([None if place % 3 else place for place in range(n)], dtype="Int64"),
    "boolean": lambda n: pd.Series([None if place % 3 else True for place in range(n)], dtype="boolean"),
    "times": lambda n: pd.Series(pd.date_range("2026-01-01", periods=n, freq="h", tz="UTC")),
    "spans": lambda n: pd.Series(pd.to_timedelta(np.arange(n), unit="s")),
    "category": lambda n: pd.Series([f"v{place % 4}" for place in range(n)], dtype="category"),
    "unique": lambda n: pd.Series([f"v{place}" for place in range(n)]),
    "lists": lambda n: pd.Series([[place % 2] for place in range(n)]),
    "mixed": lambda n: pd.Series([(place, str(place), None, 1.5)[place % 4] for place in range(n)], dtype=object),
    "infinite": lambda n: pd.Series([np.inf if place % 5 == 0 else place for place in range(n)], dtype=float),
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.lists(st.sampled_from(sorted(ODD)), min_size=1, max_size=4),
    st.lists(st.sampled_from(sorted(ODD)), min_size=4, max_size=4),
    st.integers(0, 260),
    st.sampled_from([0, 1, 9, 10, 33, 60, 400]),
    st.booleans(),
)
def test_odd_rows_are_judged_or_it_is_said_why_not(old, new, history_rows, window_rows, numeric):
    history = pd.DataFrame({f"c{place}": ODD[kind](history_rows) for place, kind in enumerate(old)})
    window = pd.DataFrame({f"c{place}": ODD[new[place]](window_rows) for place in range(len(old))})
    kinds = dict.fromkeys(history.columns, NUMBER if numeric else LABEL)
    answers = [pd.Series([place % 3 for place in range(n)], dtype="Int64") for n in (history_rows, window_rows)]
    answers[0][answers[0].index % 4 > 0] = pd.NA
    found = judge(
        history, window, kinds, Monitoring(min_rows=10), 365, history_predictions=answers[0],
        window_predictions=answers[1],
    )  # fmt: skip
    assert found.rows == window_rows and found.reason.endswith(".")
    assert found.judged == (window_rows >= 10 and history_rows >= 120)
    if found.judged:
        assert all(0 <= column.effect <= 1 and np.isfinite(column.threshold) for column in found.columns)
        assert np.isfinite(found.statistic) and np.isfinite(found.threshold) and found.supported_rate > 0
    else:
        assert not found.detected and found.columns == () and found.statistic is None


def test_too_few_rows_are_not_judged_and_the_sentence_says_how_many_are_needed():
    short = verdict(rows(2000), rows(29))
    assert short.reason == "The window was not judged: it has 29 rows and monitoring.min_rows is 30."
    young = verdict(rows(100), rows(30))
    assert young.reason == "The window was not judged: the history has 100 rows and a threshold needs 120."
    assert not short.detected and not young.judged
    nothing = judge(rows(2000), rows(50), {}, MONITORING, 52)
    assert "no column" in nothing.reason


def test_answers_that_move_are_found_beside_columns_that_do_not():
    random = np.random.default_rng(0)
    history, window = rows(2400, 4), rows(200, 4, seed=1)
    said = pd.Series(random.choice(["yes", "no"], 2400), dtype=object).where(random.random(2400) < 0.3)
    same, other = (pd.Series(random.choice(["yes", "no"], 200, p=p)) for p in ([0.5, 0.5], [0.9, 0.1]))
    for answers, moved in ((same, False), (other, True)):
        found = verdict(history, window, history_predictions=said, window_predictions=answers)
        assert found.columns[-1].name == "prediction" and found.columns[-1].drifted == moved
        assert not any(column.drifted for column in found.columns[:-1])


def test_rows_without_an_answer_count_for_neither_side():
    said = pd.Series(np.random.default_rng(0).normal(size=1200))
    half = said.where(np.arange(1200) % 2 == 0)
    found = [
        judge(rows(1200, 1), rows(100, 1), {}, MONITORING, 52, history_predictions=part, window_predictions=half[:100])
        for part in (half, half)
    ]
    assert found[0] == found[1] and not found[0].detected and found[0].columns[0].effect < 0.2


def test_answers_alone_can_be_judged_and_classes_are_labels_even_as_numbers():
    random = np.random.default_rng(0)
    said, flipped = pd.Series(random.integers(0, 10, 3000)).astype(float), pd.Series(random.integers(0, 10, 200))
    swapped = flipped.replace({3: 4, 5: 6})
    table = pd.DataFrame(index=range(3000))
    found = [
        judge(table, table[:200], {}, MONITORING, 52, history_predictions=said, window_predictions=answers)
        for answers in (flipped, swapped)
    ]
    assert [item.detected for item in found] == [False, True]
    assert found[1].columns[0].effect > 0.15


def test_a_pixel_that_was_always_dark_and_lights_up_is_found():
    random = np.random.default_rng(0)
    names = [f"image_{row}_{column}" for row in range(4) for column in range(4)]
    tables = [pd.DataFrame(random.integers(0, 16, (n, 16)), columns=names) for n in (1500, 120)]
    for table in tables:
        table["image_0_0"] = 0
    kinds = {"image": ImageFeature(kind="image", size=(4, 4))}
    assert not verdict(*tables, features=kinds).detected
    one = tables[1].assign(image_0_0=[9] + [0] * 119)
    assert not verdict(tables[0], one, features=kinds).detected
    some = tables[1].assign(image_0_0=[9] * 12 + [0] * 108)
    assert [c.name for c in verdict(tables[0], some, features=kinds).columns if c.drifted] == ["image_0_0"]


@pytest.mark.parametrize(
    ("rule", "detections", "expected"),
    [
        ({}, [], False),
        ({}, [True], False),
        ({}, [True, True], True),
        ({}, [True, True, False], False),
        ({}, [True, False, True], False),
        ({"of_windows": 3}, [True, False, True], True),
        ({"of_windows": 3}, [True, True, False], False),
        ({"of_windows": 3}, [True, False, False, True], False),
        ({"windows_to_confirm": 1}, [False, True], True),
    ],
)
def test_an_alarm_needs_the_newest_window_and_enough_of_those_before(rule, detections, expected):
    assert confirmed(detections, Monitoring(**rule)) is expected


@pytest.mark.parametrize(
    ("line", "ticks"),
    [("0 3 * * 1", 52.2), ("0 * * * *", 8766), ("* * * * *", 525960), ("0 0 1 * *", 12), ("0 0 29 2 *", 1)],
)
def test_a_schedule_says_how_many_windows_a_year_has(line, ticks):
    assert windows_per_year(line) == pytest.approx(ticks, rel=0.01)


@pytest.mark.parametrize("line", ["*/20 */6 * * *", "5 9-17 * * 1-5", "0,30 3 13 * 5", "0 0 * * 1#1"])
def test_a_year_of_ticks_is_what_cron_counts(line):
    start = datetime(2000, 12, 31, 23, 59)
    ticks, count, end = CronSim(line, start), 0, datetime(2005, 1, 1)
    while next(ticks) < end:
        count += 1
    assert windows_per_year(line) == pytest.approx(count / 4)


def test_without_a_schedule_a_year_has_a_window_a_week():
    assert windows_per_year(None) == 52
