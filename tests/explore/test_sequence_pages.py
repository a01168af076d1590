"""Texts are shown by their lengths and series by the middle of each step; no text and no row's value is told."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.explore.test_findings import explored
from tests.train.sequenced import reviews, turned_round, waves

TEXT = {"note": {"kind": "text"}}
SERIES = {"s": {"kind": "series", "length": 16}}


def test_texts_are_told_by_their_length_and_no_word_of_them_is_shown():
    frame = reviews(200).assign(note=lambda rows: rows["note"] + " zanzibar")
    frame.loc[0, "note"] = None
    frame.loc[1, "note"] = frame.loc[2, "note"]
    table, words, page = explored(frame, features=TEXT)
    assert table.texts["note"].shape == (200,) and table.categorical == {} and table.numeric == {}
    lengths = frame["note"].fillna("").str.split().str.len()
    assert f"Half of the texts in note have at most {int(lengths.quantile(0.5))} words, 95 % at most" in words
    assert "1 text of note repeats an earlier one exactly." in words
    assert "Histogram of the number of words in note" in page
    assert "Box plots of the number of words in note by y" in page
    assert "1 text" in page and "zanzibar" not in page and "zanzibar" not in words


def test_columns_beside_a_text_or_a_series_are_shown_as_ever():
    for frame, features in ((reviews(200), TEXT), (waves(200).drop(columns="y").rename(columns={"up": "y"}), SERIES)):
        table, words, page = explored(turned_round(frame), features=features)
        assert set(table.numeric) == {"x"} and set(table.categorical) == {"kind"}
        assert bool(table.texts) != bool(table.series)
        assert "Histogram of x" in page and "Rows by kind" in page and any("x" in sentence for sentence in words)


def test_a_column_of_empty_texts_is_said_to_be_one():
    _, words, page = explored(reviews(40).assign(note=None), features=TEXT)
    assert "note holds no word at all." in words and "Histogram" in page


def test_a_series_is_drawn_by_the_middle_of_each_step_and_not_as_columns():
    frame = waves(300).drop(columns="y").rename(columns={"up": "y"})
    table, _, page = explored(frame, features=SERIES)
    assert table.series["s"].shape == (300, 16) and table.numeric == {}
    assert page.count("The middle of each step of s") == 1
    assert "Series" in page and "Histogram of s_0" not in page


def test_the_series_of_a_regression_are_drawn_with_their_quartiles():
    _, _, page = explored(waves(60).drop(columns="up"), "regression", features=SERIES)
    assert "3 quarters" in page and "median" in page


def test_steps_that_few_rows_have_are_not_drawn_and_empty_series_draw_nothing():
    frame = waves(60).drop(columns="up")
    frame["s_15"] = np.where(np.arange(60) == 0, 123456.0, np.nan)
    assert "123456" not in explored(frame, "regression", features=SERIES)[2]
    gone = pd.DataFrame(np.nan, index=range(60), columns=[f"s_{step}" for step in range(16)]).assign(y=range(60))
    assert "The middle of each step of s" not in explored(gone.astype(float), "regression", features=SERIES)[2]
