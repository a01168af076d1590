"""Small real models to evaluate: dataset, prepared arrays and weights of a short training, in a home of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.core.context import Context
from tasks.core.contracts import Evaluated, Prepared, Trained, Versioned
from tasks.core.home import Home
from tasks.core.recipe import Recipe


@dataclass(frozen=True)
class Scene:
    """What the stage `evaluate` gets; `evaluate()` runs its logic, without the tracking store."""

    context: Context
    versioned: Versioned
    prepared: Prepared
    trained: Trained

    def evaluate(self) -> Evaluated:
        from tasks.evaluate.evaluation import evaluate

        return evaluate(self.context, self.versioned, self.prepared, self.trained)

    def report(self) -> str:
        return (self.context.folder / "evaluation.html").read_text()

    def change_weights(self, change: Callable[[dict[str, torch.Tensor]], None]) -> Scene:
        path = self.context.home.path(self.trained.weights)
        weights = load_file(path)
        change(weights)
        save_file(weights, path)
        return self

    def with_gates(self, **gates: Any) -> Scene:
        values = self.context.recipe.model_dump(mode="json")
        values["gates"] |= gates
        recipe = Recipe.model_validate_json(json.dumps(values))
        return replace(self, context=replace(self.context, recipe=recipe))


def _versioned(home: Home, frame: pd.DataFrame) -> Versioned:
    from tasks.stores.manifest import Manifest
    from tasks.stores.shards import storable, write_shard

    folder = home.root / "dataset"
    shard = write_shard(storable(frame), folder, "rows", 0)
    manifest = Manifest((shard,), {}, len(frame), 1)
    (folder / "manifest.json").write_text(manifest.text())
    return Versioned("0" * 32, len(frame), 0, len(frame), 1, home.relative(folder))


@pytest.fixture
def stage_scene(home: Home, tmp_path: Path) -> Callable[..., Scene]:
    """Prepare a frame and train a recipe on it: `stage_scene(values, frame)`."""

    def make(values: dict[str, Any], frame: pd.DataFrame) -> Scene:
        from tasks.prepare.arrays import prepare
        from tasks.train.experiment import job
        from tasks.train.loop import fit

        reader = {"kind": "csv", "path": "rows.csv"}
        values = {"name": "small", **values, "data": {"reader": reader, "target": "y", **values.get("data", {})}}
        recipe = Recipe.model_validate_json(json.dumps(values))
        folders = {name: home.root / name for name in ("prepared", "trained", "evaluated")}
        for folder in folders.values():
            folder.mkdir()
        versioned = _versioned(home, frame)
        prepared = prepare(frame, recipe, folders["prepared"], "prepared")
        parts = (recipe.problem, recipe.model, recipe.training)
        fitted = fit(job(*parts, prepared, folders["prepared"], tmp_path, folders["trained"]))
        progress = fitted.progress
        trained = Trained(
            run_id="none",
            weights="trained/weights.safetensors",
            weights_sha256=fitted.weights_sha256,
            history="trained/history.json",
            best_epoch=progress.best_epoch,
            epochs=progress.epoch,
            stopped=progress.stopped or "epochs",
            device="cpu",
            parameters=1,
        )
        context = Context(recipe, tmp_path, home, folders["evaluated"], "k" * 64, "r" * 64)
        return Scene(context, versioned, prepared, trained)

    return make


@pytest.fixture
def labelled_rows() -> pd.DataFrame:
    """Four hundred rows, two numbers and a region; y is "yes" where their sum is positive, worse in the south."""
    random = np.random.default_rng(3)
    first, second = random.normal(size=400), random.normal(size=400)
    region = np.where(random.random(400) < 0.3, "south", "north")
    noise = np.where(region == "south", 1.5, 0.1) * random.normal(size=400)
    return pd.DataFrame(
        {
            "row_id": [f"{number:032x}" for number in random.permutation(400)],
            "batch": np.zeros(400, dtype=np.int64),
            "first": first,
            "second": second,
            "region": region,
            "y": np.where(first + second + noise > 0, "yes", "no"),
        }
    )


@pytest.fixture
def short_recipe() -> dict[str, Any]:
    """A small network that learns the labelled rows in a moment."""
    return {
        "problem": "classification",
        "data": {"features": {"region": {"kind": "drop"}}},
        "model": {"kind": "mlp", "hidden": [16], "dropout": 0.0},
        "training": {"epochs": 8, "batch_size": 32, "optimizer": {"kind": "adam", "lr": 0.02}, "device": "cpu"},
    }
