"""Networks of texts and series: preflight, training, the trivial predictor beaten, the same bits again and resumed."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.core.contracts import Prepared
from tasks.core.recipe import Recipe
from tasks.core.rows import Identity, row_ids
from tasks.evaluate.baseline import baseline_metrics
from tasks.metrics import compute
from tasks.models import OF_TEXT
from tasks.models.predict import forward
from tasks.prepare.arrays import prepare
from tasks.train.experiment import job, preflight
from tasks.train.loop import fit
from tasks.transforms.outputs import probabilities
from tests.train.interrupting import Interrupted, folder, stop_after
from tests.train.sequenced import recipe_of, reviews, turned_round, waves

TEXTS: list[tuple[dict[str, Any], int]] = [
    ({"kind": "recurrent", "hidden": 16, "embedding": 16, "pooling": "max"}, 6),
    ({"kind": "recurrent", "hidden": 16, "embedding": 8, "cell": "lstm", "bidirectional": True, "pooling": "mean"}, 12),
    ({"kind": "transformer", "width": 16, "heads": 2, "layers": 1}, 8),
    ({"kind": "transformer", "width": 16, "heads": 2, "layers": 1, "pooling": "first"}, 8),
    ({"kind": "bag_of_embeddings", "embedding": 16}, 20),
]
SERIES: list[tuple[dict[str, Any], int]] = [
    ({"kind": "recurrent", "hidden": 16, "cell": "rnn"}, 15),
    ({"kind": "recurrent", "hidden": 16}, 6),
    ({"kind": "transformer", "width": 16, "heads": 2, "layers": 1}, 15),
    ({"kind": "mlp", "hidden": [16]}, 8),
]
BESIDE: list[tuple[str, dict[str, Any], int]] = [
    ("note", {"kind": "bag_of_embeddings", "embedding": 16}, 30),
    ("note", {"kind": "recurrent", "hidden": 16, "embedding": 16, "pooling": "max"}, 15),
    ("note", {"kind": "transformer", "width": 16, "heads": 2, "layers": 1}, 15),
    ("s", {"kind": "recurrent", "hidden": 16}, 15),
    ("s", {"kind": "transformer", "width": 16, "heads": 2, "layers": 1}, 25),
]
"""What numbers and a category stand beside, the `model` section and epochs."""
SHORT = {"recurrent": TEXTS[1][0], "transformer": TEXTS[2][0], "bag_of_embeddings": TEXTS[4][0]}


def named(value: Any) -> str:
    return "-".join(str(part) for part in value.values()) if isinstance(value, dict) else ""


def prepared_rows(frame: pd.DataFrame, recipe: Recipe, place: Path) -> Prepared:
    columns = tuple(str(column) for column in frame.columns if column != recipe.data.target)
    rows = frame.assign(row_id=row_ids(frame, Identity(None, recipe.data.target, columns)), batch=0)
    return prepare(rows, recipe, place, "prepared")


def trained(recipe: Recipe, prepared: Prepared, place: Path, work: str = "work", callbacks: tuple = ()) -> Any:
    made = job(recipe.problem, recipe.model, recipe.training, prepared, place, place, folder(place, work))
    return made, fit(made, callbacks)


def scores(recipe: Recipe, prepared: Prepared, network: torch.nn.Module, place: Path) -> tuple[dict, dict]:
    """Metrics on the test rows, of the network and of the trivial predictor."""
    raw = forward(network, np.load(place / "test_inputs.npy"))
    training, truth = (np.load(place / f"{split}_targets.npy") for split in ("train", "test"))
    if recipe.problem == "regression":
        ours = compute("regression", truth, raw[:, 0])[0]
        return ours, baseline_metrics("regression", training, truth, ())[0]
    classes = prepared.classes
    training, truth = ([classes[index] for index in values] for values in (training, truth))
    said = [classes[index] for index in raw.argmax(axis=1)]
    ours = compute("classification", truth, said, probabilities(raw), classes)[0]
    return ours, baseline_metrics("classification", training, truth, classes)[0]


def preflighted(recipe: Recipe, prepared: Prepared, place: Path) -> list[tuple[str, str]]:
    gates = preflight(recipe.problem, recipe.model, recipe.training, prepared, place, place).gates
    return [(gate.name, gate.reason) for gate in gates if gate.state != "passed"]


def test_every_kind_of_text_is_trained_here():
    assert {model["kind"] for model, _ in TEXTS} == set(SHORT) == set(OF_TEXT)


@pytest.mark.parametrize(("model", "epochs"), TEXTS, ids=named)
def test_a_word_that_tells_the_class_is_found_wherever_it_stands(tmp_path, model, epochs):
    frame = reviews()
    recipe = recipe_of(frame, model, "y", epochs=epochs)
    prepared = prepared_rows(frame, recipe, tmp_path)
    assert prepared.vocabulary == 20 and prepared.input_shape == (24,)
    assert preflighted(recipe, prepared, tmp_path) == []
    made, _ = trained(recipe, prepared, tmp_path)
    ours, trivial = scores(recipe, prepared, made.network, tmp_path)
    assert ours["accuracy"] > 0.9 > 0.7 > trivial["accuracy"]


@pytest.mark.parametrize("model", [SHORT["recurrent"], SHORT["transformer"]], ids=named)
def test_the_order_of_two_words_is_learned_by_networks_that_read_and_by_no_bag(tmp_path, model):
    frame = reviews(800, ordered=True)
    found = {}
    for name, section in (("reads", model), ("bag", SHORT["bag_of_embeddings"])):
        recipe = recipe_of(frame, section, "y", epochs=20)
        place = folder(tmp_path, name)
        prepared = prepared_rows(frame, recipe, place)
        made, _ = trained(recipe, prepared, place)
        found[name] = scores(recipe, prepared, made.network, place)[0]["accuracy"]
    assert found["reads"] > 0.9 > 0.65 > found["bag"]


@pytest.mark.parametrize("target", ["y", "up"])
@pytest.mark.parametrize(("model", "epochs"), SERIES, ids=named)
def test_the_slope_of_a_series_of_any_length_is_learned(tmp_path, model, epochs, target):
    frame = waves()
    recipe = recipe_of(frame, model, target, epochs=epochs)
    prepared = prepared_rows(frame, recipe, tmp_path)
    assert prepared.vocabulary == 0 and prepared.input_shape == (16, 2)
    assert preflighted(recipe, prepared, tmp_path) == []
    made, _ = trained(recipe, prepared, tmp_path)
    ours, trivial = scores(recipe, prepared, made.network, tmp_path)
    if target == "y":
        assert ours["rmse"] < 0.6 * trivial["rmse"]
    else:
        assert ours["accuracy"] > 0.85 > 0.7 > trivial["accuracy"]


def beside(kind: str, rows: int = 600) -> pd.DataFrame:
    frame = reviews(rows) if kind == "note" else waves(rows).drop(columns="y").rename(columns={"up": "y"})
    return turned_round(frame)


@pytest.mark.parametrize(("kind", "model", "epochs"), BESIDE, ids=named)
def test_what_neither_the_sequence_nor_the_columns_tell_alone_is_learned_from_both(tmp_path, kind, model, epochs):
    whole = beside(kind)
    steps = [name for name in whole if name == kind or str(name).startswith("s_")]
    found = {}
    for name, frame, section in (
        ("both", whole, model),
        ("sequence", whole.drop(columns=["x", "kind"]), model),
        ("columns", whole.drop(columns=steps), {"kind": "mlp", "hidden": [16]}),
    ):
        recipe = recipe_of(frame, section, "y", epochs=epochs)
        place = folder(tmp_path, name)
        prepared = prepared_rows(frame, recipe, place)
        if name == "both":
            assert preflighted(recipe, prepared, place) == []
            assert prepared.sequence == ((24,) if kind == "note" else (16, 2))
            assert prepared.input_shape == (np.prod(prepared.sequence) + 3,)
        made, _ = trained(recipe, prepared, place)
        found[name] = scores(recipe, prepared, made.network, place)[0]["accuracy"]
    assert found["both"] > 0.85 > 0.65 > max(found["sequence"], found["columns"]), found


@pytest.mark.parametrize("model", [*SHORT.values(), SERIES[0][0], BESIDE[0][1]], ids=named)
def test_the_same_seed_gives_the_same_bits_and_so_does_a_training_that_was_interrupted(tmp_path, model):
    frame = waves(120) if model is SERIES[0][0] else beside("note", 120) if model is BESIDE[0][1] else reviews(120)
    recipe = recipe_of(frame, model, "up" if "up" in frame else "y", epochs=4, ema=0.9)
    prepared = prepared_rows(frame, recipe, tmp_path)
    (_, first), (_, second) = (trained(recipe, prepared, tmp_path, work) for work in ("first", "second"))
    assert first.weights_sha256 == second.weights_sha256
    made = job(recipe.problem, recipe.model, recipe.training, prepared, tmp_path, tmp_path, folder(tmp_path, "cut"))
    with pytest.raises(Interrupted):
        fit(dataclasses.replace(made, checkpoint_seconds=0.0), [stop_after(3)])
    seen: list[int] = []
    _, resumed = trained(recipe, prepared, tmp_path, "cut", (lambda progress: seen.append(progress.epoch),))
    assert resumed.weights_sha256 == first.weights_sha256
    assert seen == [3, 4]


def test_a_network_that_looks_at_no_token_is_stopped_by_its_preflight(tmp_path):
    frame = reviews(120)
    source = (
        "import torch\nfrom torch import nn\n\n\nclass Blind(nn.Module):\n"
        "    def __init__(self, input_shape, output_size, vocabulary):\n        super().__init__()\n"
        "        assert (input_shape, vocabulary) == ((24,), 20)\n"
        "        self.vectors = nn.Embedding(vocabulary, 4)\n        self.head = nn.Linear(4, output_size)\n\n"
        "    def forward(self, inputs):\n        return self.head(0 * self.vectors(inputs.long()).sum(dim=1))\n"
    )
    (tmp_path / "recipe.py").write_text(source)
    recipe = recipe_of(frame, {"kind": "custom", "ref": "recipe.py:Blind"}, "y")
    prepared = prepared_rows(frame, recipe, tmp_path)
    stopped = dict(preflighted(recipe, prepared, tmp_path))
    assert set(stopped) == {"overfits_one_batch", "gradients_flow"}
    assert "no gradient reaches vectors.weight" in stopped["gradients_flow"]


def test_nothing_of_the_validation_and_test_rows_enters_the_vocabulary(tmp_path):
    frame = reviews(200).assign(note=lambda rows: [f"{note} own{number}" for number, note in enumerate(rows["note"])])
    recipe = recipe_of(frame, SHORT["bag_of_embeddings"], "y")
    values = recipe.model_dump(mode="json")
    values["transforms"]["text"] = {"min_count": 1, "max_length": 24}
    prepared = prepared_rows(frame, Recipe.model_validate_json(json.dumps(values)), tmp_path)
    known = set(json.loads((tmp_path / "transform.json").read_text())["state"]["tokens"])
    assert sum(f"own{number}" in known for number in range(200)) == prepared.rows["train"] < 200
    unknown = [np.load(tmp_path / f"{split}_inputs.npy") == 1 for split in ("train", "validation", "test")]
    assert not unknown[0].any() and all(part.any(axis=1).all() for part in unknown[1:])
