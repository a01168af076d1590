"""Texts and windows over time through every stage of the life cycle, from the file to a champion that answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.checking import check
from tasks.core.errors import RequestError
from tasks.core.load import load_recipe
from tasks.ingest.fresh import read_file
from tasks.serve.batch import predict_file
from tasks.stores import registry, runs
from tests.flows.carrying_out import carried_out
from tests.train.sequenced import reviews, turned_round

TEXT = """\
name: opinions
problem: classification
data:
  reader: {kind: csv, path: rows.csv}
  target: y
  features: {note: {kind: text}}
transforms: {text: {max_length: 24}}
model: {kind: bag_of_embeddings, embedding: 16}
training: {epochs: 12, batch_size: 32, optimizer: {kind: adamw, lr: 0.02}}
gates: {thresholds: {accuracy: 0.8}}
"""
WINDOWS = """\
name: tides
problem: regression
data:
  reader: {kind: csv, path: rows.csv}
  target: height
  time: hour
  windows: {columns: [height], length: 12, horizon: 2}
  split: {kind: time, validation: 0.15, test: 0.2}
model: {kind: recurrent, hidden: 16}
training: {epochs: 10, batch_size: 32, optimizer: {kind: adamw, lr: 0.01}}
gates: {thresholds: {r2: 0.8}}
"""


def tides(rows: int = 480) -> pd.DataFrame:
    hour = np.arange(rows)
    height = np.sin(hour / 2) + 0.1 * np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"hour": hour, "height": height})


@pytest.mark.slow
def test_texts_become_a_champion_that_answers_a_file(tmp_path: Path) -> None:
    home, _ = carried_out(tmp_path, TEXT, reviews(400))
    assert registry.champion_version(home, "opinions") == "1"
    asked, answered = tmp_path / "asked.csv", tmp_path / "answered.csv"
    texts = ["A SUPERB film, we saw it", "dull. entirely", "", "words nobody has said", '"quoted", with a comma']
    pd.DataFrame({"note": texts}).to_csv(asked, index=False)
    predict_file(home, "opinions", asked, answered)
    found = pd.read_csv(answered)
    assert found["prediction"].tolist()[:2] == ["good", "bad"] and found.notna().all().all() and len(found) == 5


@pytest.mark.slow
def test_rows_ordered_in_time_become_windows_and_a_forecast(tmp_path: Path) -> None:
    frame = tides()
    home, _ = carried_out(tmp_path, WINDOWS, frame)
    assert registry.champion_version(home, "tides") == "1"
    # New rows come as they were: a file of them gets windows of its own, and those of the newest are forecasts.
    frame.tail(60).to_csv(tmp_path / "new.csv", index=False)
    answer = predict_file(home, "tides", tmp_path / "new.csv", tmp_path / "forecast.csv")
    forecast = pd.read_csv(tmp_path / "forecast.csv")
    assert answer["rows"] == 60 - 11 and forecast["hour"].tolist() == list(range(433, 482))
    assert (forecast["window_end"] == forecast["hour"] - 2).all() and (forecast["horizon"] == 2).all()
    loaded = load_recipe(str(tmp_path))
    new = read_file(tmp_path / "new.csv", loaded)
    whole = new.tail(40)
    assert whole["past_height_11"].to_numpy() == pytest.approx(frame["height"].to_numpy()[-42:-2])
    uri = f"models:/tides/{registry.champion_version(home, 'tides')}"
    found = runs.load(home, uri).predict(whole[[f"past_height_{step}" for step in range(12)]])["prediction"]
    # The same windows, whoever makes them; and beyond the last row of the file, the tide as it will be.
    assert forecast["prediction"].to_numpy()[-42:-2] == pytest.approx(found.to_numpy(), abs=1e-5)
    assert forecast["prediction"].to_numpy()[-2:] == pytest.approx(np.sin(np.array([480, 481]) / 2), abs=0.5)
    errors = found.to_numpy() - whole["height"].to_numpy()
    assert np.sqrt(np.mean(errors**2)) < 0.4 < whole["height"].std()


@pytest.mark.slow
def test_what_is_known_of_a_row_to_come_stands_beside_its_window(tmp_path: Path) -> None:
    storm = np.random.default_rng(1).integers(0, 2, 480)
    frame = tides().assign(storm=storm)
    frame["height"] += 2.0 * storm
    home, _ = carried_out(tmp_path, WINDOWS.replace("epochs: 10", "epochs: 25"), frame)
    assert registry.champion_version(home, "tides") == "1"
    new = pd.concat([frame.tail(40), pd.DataFrame({"hour": [480, 481], "storm": [0, 1]})])
    new.to_csv(tmp_path / "new.csv", index=False)
    answer = predict_file(home, "tides", tmp_path / "new.csv", tmp_path / "forecast.csv")
    forecast = pd.read_csv(tmp_path / "forecast.csv").set_index("hour")
    assert answer["notes"] == [] and forecast.index.tolist() == list(range(453, 482))
    assert forecast["prediction"][[480, 481]].to_numpy() == pytest.approx(
        np.sin([240, 240.5]) + np.array([0, 2]), abs=1.0
    )
    # Without the rows to come nothing is known of their storms, and it is said that they were not asked about.
    frame.tail(40).to_csv(tmp_path / "new.csv", index=False)
    answer = predict_file(home, "tides", tmp_path / "new.csv", tmp_path / "forecast.csv")
    assert answer["rows"] == 40 - 13 and "the model looks at 'storm' of the row" in answer["notes"][0]


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("{kind: mlp}", "the kind mlp takes numbers, and the features give text; choose recurrent, transformer,"),
        ("{kind: cnn}", "the kind cnn takes numbers, and the features give text"),
    ],
)
def test_check_says_where_a_network_takes_no_text(tmp_path: Path, model: str, says: str) -> None:
    recipe = TEXT.replace("{kind: bag_of_embeddings, embedding: 16}", model)
    (tmp_path / "recipe.yaml").write_text(recipe)
    reviews(60).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(RequestError) as caught:
        check(load_recipe(str(tmp_path)))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("{kind: recurrent}", ""),
        ("{kind: mlp}", "the kind mlp takes numbers, and the features give text; choose recurrent, transformer,"),
        ("{kind: cnn}", "the kind cnn takes numbers, and the features give text"),
    ],
)
def test_check_takes_columns_beside_a_text_where_the_network_does(tmp_path: Path, model: str, says: str) -> None:
    recipe = TEXT.replace("{kind: bag_of_embeddings, embedding: 16}", model)
    (tmp_path / "recipe.yaml").write_text(recipe)
    turned_round(reviews(200)).to_csv(tmp_path / "rows.csv", index=False)
    if not says:
        checked = check(load_recipe(str(tmp_path)))
        assert checked.features == {"note": "text", "x": "numeric", "kind": "categorical"}
        return
    with pytest.raises(RequestError, match=says):
        check(load_recipe(str(tmp_path)))


def test_check_takes_texts_and_tells_a_custom_network_how_many_tokens_there_are(tmp_path: Path) -> None:
    (tmp_path / "recipe.py").write_text(
        "import torch\nfrom torch import nn\n\n\nclass Mine(nn.Module):\n"
        "    def __init__(self, input_shape, output_size, vocabulary):\n        super().__init__()\n"
        "        self.vectors = nn.Embedding(vocabulary, 8, padding_idx=0)\n"
        "        self.head = nn.Linear(8, output_size)\n\n"
        "    def forward(self, inputs):\n        return self.head(self.vectors(inputs.long()).mean(dim=1))\n"
    )
    (tmp_path / "recipe.yaml").write_text(
        TEXT.replace("{kind: bag_of_embeddings, embedding: 16}", "{kind: custom, ref: recipe.py:Mine}")
    )
    reviews(200).to_csv(tmp_path / "rows.csv", index=False)
    checked = check(load_recipe(str(tmp_path)))
    assert checked.features == {"note": "text"} and [gate.name for gate in checked.gates if gate.blocks] == []
    assert any("state round trip" in part for part in checked.parts)
    assert json.dumps(checked.parts).count("Mine") == 5
