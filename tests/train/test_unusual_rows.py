"""An autoencoder that has seen one kind of rows tells others by their scores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits

from tasks.core.architectures import Autoencoder
from tasks.core.contracts import Prepared
from tasks.core.errors import RequestError
from tasks.core.recipe import Recipe
from tasks.core.rows import Identity, row_ids
from tasks.core.training import Training
from tasks.metrics.classification import binary_roc_auc
from tasks.models.predict import forward
from tasks.models.scored import Scored
from tasks.prepare.arrays import prepare
from tasks.train.experiment import job
from tasks.train.loop import fit
from tasks.transforms.apply import apply

COLUMNS = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, dict, Path]:
    """A network that has seen digits from 0 to 8 and no 9, the transform, and the arrays."""
    values = {
        "name": "shapes",
        "problem": "reconstruction",
        "data": {
            "reader": {"kind": "sklearn", "name": "digits"},
            "features": {"pixel": {"kind": "image", "size": [8, 8]}},
        },
        "transforms": {"scale": "minmax"},
        "model": {"kind": "conv_autoencoder", "channels": [16, 32], "latent": 10},
        "training": {"epochs": 20, "batch_size": 32, "device": "cpu", "optimizer": {"kind": "adamw", "lr": 0.005}},
    }
    recipe, folder = Recipe.model_validate_json(json.dumps(values)), tmp_path_factory.mktemp("digits")
    digits = load_digits()
    frame = pd.DataFrame(digits.data, columns=COLUMNS)[digits.target != 9].reset_index(drop=True)
    rows = frame.assign(row_id=row_ids(frame, Identity(None, None, tuple(COLUMNS))), batch=0)
    prepared = prepare(rows, recipe, folder, "prepared")
    (folder / "work").mkdir()
    made = job(recipe.problem, recipe.model, recipe.training, prepared, folder, folder, folder / "work")
    fit(made)
    return made.network, json.loads((folder / "transform.json").read_text()), folder


def auc(trained: tuple[torch.nn.Module, dict, Path], unusual: np.ndarray) -> float:
    """How often an unusual row has a higher score than a test row like those trained on."""
    network, _, folder = trained
    usual = forward(Scored(network), np.load(folder / "test_inputs.npy"))[:, 0]
    found = forward(Scored(network), unusual)[:, 0]
    return binary_roc_auc(np.repeat([False, True], [len(usual), len(found)]), np.concatenate([usual, found]))


def test_the_digit_that_was_never_seen_has_higher_scores(trained):
    digits = load_digits()
    nines = pd.DataFrame(digits.data, columns=COLUMNS)[digits.target == 9]
    assert auc(trained, apply(nines, trained[1]["state"])) > 0.75


def test_images_that_are_no_digits_have_higher_scores_still(trained):
    pixels = load_digits().data[:300]
    shuffled = np.random.default_rng(0).permuted(pixels, axis=1)
    assert auc(trained, apply(pd.DataFrame(shuffled, columns=COLUMNS), trained[1]["state"])) > 0.99


def test_an_autoencoder_that_could_copy_is_trained_by_nobody(tmp_path: Path) -> None:
    prepared = Prepared("", {"train": 9}, (4,), 4, (), ("a", "b", "c", "d"))
    for latent, refused in ((4, True), (3, False)):
        model = Autoencoder(kind="autoencoder", latent=latent)
        # What is not refused looks for its rows, and there are none.
        with pytest.raises(RequestError if refused else FileNotFoundError, match="can copy" if refused else "npy"):
            job("reconstruction", model, Training(), prepared, tmp_path, tmp_path, tmp_path)
