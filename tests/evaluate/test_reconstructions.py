"""Evaluating an autoencoder: the predictor it has to beat, its gates, and what the page says and shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.core.objective import AutoLoss, MeanAbsolute
from tasks.evaluate.baseline import mean_loss, mean_scores, trivial_metrics

TRAINING = {"epochs": 30, "batch_size": 32, "optimizer": {"kind": "adam", "lr": 0.02}, "device": "cpu"}


@pytest.fixture
def prepared(tmp_path):
    """Inputs of five training, three validation and two test rows."""
    random = np.random.default_rng(0)
    arrays = {
        split: random.normal(2, 3, (rows, 1, 2, 2)) for split, rows in (("train", 5), ("validation", 3), ("test", 2))
    }
    for split, inputs in arrays.items():
        np.save(tmp_path / f"{split}_inputs.npy", inputs.astype(np.float32))
    return tmp_path, arrays


def test_the_trivial_predictor_gives_the_training_rows_mean_for_every_row(prepared):
    folder, arrays = prepared
    mean = arrays["train"].mean(axis=0)
    expected = [np.sqrt(((row - mean) ** 2).mean()) for row in arrays["test"]]
    assert mean_scores(folder, "test") == pytest.approx(expected, rel=1e-5)
    values, undefined = trivial_metrics("reconstruction", None, np.zeros(2), (), folder, "test")
    assert values == pytest.approx({"mae": np.mean(expected), "rmse": np.sqrt(np.mean(np.square(expected)))}, rel=1e-5)
    assert undefined == {}
    assert mean_loss(AutoLoss(), folder) == pytest.approx(np.mean((arrays["validation"] - mean) ** 2), rel=1e-5)
    assert mean_loss(MeanAbsolute(), folder) == pytest.approx(np.mean(np.abs(arrays["validation"] - mean)), rel=1e-5)


def test_no_other_constant_has_a_smaller_rmse_on_the_training_rows(prepared):
    folder, arrays = prepared
    np.save(folder / "test_inputs.npy", arrays["train"].astype(np.float32))
    best = trivial_metrics("reconstruction", None, np.zeros(5), (), folder, "test")[0]["rmse"]
    for seed in range(5):
        other = arrays["train"].mean(axis=0) + np.random.default_rng(seed).normal(0, 0.1, (1, 2, 2))
        assert np.sqrt(np.mean((arrays["train"] - other) ** 2)) > best


def rows() -> pd.DataFrame:
    """Four numbers that two others settle, a region with noise of its own, and a gap now and then."""
    random = np.random.default_rng(1)
    hidden = random.normal(size=(400, 2))
    region = np.where(random.random(400) < 0.3, "south", "north")
    noise = np.where(region == "south", 0.6, 0.05)[:, None] * random.normal(size=(400, 4))
    values = hidden @ np.array([[1, 2, 0, -1], [0, 1, 1, 1]]) + noise
    table = pd.DataFrame(values, columns=list("abcd")).assign(region=region)
    table.loc[::50, "a"] = np.nan
    return table.assign(row_id=[f"{number:032x}" for number in random.permutation(400)], batch=0)


@pytest.fixture
def scene(stage_scene: Callable[..., Any]) -> Any:
    values = {
        "problem": "reconstruction",
        "data": {"target": None, "features": {"region": {"kind": "drop"}}},
        "model": {"kind": "autoencoder", "hidden": [16], "latent": 2},
        "training": TRAINING,
    }
    return stage_scene(values, rows())


def test_an_autoencoder_beats_the_mean_and_its_metrics_are_those_of_its_scores(scene):
    evaluated = scene.evaluate()
    assert [(gate.name, gate.state) for gate in evaluated.gates] == [
        *(("finite", "passed"), ("beats_baseline", "passed"), ("thresholds", "skipped"))
    ]
    assert evaluated.metrics["test"]["mae"] < 0.5 * evaluated.baseline["mae"]
    answers = pd.read_parquet(scene.context.home.path(evaluated.predictions))
    scores = answers.loc[answers["split"] == "test", "prediction"]
    assert set(answers["target"]) == {0.0} and (scores >= 0).all()
    assert evaluated.metrics["test"] == pytest.approx({"mae": scores.mean(), "rmse": np.sqrt((scores**2).mean())})
    inputs = np.load(scene.context.home.path(scene.prepared.folder) / "test_inputs.npy")
    assert scene.prepared.output_size == inputs.shape[1] == 5  # four numbers, and whether a is missing
    assert evaluated.diagnosis["evidence"]["guess_loss"] == pytest.approx(
        mean_loss(AutoLoss(), scene.context.home.path(scene.prepared.folder))
    )


def test_the_page_shows_scores_slices_and_the_least_usual_rows(scene):
    scene.evaluate()
    report = scene.report()
    for words in ("Anomaly scores", "Scores of the test rows", "Rows least like their reconstruction", "anomaly score"):
        assert words in report
    assert "Half of the rows have a score of at most" in report
    assert "region = south" in report  # whose rows are noisier
    assert "predicted" not in report and "Confusion" not in report


def test_weights_that_are_no_numbers_leave_no_metric(scene):
    def spoil(weights: dict[str, torch.Tensor]) -> None:
        weights["decoder.0.weight"][0, 0] = float("nan")

    evaluated = scene.change_weights(spoil).evaluate()
    assert (evaluated.gates[0].name, evaluated.gates[0].state) == ("finite", "failed")
    assert evaluated.metrics["test"] == {} and set(evaluated.undefined) == {"mae", "rmse"}


def test_images_stand_beside_their_reconstructions(stage_scene):
    random = np.random.default_rng(0)
    patterns = random.random((3, 16)) * 9
    images = patterns[random.integers(0, 3, 120)] + random.normal(0, 0.3, (120, 16))
    columns = [f"photo_{row}_{column}" for row in range(4) for column in range(4)]
    table = pd.DataFrame(images, columns=columns)
    values = {
        "problem": "reconstruction",
        "data": {"target": None, "features": {"photo": {"kind": "image", "size": [4, 4]}}},
        "model": {"kind": "conv_autoencoder", "channels": [6], "latent": 3},
        "training": {**TRAINING, "epochs": 15, "loss": "huber"},
    }
    scene = stage_scene(values, table.assign(row_id=[f"{number:032x}" for number in range(120)], batch=0))
    evaluated = scene.evaluate()
    assert [gate.name for gate in evaluated.gates if gate.blocks] == []
    report = scene.report()
    assert "Each image and what the network made of it" in report
    # Each picture has its label beneath it, and as its title.
    assert report.count(">reproduced<") == 2 * min(scene.prepared.rows["test"], 16)
