"""A small recipe to be tuned, and a search in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from flows import tuning
from flows.dataset import bring_in
from flows.outcome import Outcome
from flows.tuning import Tuned
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, load_recipe

RECIPE = """\
# a comment that is lost
name: tuned
problem: classification
data:
  reader: {kind: csv, path: rows.csv}
  target: outcome
  id: row
model: {kind: mlp, hidden: [8]}
training: {epochs: 6, batch_size: 64, optimizer: {kind: adamw, lr: 0.0005}}
tuning:
  trials: 8
  space:
    training.optimizer.lr: {kind: number, low: 0.0003, high: 0.1, log: true}
    model.hidden: {kind: choice, choices: [[4], [8], [16, 8]]}
    transforms.scale: {kind: choice, choices: [standard, minmax]}
"""


def recipe_in(folder: Path, *overrides: str, text: str = RECIPE) -> LoadedRecipe:
    """400 rows, three numbers, two classes that a few epochs can tell apart; the recipe beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0)
    values = noise.normal(size=(400, 3))
    yes = values[:, 0] + 0.5 * values[:, 1] + 0.3 * noise.normal(size=400) > 0
    lines = [
        f"{row},{a:.4f},{b:.4f},{c:.4f},{'yes' if good else 'no'}"
        for row, ((a, b, c), good) in enumerate(zip(values, yes, strict=True))
    ]
    (folder / "rows.csv").write_text("\n".join(["row,a,b,c,outcome", *lines]) + "\n")
    (folder / "recipe.yaml").write_text(text)
    return load_recipe(str(folder), overrides)


def versioned(loaded: LoadedRecipe, home: Home) -> Outcome:
    """The data, brought in where they are not there yet."""
    outcome = bring_in(loaded, home, lambda text: None)
    assert outcome.exit_code == 0, outcome.reason
    return outcome


def tune(loaded: LoadedRecipe, home: Home, **options: Any) -> Tuned:
    """The search, on data that are versioned where they are not yet."""
    usual: dict[str, Any] = {"jobs": 1, "out": None, "tell": lambda text: None}
    return tuning.search(loaded, home, versioned(loaded, home), **{**usual, **options})


def found(tuned: Tuned) -> list[tuple[Any, ...]]:
    """Every trial, but for how long it took and where it is logged."""
    return [(t.number, t.parameters, t.state, t.value, t.curve, t.metrics, t.reason) for t in tuned.study.trials]
