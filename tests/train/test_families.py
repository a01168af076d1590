"""Every family of networks, trained for a moment on real rows by what the stages call, beats its trivial baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.contracts import Prepared
from tasks.core.load import load_recipe
from tasks.core.recipe import Recipe
from tasks.core.reconstruction import AUTOENCODERS
from tasks.core.rows import Identity, row_ids
from tasks.evaluate.baseline import baseline_metrics, trivial_metrics
from tasks.ingest.readers import read
from tasks.metrics import compute
from tasks.models import KINDS, OF_TEXT
from tasks.models.predict import forward
from tasks.models.scored import answering
from tasks.prepare.arrays import prepare
from tasks.train.experiment import job, preflight
from tasks.train.loop import fit
from tasks.transforms.outputs import predictions, probabilities

ROOT = Path(__file__).parents[2]
FAMILIES: list[tuple[str, dict[str, Any], int]] = [
    ("breast_cancer", {"kind": "mlp", "hidden": [16], "activation": "silu"}, 8),
    ("breast_cancer", {"kind": "perceptron"}, 10),
    ("diabetes", {"kind": "perceptron"}, 40),
    ("breast_cancer", {"kind": "tabular_resnet", "width": 16}, 6),
    ("diabetes", {"kind": "tabular_resnet", "width": 16, "embedding": "plr"}, 12),
    ("digits", {"kind": "cnn", "channels": [8, 16], "hidden": 32}, 4),
    ("digits", {"kind": "resnet", "channels": [8, 16]}, 4),
    ("breast_cancer", {"kind": "autoencoder", "hidden": [16], "latent": 6}, 15),
    ("digits", {"kind": "conv_autoencoder", "channels": [8, 16], "latent": 12}, 10),
]
"""Shipped recipe, `model` section and epochs; an autoencoder learns its rows without their labels."""


def test_every_kind_is_trained_here():
    # Those that read texts are trained in test_sequence_families.py.
    assert {model["kind"] for _, model, _ in FAMILIES} == set(KINDS) - set(OF_TEXT)


@pytest.mark.parametrize(
    ("name", "model", "epochs"), FAMILIES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_short_training_passes_its_preflight_and_beats_the_baseline(tmp_path, name, model, epochs):
    recipe, prepared = prepared_rows(name, tmp_path, model=model, epochs=epochs)
    sections = (recipe.problem, recipe.model, recipe.training)
    gates = preflight(*sections, prepared, tmp_path, tmp_path).gates
    assert [gate.name for gate in gates if gate.blocks] == []
    work = tmp_path / "work"
    work.mkdir()
    trained = job(*sections, prepared, tmp_path, tmp_path, work)
    fit(trained)
    spec = json.loads((tmp_path / "transform.json").read_text())
    raw = forward(answering(trained.network, spec), np.load(tmp_path / "test_inputs.npy"))
    ours, trivial = scores(recipe, prepared, raw, tmp_path)
    if recipe.problem == "classification":
        assert ours["accuracy"] > 0.85 > 0.7 > trivial["accuracy"]
        assert ours["log_loss"] < 0.7 * trivial["log_loss"]
    else:
        least = 0.7 if recipe.problem == "reconstruction" else 0.85
        assert ours["rmse"] < least * trivial["rmse"]


def test_varied_images_are_learned_and_the_trivial_predictor_beaten(tmp_path):
    model = {"kind": "cnn", "channels": [8, 16], "hidden": 32}
    augment = {"shift": 1, "rotate": 10.0, "scale": 0.1, "noise": 0.1}
    recipe, prepared = prepared_rows("digits", tmp_path, model=model, epochs=8, augment=augment)
    (tmp_path / "work").mkdir()
    sections = (recipe.problem, recipe.model, recipe.training)
    trained = job(*sections, prepared, tmp_path, tmp_path, tmp_path / "work", augment=recipe.transforms.augment)
    history = fit(trained).progress.history
    ours, trivial = scores(recipe, prepared, forward(trained.network, np.load(tmp_path / "test_inputs.npy")), tmp_path)
    assert ours["accuracy"] > 0.85 > 0.7 > trivial["accuracy"]
    # The validation rows are as they are, and so are easier than what is trained on.
    assert history[-1]["validation_loss"] < history[-1]["train_loss"]


def prepared_rows(name: str, folder: Path, **changed: Any) -> tuple[Recipe, Prepared]:
    """A shipped recipe with another model and number of epochs, and its rows as the stage `prepare` writes them."""
    loaded = load_recipe(str(ROOT / "data" / name))
    values = loaded.recipe.model_dump(mode="json")
    values["model"] = changed["model"]
    values["transforms"]["augment"] = changed.get("augment")
    values["training"] |= {"epochs": changed["epochs"], "batch_size": 32, "device": "cpu"}
    values["training"]["optimizer"] = {"kind": "adamw", "lr": 0.01}
    if changed["model"]["kind"] in AUTOENCODERS:
        without = {values["data"].pop("target"): {"kind": "drop"}}
        values |= {"problem": "reconstruction", "gates": {}}
        values["data"]["features"] |= without
        values["training"] |= {"label_smoothing": 0.0, "class_weights": "none"}
    recipe = Recipe.model_validate_json(json.dumps(values))
    frame = read(recipe.data.reader, loaded.folder)
    columns = tuple(column for column in frame.columns if column != recipe.data.target)
    frame = frame.assign(row_id=row_ids(frame, Identity(None, recipe.data.target, columns)), batch=0)
    return recipe, prepare(frame, recipe, folder, "prepared")


def scores(
    recipe: Recipe, prepared: Prepared, raw: np.ndarray, folder: Path
) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics of the network's raw outputs on the test rows, and of the trivial predictor."""
    spec = json.loads((folder / "transform.json").read_text())
    training, truth = (np.load(folder / f"{split}_targets.npy") for split in ("train", "test"))
    if recipe.problem == "reconstruction":
        ours = compute(recipe.problem, truth, predictions(raw, spec)["prediction"])[0]
        return ours, trivial_metrics(recipe.problem, training, truth, (), folder, "test")[0]
    if recipe.problem == "regression":
        target = spec["target"]
        training, truth = (values * target["std"] + target["mean"] for values in (training, truth))
        predicted = predictions(raw, spec)["prediction"].to_numpy()
        return compute("regression", truth, predicted)[0], baseline_metrics("regression", training, truth, ())[0]
    classes = prepared.classes
    training, truth = ([classes[index] for index in values] for values in (training, truth))
    predicted = [classes[index] for index in raw.argmax(axis=1)]
    ours = compute("classification", truth, predicted, probabilities(raw), classes)[0]
    return ours, baseline_metrics("classification", training, truth, classes)[0]
