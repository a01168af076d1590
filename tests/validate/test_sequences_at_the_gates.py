"""The data gates take texts as labels that name rows, and the steps of a series as numbers that may be missing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core.errors import RequestError
from tasks.core.recipe import Recipe
from tasks.validate.infer import identified, infer
from tasks.validate.judge import judge
from tests.train.sequenced import recipe_of, reviews, waves

BAG = {"kind": "bag_of_embeddings"}
GRU = {"kind": "recurrent"}


def gates(frame: pd.DataFrame, recipe: Recipe) -> dict[str, Any]:
    return {gate.name: gate for gate in judge(identified(frame, recipe.data.target, None), recipe, None, 0).gates}


def blocking(frame: pd.DataFrame, recipe: Recipe) -> list[str]:
    return [name for name, gate in gates(frame, recipe).items() if gate.blocks]


def test_sound_texts_and_series_pass_every_data_gate():
    texts, series = reviews(300), waves(300)
    assert blocking(texts, recipe_of(texts, BAG, "y")) == []
    assert blocking(series, recipe_of(series, GRU, "up")) == []
    assert blocking(series, recipe_of(series, GRU, "y")) == []


def test_copies_of_texts_are_counted():
    texts = reviews(300)
    copied = pd.concat([texts, *[texts.head(50)] * 10], ignore_index=True)
    found = gates(copied, recipe_of(texts, BAG, "y"))["duplicates"]
    assert found.evidence["duplicates"] == 500 and found.evidence["groups_on_two_sides"] == 0


def test_words_where_steps_are_due_and_absent_steps_are_named():
    series = waves(300)
    recipe = recipe_of(series, GRU, "up")
    wordy = gates(series.assign(s_3="many"), recipe)["schema"]
    assert wordy.blocks and wordy.evidence["wrong_type"] == ["s_3"]
    absent = gates(series.drop(columns=["s_3", "s_4"]), recipe)["schema"]
    assert absent.blocks and "'s_3' (data.features.s, 2 of 16 step columns) is missing" in absent.reason


def test_near_copies_of_a_series_across_the_split_are_leakage():
    series = waves(300)
    noisy = series.copy()
    steps = [f"s_{step}" for step in range(16)]
    noisy[steps] += np.random.default_rng(1).normal(0, 1e-6, (300, 16))
    both = pd.concat([series, noisy], ignore_index=True)
    assert "leakage" in blocking(both, recipe_of(series, GRU, "up"))


def test_no_text_is_in_the_evidence_of_a_gate():
    texts = reviews(300).assign(note=lambda rows: rows["note"] + " zanzibar")
    found = gates(pd.concat([texts, texts, texts]), recipe_of(texts, BAG, "y"))
    assert "zanzibar" not in json.dumps({name: [gate.evidence, gate.reason] for name, gate in found.items()})


def test_where_only_texts_are_left_a_recipe_that_reads_them_is_suggested() -> None:
    with pytest.raises(RequestError) as caught:
        infer(reviews(120), "y")
    assert "No column is left to learn 'y' from: 'note' (nearly every row has its own text)." in caught.value.message
    assert caught.value.remedy.startswith("Write a recipe in which data.features.note is {kind: text}, add columns")
