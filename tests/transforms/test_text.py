"""Texts become token ids: cut in a stated way, known by the training rows alone, and never a failure."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tasks.core.errors import RequestError
from tasks.core.feature_kinds import NumericFeature, SeriesFeature, TextFeature
from tasks.core.hashing import canonical_json
from tasks.core.preprocessing import Text
from tasks.core.recipe import Recipe, Transforms
from tasks.transforms import fit
from tasks.transforms.apply import apply, check_frame
from tasks.transforms.words import texts, tokens

TEXT = {"note": TextFeature(kind="text")}
ROWS = ["Call me now!", "call ME", "now or never", None, ""]


def fitted(rows: list, **how) -> dict:
    block = Text(**{"min_count": 1, "max_length": 6, **how})
    return fit(pd.DataFrame({"note": rows}), TEXT, Transforms(text=block))


def of(rows: list, state: dict) -> list:
    return apply(pd.DataFrame({"note": pd.Series(rows, dtype=object)}), state).astype(int).tolist()


def cut(text: str, **how) -> list[str]:
    return tokens(text, Text(**how).model_dump())


def test_words_are_runs_of_letters_and_digits_and_other_signs_stand_alone():
    assert cut("Don't  pay £5,\nOK?") == ["don", "'", "t", "pay", "£", "5", ",", "ok", "?"]
    assert cut("Zoë 你好 snake_case", lower=False) == ["Zoë", "你好", "snake_case"]


def test_characters_are_single_and_white_space_is_one_gap():
    assert cut(" A \t b", level="character") == ["a", " ", "b"]


def test_neighbours_are_one_token_where_runs_are_asked_for():
    assert cut("a b c", ngrams=(1, 2)) == ["a", "b", "c", "a b", "b c"]
    assert cut("abcd", level="character", ngrams=(3, 4)) == ["abc", "bcd", "abcd"]
    assert cut("ab", level="character", ngrams=(3, 4)) == []


def test_numbers_of_one_length_are_one_token_where_only_their_shape_counts():
    assert cut("08712 x2 ٣", numbers="shape") == ["00000", "x0", "0"]


def test_the_vocabulary_is_ranked_by_frequency_then_by_name_and_padding_ends_a_text():
    state = fitted(ROWS)
    assert state["tokens"] == ["call", "me", "now", "!", "never", "or"]
    assert state["vocabulary"] == 8 and state["input_shape"] == [6]
    assert of(["never CALL", "! me"], state) == [[6, 2, 0, 0, 0, 0], [5, 3, 0, 0, 0, 0]]


def test_what_is_not_in_the_vocabulary_is_unknown_and_a_long_text_is_cut_off():
    state = fitted(ROWS, min_count=2, max_length=2)
    assert state["tokens"] == ["call", "me", "now"]
    assert of(["never call", "now now now", "x"], state) == [[1, 2], [4, 4], [1, 0]]
    assert fitted(ROWS, max_tokens=2)["tokens"] == ["call", "me"]


def test_runs_that_nobody_has_learned_are_left_out_unless_nothing_else_is_there():
    state = fitted(["a b", "a b"], ngrams=(1, 2))
    assert state["tokens"] == ["a", "a b", "b"]
    assert of(["a c b", "x y"], state) == [[2, 4, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]


def test_missing_and_empty_texts_have_no_token_and_numbers_are_read_as_written():
    state = fitted(["5", "7.5", "x"])
    assert of([None, np.nan, pd.NA, "", "  "], state) == [[0] * 6] * 5
    assert texts(pd.Series([5.0, 7.5, np.int64(5), True], dtype=object)) == ["5", "7.5", "5", "True"]
    assert of([5, 5.0, "5"], state) == [[state["tokens"].index("5") + 2, 0, 0, 0, 0, 0]] * 3


def test_other_rows_than_those_it_is_fitted_on_change_nothing():
    state = json.loads(canonical_json(fitted(ROWS)))
    assert of(["call"], state)[0][0] == of(["call", "unheard of"], state)[0][0] == 2
    assert fitted(ROWS) == fitted(ROWS[::-1])


ANY = st.one_of(st.text(), st.text(st.characters()), st.none(), st.integers(), st.floats(), st.binary(max_size=4))
HOW = st.fixed_dictionaries(
    {
        "level": st.sampled_from(["word", "character"]),
        "ngrams": st.sampled_from([(1, 1), (1, 3), (2, 2)]),
        "lower": st.booleans(),
        "numbers": st.sampled_from(["keep", "shape"]),
        "max_length": st.integers(1, 9),
        "max_tokens": st.integers(1, 20),
    }
)


@settings(deadline=None, max_examples=200)
@given(st.lists(ANY, max_size=6), st.lists(ANY, max_size=6), HOW)
def test_no_text_whatever_fails_and_every_id_is_one_of_the_vocabulary(training, later, how):
    state = fitted(["some thing to know", *training], **how)
    stored = json.loads(canonical_json(state).encode("utf-8"))
    frame = pd.DataFrame({"note": pd.Series([*training, *later], dtype=object)})
    check_frame(frame, {"state": stored})
    found = apply(frame, stored)
    assert found.dtype == np.float32 and found.shape == (len(frame), how["max_length"])
    assert ((found >= 0) & (found < stored["vocabulary"]) & (found == found.round())).all()
    # Padding stands at the end alone.
    assert (np.diff((found > 0).astype(int), axis=1) <= 0).all()
    assert np.array_equal(found, apply(frame, state))


def test_half_a_surrogate_pair_is_a_question_mark_and_can_be_stored():
    state = fitted(["\ud800 \ud800"])
    assert state["tokens"] == ["?"]


@pytest.mark.parametrize(
    ("features", "transforms", "says"),
    [
        (TEXT | {"x": SeriesFeature(kind="series", length=1)}, {}, "mixes the text 'note' with 'x'"),
        (TEXT | {"x": TextFeature(kind="text")}, {}, "has the texts 'note' and 'x', and a model takes one"),
        (
            {"z": NumericFeature(kind="numeric")} | TEXT | {"x": TextFeature(kind="text")},
            {},
            "has the texts 'note' and 'x', and a model takes one",
        ),
        ({"x2": TextFeature(kind="text")}, {}, "the data have no column 'x2'"),
        (TEXT, {"missing_flag": "always"}, "'note' is a text, beside whose tokens no flag can stand"),
        (TEXT, {"text": Text(min_count=9)}, "data.features.note: no token occurs 9 times among the training rows"),
    ],
)
def test_what_cannot_be_a_text_is_refused_in_one_sentence(features, transforms, says):
    with pytest.raises(RequestError, match=re.escape(says)):
        fit(pd.DataFrame({"note": ["a b"], "x": [1]}), features, Transforms(**transforms))


def test_a_frame_without_the_text_is_refused_and_one_with_other_columns_is_taken():
    state = fitted(ROWS)
    with pytest.raises(ValueError, match="The column 'note' is missing"):
        check_frame(pd.DataFrame({"x": [1]}), {"state": state})
    with pytest.raises(ValueError, match="The column 'note' is missing"):
        apply(pd.DataFrame({"x": [1]}), state)
    check_frame(pd.DataFrame({"x": [1], "note": [2.5]}), {"state": state})


def test_a_recipe_that_cuts_texts_has_one_and_its_runs_have_a_shortest_size():
    values = {
        "name": "some",
        "problem": "classification",
        "data": {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y"},
        "transforms": {"text": {"level": "character"}},
    }
    with pytest.raises(ValidationError, match=r"transforms.text cuts texts into tokens, and data.features declares"):
        Recipe.model_validate_json(json.dumps(values))
    values["data"]["features"] = {"note": {"kind": "text"}}
    assert Recipe.model_validate_json(json.dumps(values)).transforms.text.level == "character"
    values["transforms"]["text"]["ngrams"] = [3, 2]
    with pytest.raises(ValidationError, match="the first number is the smaller one"):
        Recipe.model_validate_json(json.dumps(values))
