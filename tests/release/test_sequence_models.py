"""Packaged models of texts and series: a fresh process answers as this project does, and unseen words are no error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.release import servable
from tasks.release.golden import golden_frame
from tasks.release.package import make_package
from tasks.stores import packaged, runs
from tests.train.sequenced import reviews, turned_round, waves

TEXT = {
    "frame": reviews(200).rename(columns={"y": "outcome"}),
    "data": {"features": {"note": {"kind": "text"}}},
    "transforms": {"text": {"max_length": 24}},
}
SERIES = {
    "frame": waves(200).drop(columns="y").rename(columns={"up": "outcome"}),
    "data": {"features": {"s": {"kind": "series", "length": 16}}},
}
BESIDE = TEXT | {"frame": turned_round(reviews(200)).rename(columns={"y": "outcome"})}
SERIES_BESIDE = SERIES | {"frame": SERIES["frame"].assign(x=range(200), kind=["a", "b"] * 100)}
MODELS = {
    "gru": (TEXT, {"kind": "recurrent", "hidden": 8, "embedding": 8, "bidirectional": True, "pooling": "max"}),
    "encoder": (TEXT, {"kind": "transformer", "width": 8, "heads": 2, "layers": 1}),
    "bag": (TEXT, {"kind": "bag_of_embeddings", "embedding": 8}),
    "lstm": (SERIES, {"kind": "recurrent", "hidden": 8, "cell": "lstm"}),
    "beside_text": (BESIDE, {"kind": "transformer", "width": 8, "heads": 2, "layers": 1}),
    "beside_series": (SERIES_BESIDE, {"kind": "recurrent", "hidden": 8}),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "beside_series")) for name in MODELS]
)
def test_the_packaged_model_answers_as_evaluation_did_and_a_fresh_process_repeats_its_golden_rows(
    name: str, make_model: Callable[..., Any], shared_home: Any
):
    sections, model = MODELS[name]
    made = make_model(name, steps=40, model=model, **sections)
    stored = make_package(*made.inputs)
    loaded = runs.load(shared_home, stored.model_uri)
    test = pd.read_parquet(shared_home.path(made.evaluated.predictions))
    rows = pd.read_parquet(next((shared_home.path(made.versioned.folder) / "rows").glob("*.parquet")))
    asked = rows.set_index("row_id").loc[test["row_id"]].drop(columns=["outcome", "batch"])
    first = next(column for column in test if column.startswith("probability_"))
    again = loaded.predict(asked)
    assert np.abs(again[first].to_numpy() - test[first].to_numpy()).max() < 1e-5
    # One at a time, a sequence has no padding.
    single = pd.concat([loaded.predict(asked.iloc[[row]]) for row in range(8)])
    assert np.abs(single[first].to_numpy() - test[first].to_numpy()[:8]).max() < 1e-5
    golden = packaged.verified(shared_home, name, stored.version).read("golden.json")
    checked = servable.check(shared_home.tracking_uri, f"models:/{name}/1", golden)
    assert checked.problems == () and checked.unavailable == ""


def test_texts_of_any_kind_get_an_answer(make_model: Callable[..., Any], shared_home: Any):
    stored = make_package(*make_model("any", model=MODELS["bag"][1], **TEXT).inputs)
    loaded = runs.load(shared_home, stored.model_uri)
    texts = ["a superb film", "NOBODY has said this", "", None, np.nan, 5, 2.5, "\ud83d\ude00", "x " * 5000]
    found = loaded.predict(pd.DataFrame({"note": pd.Series(texts, dtype=object)}))
    assert len(found) == len(texts) and found.notna().all().all()
    assert found["prediction"][0] == "good"
    with pytest.raises(Exception, match="The column 'note' is missing"):
        loaded.predict(pd.DataFrame({"other": ["x"]}))


def test_a_package_from_before_there_were_texts_still_loads(make_model: Callable[..., Any], shared_home: Any):
    stored = make_package(*make_model("older").inputs)
    folder = runs.local_files(shared_home, stored.model_uri)
    file = next(folder.rglob("model.json"))
    values = json.loads(file.read_text())
    assert values.pop("vocabulary") == 0 and values.pop("sequence") == []
    file.write_text(json.dumps(values))
    assert len(runs.load(shared_home, stored.model_uri).predict(make_model("older").frame)) == 200


def test_golden_texts_are_known_tokens_and_one_nobody_has_seen_and_golden_series_end_where_they_like():
    how = {"level": "word", "ngrams": [1, 1], "lower": True, "numbers": "keep"}
    state = {"kind": "text", "columns": ["note"], "input_shape": [5], "tokens": ["a", "b"], **how}
    texts = golden_frame(state)["note"].tolist()
    assert set(" ".join(texts[:-3]).split()) == {"a", "b"} and texts[-2:] == ["", None]
    assert {len(text.split()) for text in texts[:-3]} == set(range(1, 8))
    channel = {"fill": 5.0, "fences": None, "shift": 5.0, "scale": 2.0}
    series = {"kind": "series", "columns": ["s_0", "s_1", "s_2"], "input_shape": [3, 2], "channels": [channel]}
    for impute, torn in (("median", 1), ("none", 0), ("refuse", 0)):
        there = golden_frame({**series, "impute": impute}).notna().to_numpy()
        assert there[0].all() and not there[-1].any()
        assert {tuple(row) for row in there[:-2].tolist()} >= {(True, False, False), (True, True, True)}
        assert sum(row.tolist() == [True, False, True] for row in there) == torn
