"""The stages `prepare`, `preflight` and `train` on the shipped recipe, with a real tracking store."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from tasks.core.context import Context
from tasks.core.contracts import Preflighted, Prepared, Trained, from_json, to_json
from tasks.core.home import Home, open_home
from tasks.core.load import load_recipe
from tasks.models import build
from tasks.models.predict import forward
from tasks.stores import runs
from tasks.train import checkpoints
from tasks.train.batches import shuffled
from tasks.train.norms import NAMES
from tasks.train.stage import preflight, train

ROOT = Path(__file__).parents[2]


def context(home: Home, stage: str, *overrides: str, tell=lambda share, text: None) -> Context:
    loaded = load_recipe(str(ROOT / "data" / "breast_cancer"), overrides)
    folder = home.work("breast_cancer", stage, "k" * 64)
    folder.mkdir(parents=True, exist_ok=True)
    return Context(loaded.recipe, loaded.folder, home, folder, "k" * 64, loaded.hash, progress=tell)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return open_home(str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="module")
def prepared(home) -> Prepared:
    from tasks.core.rows import Identity, row_ids
    from tasks.ingest.readers import read
    from tasks.prepare.arrays import prepare

    made = context(home, "prepare")
    frame = read(made.recipe.data.reader, made.recipe_folder)
    columns = tuple(column for column in frame.columns if column != "diagnosis")
    frame = frame.assign(row_id=row_ids(frame, Identity(None, "diagnosis", columns)), batch=0)
    return prepare(frame, made.recipe, made.folder, made.relative(made.folder))


@pytest.fixture(scope="module")
def preflighted(home, prepared) -> Preflighted:
    return preflight(context(home, "preflight"), prepared)


def test_the_shipped_recipe_passes_its_preflight(preflighted):
    assert {gate.name: gate.state for gate in preflighted.gates} == dict.fromkeys(
        ("initial_loss", "overfits_one_batch", "gradients_flow", "fits_in_memory"), "passed"
    )
    assert preflighted.parameters == 30 * 64 + 64 + 64 * 32 + 32 + 32 * 2 + 2
    assert from_json(Preflighted, to_json(preflighted)) == preflighted


def test_a_training_gives_weights_a_history_and_a_tracked_run(home, prepared, preflighted):
    told = []
    made = context(home, "train", "training.epochs=5", tell=lambda share, text: told.append((share, text)))
    trained = train(made, prepared, preflighted)
    assert (trained.epochs, trained.stopped, trained.device) == (5, "epochs", "cpu" if not cuda() else "cuda")
    history = json.loads(home.path(trained.history).read_text())
    assert [row["epoch"] for row in history] == [1, 2, 3, 4, 5]
    assert (told[0][0], told[-1][0]) == (0.2, 1.0) and told[0][1].startswith("epoch 1, train loss")

    network = build(made.recipe.model.model_dump(), prepared.input_shape, 2, made.recipe_folder)
    checkpoints.load_weights(network, home.path(trained.weights))
    folder = home.path(prepared.folder)
    outputs = forward(network, np.load(folder / "validation_inputs.npy"))
    accuracy = (outputs.argmax(axis=1) == np.load(folder / "validation_targets.npy")).mean()
    assert accuracy == pytest.approx(history[trained.best_epoch - 1]["metrics"]["accuracy"], abs=0.02)

    client = runs.open_tracking(home)
    run = client.get_run(trained.run_id)
    assert run.info.status == "FINISHED" and run.data.tags["evergreen.key"] == "k" * 64
    assert run.data.tags["evergreen.steps"] == "eager", "on a CPU short trainings try nothing else"
    assert run.data.params["training.optimizer.kind"] == "adamw" and run.data.params["model.hidden"] == "[64, 32]"
    assert [point.step for point in client.get_metric_history(trained.run_id, "validation_loss")] == [1, 2, 3, 4, 5]


def test_repeating_a_training_gives_the_same_run_and_weights_and_logs_nothing_twice(home, prepared, preflighted):
    first = train(context(home, "train", "training.epochs=5"), prepared, preflighted)
    again = train(context(home, "train", "training.epochs=5"), prepared, preflighted)
    assert again == first
    points = runs.open_tracking(home).get_metric_history(first.run_id, "train_loss")
    assert [point.step for point in points] == [1, 2, 3, 4, 5]


def test_a_training_that_breaks_leaves_a_failed_run_and_the_next_attempt_finishes_it(home, prepared, preflighted):
    def stumble(share: float, text: str) -> None:
        if share == 1.0:
            raise ConnectionError("the flow went away")

    made = context(home, "train", "training.epochs=4", tell=stumble)
    broken = Context(**{**made.__dict__, "key": "b" * 64, "folder": made.folder / "broken"})
    broken.folder.mkdir()
    with pytest.raises(ConnectionError):
        train(broken, prepared, preflighted)
    client = runs.open_tracking(home)
    experiment = client.get_experiment_by_name("breast_cancer").experiment_id
    (run,) = client.search_runs([experiment], filter_string=f"tags.`evergreen.key` = '{'b' * 64}'")
    assert run.info.status == "FAILED"
    mended = Context(**{**broken.__dict__, "progress": lambda share, text: None})
    trained = train(mended, prepared, preflighted)
    assert trained.run_id == run.info.run_id and client.get_run(trained.run_id).info.status == "FINISHED"


def test_of_two_processes_the_first_alone_tells_the_tracking_store(home, prepared, preflighted):
    made = context(home, "train", "training.epochs=3", "training.processes=2", "training.device=cpu")
    shared = Context(**{**made.__dict__, "key": "p" * 64, "folder": made.folder / "shared"})
    shared.folder.mkdir()
    trained = train(shared, prepared, preflighted)
    client = runs.open_tracking(home)
    experiment = client.get_experiment_by_name("breast_cancer").experiment_id
    (run,) = client.search_runs([experiment], filter_string=f"tags.`evergreen.key` = '{'p' * 64}'")
    assert (run.info.run_id, run.info.status) == (trained.run_id, "FINISHED")
    assert [point.step for point in client.get_metric_history(trained.run_id, "train_loss")] == [1, 2, 3]
    assert sorted(path.name for path in shared.folder.iterdir()) == [
        "checkpoint.json",
        "history.json",
        "weights.safetensors",
    ]


def test_the_rows_of_the_step_that_broke_a_training_are_kept_by_their_ids(home, prepared, preflighted):
    made = context(home, "train", "training.optimizer={kind: sgd, lr: 1.0e30}")
    other = Context(**{**made.__dict__, "key": "c" * 64, "folder": made.folder / "spoiled"})
    other.folder.mkdir()
    trained = train(other, prepared, preflighted)
    assert trained.stopped == "not_finite" and from_json(Trained, to_json(trained)) == trained
    place = trained.not_finite
    assert place is not None and (place["epoch"], place["rows_with_bad_inputs"]) == (1, 0)
    kept = json.loads(home.path(place["file"]).read_text())
    known = pd.read_parquet(home.path(prepared.folder) / "train_rows.parquet")["row_id"]
    order = shuffled(len(known), made.recipe.training.seed, 0, torch.device("cpu"))
    size = made.recipe.training.batch_size
    positions = order[(kept["step"] - 1) * size : kept["step"] * size]
    assert kept["epoch"] == 1 and kept["rows"] == known.iloc[positions.numpy()].tolist()
    assert place["rows"] == len(kept["rows"]) == size


def test_no_value_of_a_row_reaches_the_tracking_store(home, prepared, preflighted):
    trained = train(context(home, "train", "training.epochs=5"), prepared, preflighted)
    run = runs.open_tracking(home).get_run(trained.run_id)
    curves = {"train_loss", "validation_loss", "epoch_accuracy", "learning_rate", "seconds"}
    assert set(run.data.metrics) == curves | {f"statistics/{name}" for name in NAMES}
    sections = {name.partition(".")[0] for name in run.data.params}
    assert sections == {"problem", "model", "training", "transforms", "data", "retraining"}
    assert not [name for name in run.data.params if name.startswith(("data.reader", "data.features"))]


def cuda() -> bool:
    return torch.cuda.is_available()
