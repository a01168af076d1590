"""The space of a search: the recipe's own or a default for every kind, and how its values get into a recipe."""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.core.architectures import Model
from tasks.core.load import load_recipe
from tasks.core.recipe import Recipe
from tasks.core.reconstruction import AUTOENCODERS
from tasks.core.rewriting import rewritten
from tasks.core.training import Optimizer
from tasks.core.tuning import Choice, NumberRange, WholeRange
from tasks.tune.space import as_it_stands, default_space, fields_of, grid_size, single_changes, space_of

BASE: dict[str, Any] = {
    "name": "small",
    "problem": "classification",
    "data": {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y"},
}


def kinds(union: Any) -> list[str]:
    blocks = typing.get_args(typing.get_args(union)[0])
    return [typing.get_args(block.model_fields["kind"].annotation)[0] for block in blocks]


def recipe_with(folder: Path, **sections: Any) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump({**BASE, **sections}))
    return file


@pytest.mark.parametrize("search", ["bayesian", "grid"])
@pytest.mark.parametrize("optimizer", kinds(Optimizer))
@pytest.mark.parametrize("model", kinds(Model))
def test_every_kind_has_a_default_space_whose_ends_are_recipes(tmp_path: Path, model: str, optimizer: str, search: str):
    network = {"kind": model} | ({"ref": "recipe.py:Net"} if model == "custom" else {})
    (tmp_path / "recipe.py").write_text("")
    sections: dict[str, Any] = {"training": {"optimizer": {"kind": optimizer}}, "tuning": {"search": search}}
    if model in AUTOENCODERS:
        sections |= {"problem": "reconstruction", "data": {"reader": BASE["data"]["reader"]}}
    file = recipe_with(tmp_path, model=network, **sections)
    loaded = load_recipe(str(file))
    space = default_space(loaded.recipe)
    assert "training.optimizer.lr" in space
    assert all(name.startswith(("training.", "model.")) for name in space)
    if search == "grid":
        assert grid_size(space) == 3 ** len(space)
    for name, value in single_changes(space):
        assert as_it_stands(
            load_recipe(str(file), (), fields_of(loaded.recipe, {name: value})).recipe, {name: space[name]}
        ) == {name: value}


def test_the_recipes_own_space_is_taken_where_there_is_one():
    own = {"training.l1": {"kind": "number", "low": 0.0, "high": 1.0}}
    recipe = Recipe.model_validate_json(json.dumps({**BASE, "tuning": {"space": own}}))
    assert list(space_of(recipe)) == ["training.l1"]


def test_a_kind_that_the_yaml_leaves_out_is_said_with_a_field_of_it(tmp_path: Path):
    loaded = load_recipe(str(recipe_with(tmp_path)))
    fields = fields_of(loaded.recipe, {"model.dropout": 0.3, "training.optimizer.lr": 0.5, "training.l1": 0.1})
    assert fields == {
        "model.kind": "mlp",
        "model.dropout": 0.3,
        "training.optimizer.kind": "adamw",
        "training.optimizer.lr": 0.5,
        "training.l1": 0.1,
    }
    changed = load_recipe(str(loaded.file), (), fields).recipe
    assert (changed.model.dropout, changed.training.optimizer.lr) == (0.3, 0.5)


def test_a_searched_kind_is_set_before_the_fields_of_its_section(tmp_path: Path):
    file = recipe_with(tmp_path, training={"optimizer": {"kind": "sgd", "momentum": 0.5}})
    loaded = load_recipe(str(file))
    fields = fields_of(loaded.recipe, {"training.optimizer.lr": 0.25, "training.optimizer.kind": "adam"})
    optimizer = load_recipe(str(file), (), fields).recipe.training.optimizer
    assert (optimizer.kind, optimizer.lr) == ("adam", 0.25)


def test_a_grid_counts_choices_and_whole_numbers():
    space = {
        "a": Choice(kind="choice", choices=(1, 2, 3)),
        "b": WholeRange(kind="whole", low=2, high=5),
    }
    assert grid_size(space) == 12
    assert list(single_changes({**space, "c": NumberRange(kind="number", low=0.5, high=1.5)})) == [
        ("a", 1),
        ("a", 2),
        ("a", 3),
        ("b", 2),
        ("b", 5),
        ("c", 0.5),
        ("c", 1.5),
    ]


def test_the_rewritten_recipe_keeps_interpolations_and_loads_as_it_was_tried(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("WHERE", "secret.csv")
    file = recipe_with(tmp_path, data={"reader": {"kind": "csv", "path": "${oc.env:WHERE}"}, "target": "y"})
    fields = {"training.optimizer.kind": "adamw", "training.optimizer.lr": 1.234e-05, "model": {"kind": "perceptron"}}
    text = rewritten(file, ("training.epochs=7",), fields, ("one line", "another: line"))
    assert text.startswith("# one line\n# another: line\n")
    assert "secret.csv" not in text and "${oc.env:WHERE}" in text
    (tmp_path / "tuned.yaml").write_text(text)
    tuned = load_recipe(str(tmp_path / "tuned.yaml")).recipe
    assert tuned == load_recipe(str(file), ("training.epochs=7",), fields).recipe
    assert (tuned.model.kind, tuned.training.epochs, tuned.training.optimizer.lr) == ("perceptron", 7, 1.234e-05)
