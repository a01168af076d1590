"""Small real models: fitted transform, trained weights and the MLflow run, as earlier stages leave them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest


@dataclass(frozen=True)
class Made:
    """The inputs of the stage `package` and the context it runs in."""

    context: Any
    versioned: Any
    prepared: Any
    trained: Any
    evaluated: Any
    frame: pd.DataFrame

    @property
    def inputs(self) -> tuple[Any, ...]:
        return self.context, self.versioned, self.prepared, self.trained, self.evaluated


def mixed_frame(rows: int = 200, seed: int = 0) -> pd.DataFrame:
    """Numbers with gaps, a flag and a category; `outcome` follows from them, with some noise."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, rows).astype(float),
            "income": rng.normal(3000, 800, rows),
            "member": rng.integers(0, 2, rows),
            "region": rng.choice(["north", "south", "east"], rows),
        }
    )
    score = (
        (frame["age"] - 54) / 20 + (frame["income"] - 3000) / 800 + 2 * (frame["region"] == "south") + frame["member"]
    )
    frame["outcome"] = (score + rng.normal(0, 0.3, rows) > 1).astype(int)
    frame.loc[frame.index[::17], "income"] = np.nan
    return frame


def write_dataset(folder: Path, rows: pd.DataFrame, identity: Any) -> None:
    """A checked-out dataset version, as the stage `version` leaves it."""
    from dataclasses import asdict

    from tasks.stores.manifest import Manifest
    from tasks.stores.shards import storable, write_shard

    folder.mkdir(parents=True, exist_ok=True)
    shards = [
        write_shard(storable(part.drop(columns="batch")).assign(batch=batch), folder, "rows", int(batch))
        for batch, part in rows.groupby("batch")
    ]
    manifest = Manifest(tuple(shards), asdict(identity), len(rows), rows["batch"].nunique())
    (folder / "manifest.json").write_text(manifest.text())


def recipe_of(problem: str = "classification", **sections: Any) -> Any:
    from tasks.core.recipe import Recipe

    data = {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome", **sections.pop("data", {})}
    return Recipe.model_validate_json(json.dumps({"name": "toy", "problem": problem, "data": data, **sections}))


def classes_of(column: pd.Series) -> list[Any]:
    return sorted(column.unique().tolist())


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One home for all tests of a file, as MLflow takes seconds to make a database; each test names its own model."""
    from tasks.core.home import open_home

    return open_home(str(tmp_path_factory.mktemp("shared") / "home"))


@pytest.fixture(scope="module")
def make_model(shared_home: Any) -> Callable[..., Made]:
    """A function that fits, trains and tracks one small model, and gives what `package` takes."""
    home = shared_home

    def make(
        name: str = "toy",
        attempt: int = 0,
        frame: pd.DataFrame | None = None,
        problem: str = "classification",
        steps: int = 60,
        batches: Any = None,
        gates: tuple[Any, ...] = (),
        gates_section: dict[str, Any] | None = None,
        seed: int = 0,
        recipe_folder: Path | None = None,
        recipe_hash: str = "r" * 64,
        **sections: Any,
    ) -> Made:
        import safetensors.torch
        import torch

        from tasks import models, transforms
        from tasks.core import contracts, splits
        from tasks.core.context import Context
        from tasks.core.features import columns_of, resolve
        from tasks.core.hashing import file_sha256, json_sha256
        from tasks.core.rows import Identity, row_ids
        from tasks.models.predict import forward
        from tasks.stores import runs
        from tasks.transforms.apply import apply
        from tasks.transforms.outputs import predictions

        frame = mixed_frame() if frame is None else frame
        if gates_section:
            sections["gates"] = gates_section
        recipe = recipe_of(problem, name=name, **sections)
        key = json_sha256([name, attempt])
        folder = home.work(recipe.name, "package", key)
        folder.mkdir(parents=True, exist_ok=True)
        context = Context(recipe, recipe_folder or home.root.parent, home, folder, key, recipe_hash)
        features = resolve({name: str(dtype) for name, dtype in frame.dtypes.items()}, recipe.data)
        identity = Identity(recipe.data.id, recipe.data.target, tuple(c for c in frame if c != recipe.data.target))
        batches = np.zeros(len(frame), dtype=int) if batches is None else batches
        rows = frame.assign(row_id=row_ids(frame, identity), batch=batches)
        sides = splits.assign(rows, recipe.data)
        train = frame[sides == "train"]
        state = transforms.fit(train, features, recipe.transforms)
        inputs = torch.from_numpy(apply(train, state))
        target = train[recipe.data.target]
        classes = classes_of(target) if problem == "classification" else []
        spec = {
            "features": {name: feature.model_dump(mode="json") for name, feature in features.items()},
            "columns": list(columns_of(features)),
            "state": state,
            "input_shape": state["input_shape"],
            "vocabulary": state.get("vocabulary", 0),
            "sequence": state["sequence"]["input_shape"] if state["kind"] == "mixed" else [],
            "problem": problem,
            "classes": classes,
            "target": None if classes else {"mean": float(target.mean()), "std": float(target.std())},
        }
        prepared_folder = home.work(recipe.name, "prepare", key)
        prepared_folder.mkdir(parents=True, exist_ok=True)
        (prepared_folder / "transform.json").write_text(json.dumps(spec))
        torch.manual_seed(seed)
        section = recipe.model.model_dump(mode="json")
        size = len(classes) or 1
        shapes, inputs_are = (tuple(state["input_shape"]), size), (spec["vocabulary"], tuple(spec["sequence"]))
        network = models.build(section, *shapes, context.recipe_folder, *inputs_are)
        wanted = (
            torch.tensor([classes.index(value) for value in target])
            if classes
            else torch.tensor(((target - target.mean()) / target.std()).to_numpy(), dtype=torch.float32)
        )
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(steps):
            outputs = network(inputs)
            loss = (
                torch.nn.functional.cross_entropy(outputs, wanted)
                if classes
                else torch.nn.functional.mse_loss(outputs[:, 0], wanted)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        weights = home.work(recipe.name, "train", key) / "best.safetensors"
        weights.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(network.state_dict(), weights)
        dataset = home.work(recipe.name, "version", key) / "dataset"
        write_dataset(dataset, rows, identity)
        test = rows[sides == "test"].sort_values("row_id")
        network.eval()
        answers = predictions(forward(network, apply(test, state)), spec)
        known = test[["row_id", "batch"]].assign(split="test", target=test[recipe.data.target]).reset_index(drop=True)
        predictions_file = home.work(recipe.name, "evaluate", key) / "predictions.parquet"
        predictions_file.parent.mkdir(parents=True, exist_ok=True)
        pd.concat([known, answers], axis=1).to_parquet(predictions_file, index=False)
        run_id = runs.start_run(home, recipe.name, "train-" + key[:58], {"seed": seed}, {})
        parameters = sum(parameter.numel() for parameter in network.parameters())
        return Made(
            context,
            contracts.Versioned("d" * 32, len(frame), 0, len(frame), rows["batch"].nunique(), home.relative(dataset)),
            contracts.Prepared(
                home.relative(prepared_folder),
                sides.value_counts().to_dict(),
                tuple(state["input_shape"]),
                size,
                tuple(str(label) for label in classes),
                tuple(spec["columns"]),
                vocabulary=spec["vocabulary"],
                sequence=tuple(spec["sequence"]),
            ),
            contracts.Trained(
                run_id, home.relative(weights), file_sha256(weights), "", steps, steps, "epochs", "cpu", parameters
            ),
            contracts.Evaluated(
                {"test": {"accuracy": 0.9}}, {}, {"accuracy": 0.6}, home.relative(predictions_file), "", gates
            ),
            frame,
        )

    return make
