"""The space of a search: which fields of a recipe are varied, between which values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from tasks.core.recipe import Recipe
from tasks.core.tuning import Choice, Dimension, NumberRange, WholeRange

Space = Mapping[str, Dimension]
"""Dotted field of a recipe → its values."""

WIDTHS = ("hidden", "width")
"""Fields of networks that say how many neurons, as one whole number or one for each layer."""
SHARES = ("dropout", "hidden_dropout")
"""Fields of networks that say which share is left out at random."""


def space_of(recipe: Recipe) -> dict[str, Dimension]:
    """The space of the recipe's `tuning` section; without one, a space for the kinds the recipe has."""
    return dict(recipe.tuning.space) or default_space(recipe)


def default_space(recipe: Recipe) -> dict[str, Dimension]:
    """Learning rate, weight decay and batch size around what the recipe has, and width and dropout of its network.

    For a grid: learning rate, width and dropout only, three values each.
    """
    optimizer, batch = recipe.training.optimizer, recipe.training.batch_size
    grid = recipe.tuning.search == "grid"
    space: dict[str, Dimension] = {}
    if grid:
        space["training.optimizer.lr"] = _choice(_rounded(optimizer.lr / 3), optimizer.lr, _rounded(optimizer.lr * 3))
    else:
        low, high = _rounded(optimizer.lr / 10), _rounded(optimizer.lr * 10)
        space["training.optimizer.lr"] = NumberRange(kind="number", low=low, high=high, log=True)
        space["training.optimizer.weight_decay"] = NumberRange(kind="number", low=1e-5, high=0.3, log=True)
        space["training.batch_size"] = _choice(*sorted({max(batch // 2, 2), batch, 2 * batch}))
    for name in type(recipe.model).model_fields:
        value = getattr(recipe.model, name)
        if name in WIDTHS and value:
            space[f"model.{name}"] = _choice(*(_scaled(value, factor) for factor in (0.5, 1, 2)))
        elif name in SHARES:
            zero_to_half = NumberRange(kind="number", low=0.0, high=0.5)
            space[f"model.{name}"] = _choice(0.0, 0.25, 0.5) if grid else zero_to_half
    return space


def fields_of(recipe: Recipe, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be set in the recipe's YAML for these parameters: they, and the kinds of the sections they are in.

    A section whose kind the YAML leaves to the default needs it as soon as one of its fields stands there.
    """
    fields = {}
    for name in parameters:
        parts = name.split(".")
        for depth in range(1, len(parts)):
            above = ".".join(parts[:depth])
            kind = getattr(value_of(recipe, above), "kind", None)
            if kind is not None and above not in parameters and f"{above}.kind" not in parameters:
                fields[f"{above}.kind"] = kind
    return fields | dict(parameters)


def value_of(recipe: Recipe, name: str) -> Any:
    """What a dotted field of the recipe holds now; None where the recipe's kinds have no such field."""
    value: Any = recipe
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else getattr(value, part, None)
    return value


def as_it_stands(recipe: Recipe, space: Space) -> dict[str, Any]:
    """The recipe's own values of the fields of a space, as plain JSON values."""
    found = {name: value_of(recipe, name) for name in space}
    return {name: _plain(value) for name, value in found.items()}


def single_changes(space: Space) -> Iterator[tuple[str, Any]]:
    """Each end of a range and each choice, with its field: what can be tried before anything is trained."""
    for name, dimension in space.items():
        for value in dimension.choices if isinstance(dimension, Choice) else (dimension.low, dimension.high):
            yield name, value


def grid_size(space: Space) -> int:
    """How many points a grid over the space has; a range of numbers has no end, and counts as one."""
    return math.prod(_points(dimension) for dimension in space.values())


def _points(dimension: Dimension) -> int:
    if isinstance(dimension, Choice):
        return len(dimension.choices)
    return dimension.high - dimension.low + 1 if isinstance(dimension, WholeRange) else 1


def _choice(*values: Any) -> Choice:
    return Choice(
        kind="choice", choices=tuple(value for place, value in enumerate(values) if value not in values[:place])
    )


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, int):
        return max(int(value * factor), 1)
    return [max(int(width * factor), 1) for width in value]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return list(value) if isinstance(value, tuple) else value
