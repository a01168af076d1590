"""A model whose weights are known, packaged and registered as every model is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd

from tasks.core.home import Home
from tasks.core.recipe import Recipe


def register(
    home: Home, recipe: Recipe, frame: pd.DataFrame, classes: list[str], weights: Callable[[Any], None]
) -> None:
    """Make the champion of a recipe from rows that its transform is fitted to, with weights that `weights` sets."""
    import safetensors.torch
    import torch

    from tasks import transforms
    from tasks.core.context import Context
    from tasks.core.contracts import Evaluated, Prepared, Trained, Versioned
    from tasks.core.features import resolve
    from tasks.core.hashing import file_sha256
    from tasks.models import build
    from tasks.release.package import make_package
    from tasks.stores import runs

    features = resolve({name: str(dtype) for name, dtype in frame.dtypes.items()}, recipe.data)
    state = transforms.fit(frame, features, recipe.transforms)
    work = home.root / "work" / recipe.name
    (work / "package").mkdir(parents=True)
    target = None if classes else {"mean": 0.0, "std": 1.0}
    spec = {"state": state, "problem": recipe.problem, "classes": classes, "target": target}
    (work / "transform.json").write_text(json.dumps(spec))
    shape, outputs = tuple(state["input_shape"]), len(classes) or 1
    network = build(recipe.model.model_dump(mode="json"), shape, outputs, home.root)
    with torch.no_grad():
        weights(network)
    safetensors.torch.save_file(network.state_dict(), work / "best.safetensors")
    run_id = runs.start_run(home, recipe.name, "train", {}, {})
    place, best = f"work/{recipe.name}", f"work/{recipe.name}/best.safetensors"
    context = Context(recipe, home.root, home, work / "package", "k" * 64, "r" * 64)
    packaged = make_package(
        context,
        Versioned("d" * 32, 100, 0, 100, 1, place),
        Prepared(place, {"test": 10}, shape, outputs, tuple(classes), tuple(state["columns"])),
        Trained(run_id, best, file_sha256(home.root / best), "", 1, 1, "epochs", "cpu", 6),
        Evaluated({}, {}, {}, "", "", ()),
    )
    runs.set_alias(home, recipe.name, packaged.version)
