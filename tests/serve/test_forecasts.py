"""What is asked of a model of windows: each whole window of a file, the newest of them about rows to come."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.recipe import Windows
from tasks.core.windows import window_columns, with_windows
from tasks.serve.forecasts import questions
from tasks.serve.steps_in_time import continued, missing_between

TWO = Windows(columns=("y",), length=2)
PAST = ["past_y_0", "past_y_1"]


def asked(frame: pd.DataFrame, windows: Windows = TWO, columns: tuple[str, ...] = (), **more):
    return questions(frame, windows, "t", [*window_columns(windows), *columns], **more)


def test_every_whole_window_is_asked_about_and_the_newest_of_them_about_the_row_to_come():
    found = asked(pd.DataFrame({"t": [3, 1, 4, 2], "y": [30, 10, 40, 20]}))
    assert found.labels.to_dict("list") == {"t": [3, 4, 5], "window_end": [2, 3, 4], "horizon": [1, 1, 1]}
    assert found.frame[PAST].to_numpy().tolist() == [[10, 20], [20, 30], [30, 40]]
    assert found.notes == ()
    far = asked(pd.DataFrame({"t": [1, 2], "y": [10, 20]}), Windows(columns=("y",), length=2, horizon=3))
    assert far.labels.to_dict("list") == {"t": [5], "window_end": [2], "horizon": [3]}
    assert far.frame[PAST].to_numpy().tolist() == [[10, 20]]


def test_each_series_has_rows_to_come_of_its_own_and_ids_are_those_of_the_file():
    frame = pd.DataFrame(
        {"t": [1, 1, 2, 2, 4, 3], "who": list("abbaba"), "y": [1, 10, 20, 2, 40, 3], "key": list("uvwxyz")}
    )
    frame = frame[frame["t"] != 4]
    found = asked(frame, Windows(columns=("y",), length=2, by="who"), id_column="key")
    assert found.labels.astype(object).where(found.labels.notna(), None).to_numpy().tolist() == [
        ["z", "a", 3, 2, 1],
        [None, "a", 4, 3, 1],
        [None, "b", 3, 2, 1],
    ]
    assert found.frame[PAST].to_numpy().tolist() == [[1, 2], [2, 3], [10, 20]]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from("ab")), min_size=1, max_size=14),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_questions_about_rows_of_the_file_are_those_of_training_and_none_is_left_out(rows, length, horizon):
    frame = pd.DataFrame(rows, columns=["t", "who"]).drop_duplicates().assign(y=lambda rows: rows["t"] * 1.5)
    windows = Windows(columns=("y",), length=length, horizon=horizon, by="who")
    sizes = frame.groupby("who").size()
    if sizes.max() < length:
        with pytest.raises(ValueError, match="A window takes"):
            asked(frame, windows)
        return
    if missing_between(*(frame.sort_values("t")[name] for name in ("t", "who"))):
        with pytest.raises(ValueError, match="Rows are missing"):
            asked(frame, windows)
        return
    found = asked(frame, windows)
    # One window ends at each row that has length - 1 rows of its own before it.
    assert len(found.frame) == (sizes - length + 1).clip(lower=0).sum()
    past = window_columns(windows)
    trained = with_windows(frame, windows, "t").dropna(subset=past).set_index(["t", "who"])[past]
    both = found.labels.join(found.frame[past]).dropna(subset="t").set_index(["t", "who"])[past]
    both = both[both.index.isin(frame.set_index(["t", "who"]).index)]
    pd.testing.assert_frame_equal(both.sort_index(), trained.sort_index(), check_index_type=False)
    assert (found.frame[past[-1]].to_numpy() == 1.5 * found.labels["window_end"].to_numpy(float)).all()


def test_rows_to_come_that_are_in_the_file_are_answered_there_and_so_is_their_other_column():
    frame = pd.DataFrame({"t": [1, 2, 3, 4], "y": [10, 20, 30, np.nan], "x": [0, 1, 0, 1]})
    alone = asked(frame)
    assert alone.labels["t"].tolist() == [3, 4]
    beside = asked(frame, columns=("x",))
    assert beside.labels["t"].tolist() == [3, 4] and beside.frame["x"].tolist() == [0, 1] and beside.notes == ()
    unknown = asked(frame[:3], columns=("x",))
    assert unknown.labels["t"].tolist() == [3]
    assert unknown.notes == (
        "The newest windows got no answer: the model looks at 'x' of the row it forecasts as well. Add such rows, with "
        "what is known of them.",
    )


def test_whose_a_row_to_come_is_and_when_are_foreseen():
    frame = pd.DataFrame({"t": ["2024-01-01", "2024-01-02"] * 2, "who": list("aabb"), "y": [1, 2, 3, 4]})
    found = asked(frame, Windows(columns=("y",), length=2, by="who"), columns=("who", "t"))
    assert found.notes == ()
    assert found.frame["who"].tolist() == ["a", "b"]
    assert pd.to_datetime(found.frame["t"]).dt.day.tolist() == [3, 3]
    assert found.frame[PAST].to_numpy().tolist() == [[1, 2], [3, 4]]
    # A single row before says nothing of a step, so nobody knows when the next one is.
    alone = asked(frame[::2].assign(t=[3, 9]), Windows(columns=("y",), length=1, by="who"), columns=("t",))
    assert "looks at 't' of the row it forecasts" in alone.notes[0]


def test_what_gets_no_answer_is_counted():
    frame = pd.DataFrame({"t": [1, 2, 3, 4, 5, 1], "who": list("aaaaab"), "y": [1, 2, None, 4, 5, 9]})
    found = asked(frame, Windows(columns=("y",), length=2, by="who"))
    assert found.labels["t"].tolist() == [3, 5, 6]
    assert found.frame["past_y_0"].isna().tolist() == [False, True, False], "a gap inside is filled as in training"
    assert found.notes == (
        "1 of 2 'who' has fewer rows than the 2 of a window, and got no answer.",
        "1 row got no answer: the last row of the window lacks a number.",
    )


@pytest.mark.parametrize(
    ("frame", "by", "says"),
    [
        ({"t": [1], "y": [1]}, None, "A window takes 2 rows, and the file has 1."),
        ({"t": [], "y": []}, None, "A window takes 2 rows, and the file has none."),
        ({"t": [1, 1], "y": [1, 2], "who": ["a", "b"]}, "who", "2 rows of one 'who', and the file has 1 at most."),
        ({"t": [1, 2], "z": [1, 2]}, None, "The source has no column 'y', which data.windows needs."),
        ({"t": [1, 2], "y": [1, 2]}, "who", "The source has no column 'who', which data.windows needs."),
        ({"t": [1, 2], "y": [1, 2], "who": ["a", None]}, "who", "1 row of it has no 'who', which says whose a row is."),
        ({"t": ["soon", "2024-01-02"], "y": [1, 2]}, None, "1 row of it has no time in 't' that can be read."),
        ({"t": [1, 2, 3, 5, 6, 7, 8, 9], "y": range(8)}, None, "Rows are missing at 1 place of 't', where a step is"),
    ],
)
def test_a_file_without_a_window_is_refused_in_one_sentence(frame, by, says):
    with pytest.raises(ValueError) as caught:
        asked(pd.DataFrame(frame), Windows(columns=("y",), length=2, by=by))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("days", "gaps"),
    [
        (pd.date_range("2024-01-01", periods=24, freq="MS"), 0),
        (pd.date_range("2024-01-01", periods=24, freq="MS").delete(5), 1),
        (pd.date_range("2024-01-01", periods=40, freq="B"), 0),
        (pd.date_range("2024-01-01", periods=48, freq="h").delete([5, 6, 20]), 2),
        (pd.DatetimeIndex(["2024-01-01"]), 0),
        (pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-02-09", "2024-02-10", "2024-04-01"]), 0),
    ],
)
def test_a_row_is_missing_where_steps_are_alike_but_for_a_longer_one(days, gaps):
    assert missing_between(pd.Series(days), pd.Series(np.zeros(len(days)))) == gaps


@pytest.mark.parametrize(
    ("column", "follows"),
    [
        ([1, 3, 5], [7, 9]),
        ([0.5, 0.75], [1.0, 1.25]),
        ([1, 2, 5], [None, None]),
        ([7], [None, None]),
        ([1, 1], [None, None]),
        (["2024-01-30", "2024-01-31"], ["2024-02-01", "2024-02-02"]),
        (["01/30/2024 22:00", "01/30/2024 23:00"], ["01/31/2024 00:00", "01/31/2024 01:00"]),
        (["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], ["2024-05-01", "2024-06-01"]),
        (["2024-01-03", "2024-01-04", "2024-01-05", "2024-01-08"], ["2024-01-09", "2024-01-10"]),
        (["2024-01-01", "2024-01-03", "2024-01-10"], [None, None]),
        ([dt.date(2024, 1, 1), dt.date(2024, 1, 2)], [dt.date(2024, 1, 3), dt.date(2024, 1, 4)]),
        (pd.date_range("2024-01-01", periods=2, freq="h"), list(pd.date_range("2024-01-01T02", periods=2, freq="h"))),
        (
            pd.date_range("2024-04-05", periods=2, freq="D", tz="Europe/Paris"),
            list(pd.date_range("2024-04-07", periods=2, freq="D", tz="Europe/Paris")),
        ),
    ],
)
def test_the_times_that_follow_are_written_as_those_before(column, follows):
    found = continued(pd.Series(column), 2)
    assert found == follows and [type(one) for one in found] == [type(one) for one in follows]
