"""Every recipe field a stage reads is declared: an undeclared one would leave a stale result in the cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from flows import training
from flows.engine import Execution
from tasks.core.home import Home, open_home
from tasks.core.load import load_recipe
from tasks.core.recipe import Block
from tasks.stage import Stage

RECIPES = {
    "tabular": """\
name: watched
problem: classification
data:
  reader: {kind: csv, path: rows.csv}
  target: outcome
  id: row
  features: {b: {kind: numeric}}
model: {kind: mlp, hidden: [8]}
training: {epochs: 20, batch_size: 32, gradient_clip: 1.0, label_smoothing: 0.1}
gates: {thresholds: {accuracy: 0.2}}
""",
    "regression": """\
name: watched
problem: regression
data:
  reader: {kind: csv, path: rows.csv}
  target: a
  time: row
  split: {kind: time, validation: 0.2, test: 0.2}
model: {kind: mlp, hidden: [8]}
training: {epochs: 30, batch_size: 32, optimizer: {kind: adam, lr: 0.01}, early_stopping: null}
""",
}


def places(value: Any, path: str = "") -> Iterator[tuple[int, str]]:
    """Identity and dotted path of every section of a recipe."""
    if isinstance(value, BaseModel):
        yield id(value), path
        for name in type(value).model_fields:
            yield from places(value.__dict__[name], f"{path}.{name}".lstrip("."))
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, f"{path}.{name}")


def rows(folder: Path) -> None:
    noise = np.random.default_rng(0)
    a, b = noise.normal(size=(2, 400))
    yes = a + b + 0.5 * noise.normal(size=400) > 0
    lines = [f"{row},{a[row]:.4f},{b[row]:.4f},{'yes' if yes[row] else 'no'}" for row in range(400)]
    (folder / "rows.csv").write_text("\n".join(["row,a,b,outcome", *lines]) + "\n")


@pytest.mark.parametrize("kind", ["tabular", pytest.param("regression", marks=pytest.mark.slow)])
def test_a_stage_reads_no_recipe_field_it_does_not_declare(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "recipe.yaml").write_text(RECIPES[kind])
    rows(tmp_path)
    loaded = load_recipe(str(tmp_path))
    home: Home = open_home(str(tmp_path / "home"))
    execution = Execution(loaded, home, training.plan_of(training.Order(loaded, home)))
    paths = dict(places(loaded.recipe))
    read: dict[str, set[str]] = defaultdict(set)
    current: list[str] = []
    plain = BaseModel.__getattribute__

    def watching(self: Block, name: str) -> Any:
        path = paths.get(id(self))
        if current and path is not None:
            if name in type(self).model_fields:
                value = plain(self, name)
                if not isinstance(value, BaseModel):
                    read[current[-1]].add(f"{path}.{name}".lstrip("."))
            elif name in ("model_dump", "model_dump_json"):
                read[current[-1]].add(f"{path}.*".lstrip("."))
        return plain(self, name)

    # The runner itself reads the recipe for keys and names; only the stage's own function is watched.
    monkeypatch.setattr(Block, "__getattribute__", watching)
    called = Stage.__call__

    def calling(self: Stage, *arguments: Any) -> Any:
        current.append(self.name)
        try:
            return called(self, *arguments)
        finally:
            current.pop()

    monkeypatch.setattr(Stage, "__call__", calling)
    training.life_cycle(lambda stage, *inputs: execution.carry_out(stage, *inputs).value, execution.skip)
    assert set(read) >= {"ingest", "validate", "prepare", "train", "evaluate", "package", "decide"}
    undeclared = {
        name: sorted(field for field in fields if not declared(field, training.LIFE_CYCLE[name]))
        for name, fields in read.items()
    }
    assert {name: fields for name, fields in undeclared.items() if fields} == {}


def declared(field: str, stage: Stage) -> bool:
    """Whether a field, or a whole section (`section.*`), lies inside what the stage declares.

    Every result lies in a folder of the recipe's name, so the name needs no declaration.
    """
    whole = field.removesuffix(".*")
    return field == "name" or any(whole == read or whole.startswith(f"{read}.") for read in stage.reads)
