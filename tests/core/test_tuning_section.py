"""The recipe's `tuning` section: what may be searched, and one sentence where it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from tasks.core import identity
from tasks.core.recipe import Recipe
from tasks.core.tuning import LOSS

BASE: dict[str, Any] = {
    "name": "small",
    "problem": "classification",
    "data": {"reader": {"kind": "csv", "path": "x.csv"}, "target": "y"},
}


def recipe(tuning: dict[str, Any], **sections: Any) -> Recipe:
    return Recipe.model_validate_json(json.dumps({**BASE, **sections, "tuning": tuning}))


def test_a_recipe_without_the_section_has_its_defaults():
    tuning = Recipe.model_validate_json(json.dumps(BASE)).tuning
    assert (tuning.metric, tuning.search, tuning.trials, tuning.pruning) == (LOSS, "bayesian", 30, "median")
    assert (tuning.space, tuning.folds, tuning.seed) == ({}, None, 0)


def test_every_kind_of_dimension_is_read():
    space = {
        "training.optimizer.lr": {"kind": "number", "low": 0.001, "high": 0.1, "log": True},
        "training.batch_size": {"kind": "whole", "low": 16, "high": 64},
        "model.hidden": {"kind": "choice", "choices": [[32], [64, 64]]},
        "model": {"kind": "choice", "choices": [{"kind": "mlp"}, {"kind": "perceptron"}]},
    }
    found = recipe({"space": space}).tuning.space
    assert {name: dimension.kind for name, dimension in found.items()} == {
        name: dimension["kind"] for name, dimension in space.items()
    }
    assert found["model.hidden"].choices == ([32], [64, 64])


def test_arguments_of_a_custom_network_may_be_searched():
    custom = {"kind": "custom", "ref": "recipe.py:Net", "args": {"width": 3}}
    space = {"model.args.width": {"kind": "whole", "low": 1, "high": 9}}
    assert "model.args.width" in recipe({"space": space}, model=custom).tuning.space


RANGE = {"kind": "number", "low": 0.1, "high": 0.2}
WRONG = {
    "upside down": ({"space": {"training.ema": {**RANGE, "low": 0.3}}}, "low must be the smaller one"),
    "empty": ({"space": {"training.batch_size": {"kind": "whole", "low": 8, "high": 8}}}, "low must be the smaller"),
    "log of nothing": ({"space": {"training.l1": {**RANGE, "low": 0.0, "log": True}}}, "above 0"),
    "no choices": ({"space": {"model.hidden": {"kind": "choice", "choices": []}}}, "at least 1 item"),
    "not a field": ({"space": {"training.optimizer.momentum": RANGE}}, "has no field training.optimizer.momentum"),
    "not of the kind": ({"space": {"model.channels": RANGE}}, "has no field model.channels"),
    "through nothing": ({"space": {"training.early_stopping.rate": RANGE}}, "has no field"),
    "another section": ({"space": {"data.split.key": RANGE}}, "only fields of transforms, model, training"),
    "the seed": ({"space": {"training.seed": {"kind": "whole", "low": 0, "high": 9}}}, "lucky draw"),
    "a grid of a range": ({"space": {"training.ema": RANGE}, "search": "grid"}, "kind: choice"),
    "no trials": ({"trials": 0}, "greater than 0"),
    "one fold": ({"folds": 1}, "greater than or equal to 2"),
    "another problem's metric": ({"metric": "rmse"}, "'rmse' is not a metric here"),
    "losses compared": (
        {"space": {"training.loss.gamma": RANGE}},
        "gives another meaning; name a metric",
    ),
    "losses pruned by": (
        {"space": {"training.loss.gamma": RANGE}, "metric": "accuracy"},
        "tuning.pruning compares validation losses",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_searched_is_said_in_one_sentence(case: str):
    tuning, words = WRONG[case]
    with pytest.raises(ValidationError) as refused:
        recipe(tuning, training={"loss": {"kind": "focal"}})
    (problem,) = refused.value.errors()
    assert words in problem["msg"]


def test_what_is_searched_some_day_changes_no_model(tmp_path):
    plain, tuned = recipe({}), recipe({"trials": 5, "space": {"training.l1": RANGE}})
    for hash_of in (identity.resolved, identity.chosen):
        assert hash_of(plain, tmp_path) == hash_of(tuned, tmp_path)
