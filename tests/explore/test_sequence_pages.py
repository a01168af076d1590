"""Texts are shown by lengths and frequent words, series by the middle of each step; no row's value is told."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from tasks.core import splits
from tasks.core.feature_kinds import TextFeature
from tasks.core.preprocessing import Text, Transforms
from tasks.core.recipe import Data
from tasks.explore.words import tell
from tasks.report.numbers import percent
from tasks.transforms import fit
from tests.explore.test_findings import explored
from tests.train.sequenced import FILLERS, reviews, turned_round, waves

TEXT = {"note": {"kind": "text"}}
DATA = Data.model_validate({"reader": {"kind": "csv", "path": "x.csv"}, "target": "y"})
SERIES = {"s": {"kind": "series", "length": 16}}


def test_texts_are_told_by_their_length_and_no_word_of_a_few_rows_is_shown():
    frame = reviews(200).assign(note=lambda rows: rows["note"] + " zanzibar 0815")
    frame.loc[0, "note"] = None
    frame.loc[1, "note"] = frame.loc[2, "note"]
    frame.loc[3:6, "note"] += " timbuktu"
    frame.loc[7:11, "note"] += " samarkand"
    table, words, page = explored(frame, features=TEXT)
    assert table.texts["note"].shape == (200,) and table.categorical == {} and table.numeric == {}
    lengths = frame["note"].fillna("").str.split().str.len()
    assert f"Half of the texts in note have at most {int(lengths.quantile(0.5))} words, 95 % at most" in words
    assert "1 text of note repeats an earlier one exactly." in words
    assert "Histogram of the number of words in note" in page
    assert "Box plots of the number of words in note by y" in page
    assert "1 text" in page and "zanzibar" in page and "Most frequent words in note" in page
    assert not {"timbuktu", "0815"} & set(re.findall(r"\w+", page)) and "zanzibar" not in words


def holding(notes: pd.Series, word: str) -> float:
    """Share of the texts with a word."""
    return float(np.mean([word in note.split() for note in notes]))


def test_the_words_of_a_class_are_those_its_texts_have_more_often_than_others():
    frame = reviews(200)
    table, words, page = explored(frame, features=TEXT)
    assert "Every token of note in rows that are held out is among the 18 of the training rows." in words
    told = tell(frame.assign(row_id=[f"{row:032x}" for row in range(200)]), table, DATA, Text())["note"]
    assert [word for word, _ in told.telling["good"][:3]] == sorted(
        ("superb", "great", "moving"), key=lambda word: -frame["note"][frame["y"] == "good"].str.contains(word).sum()
    )
    assert {"awful", "poor", "dull"}.isdisjoint(word for word, _ in told.telling["good"])
    good, bad = (frame["note"][frame["y"] == label] for label in ("good", "bad"))
    assert dict(told.telling["bad"])["dull"] == holding(bad, "dull")
    assert all(share == holding(good, word) for word, share in told.telling["good"])
    assert told.frequent[0][1] == max(holding(frame["note"], word) for word in FILLERS)
    assert "good: words its texts have more often than others in note" in page and "superb" in page


def test_the_share_of_unknown_tokens_is_that_of_the_vocabulary_that_the_training_rows_teach():
    frame = reviews(200).assign(note=lambda rows: [f"{note} own{number}" for number, note in enumerate(rows["note"])])
    frame.loc[:9, "y"] = None
    rows = frame.assign(row_id=[f"{row:032x}" for row in range(200)])
    table, words, _ = explored(frame, features=TEXT)
    how = Text(max_length=10, min_count=2)
    told = tell(rows, table, DATA, how)["note"]
    sides = splits.assign(rows[10:], DATA)
    state = fit(rows[10:][sides == "train"], {"note": TextFeature(kind="text")}, Transforms(text=how))
    assert told.known == len(state["tokens"]) == 18
    for part, of in ((told.training, sides == "train"), (told.held_out, sides != "train")):
        lengths = rows[10:][of]["note"].str.split().str.len()
        assert (part.rows, part.tokens, part.longer) == (of.sum(), lengths.sum(), (lengths > 10).sum())
        # One word of each text is its own, and min_count asks for two of a kind.
        assert part.unknown == of.sum()
    share = told.held_out.unknown / told.held_out.tokens
    assert f"{percent(share)} of the tokens of note in rows that are held out are none of the 18 that the" in words


def test_of_very_many_texts_some_are_drawn_and_the_page_says_so(monkeypatch):
    assert "texts and series are drawn" not in explored(reviews(60), features=TEXT)[2]
    for module in ("words.MOST_ROWS", "sequences.MOST_ROWS", "page.MOST_SEQUENCES"):
        monkeypatch.setattr(f"tasks.explore.{module}", 40)
    _, words, page = explored(reviews(60), features=TEXT)
    assert "texts and series are drawn from 40 rows, evenly picked" in page and "Every token of note" in words


def test_a_vocabulary_of_every_own_word_knows_none_of_the_others():
    frame = reviews(200).assign(note=lambda rows: [f"{note} own{number}" for number, note in enumerate(rows["note"])])
    table, _, _ = explored(frame, features=TEXT)
    told = tell(frame.assign(row_id=[f"{row:032x}" for row in range(200)]), table, DATA, Text(min_count=1))["note"]
    assert (told.training.unknown, told.held_out.unknown) == (0, told.held_out.rows)


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
