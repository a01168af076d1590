"""What a recipe is known by: a hash of all of it, and one of what people chose."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tasks.core import refs
from tasks.core.hashing import file_sha256, json_sha256
from tasks.core.recipe import Recipe

UPKEEP = {"monitoring", "schedule", "alerts", "tuning"}
"""Sections that shape no model: another timetable makes no other one, nor does what may be tried some day."""
WATCHING = {"keep_every", "tensorboard"}
"""Fields of `training` that shape no model: who watches makes no other one."""
SHAPING = ("window", "start_from")
"""What of `retraining` shapes one."""


def resolved(recipe: Recipe, folder: Path) -> str:
    """SHA-256 (hex) of everything in a recipe that shapes a model, and of the code it names in its folder."""
    values = recipe.model_dump(mode="json", exclude=UPKEEP)
    values["retraining"] = {name: values["retraining"][name] for name in SHAPING}
    values["training"] = unwatched(values["training"])
    return _with_code(values, folder)


def chosen(recipe: Recipe, folder: Path) -> str:
    """SHA-256 (hex) of the part of it that people chose: a field that a later Evergreen adds is nobody's choice."""
    values = {name: value for name, value in _choices(recipe).items() if name not in UPKEEP}
    retraining = values.pop("retraining", {})
    training = unwatched(values.pop("training", {}))
    if training:
        values["training"] = training
    return _with_code(values | {name: retraining.get(name) for name in SHAPING}, folder)


def unwatched(training: dict[str, Any]) -> dict[str, Any]:
    """The recipe's `training` without what shapes no model."""
    return {name: value for name, value in training.items() if name not in WATCHING}


def _choices(value: Any) -> Any:
    """A block as plain values: each `kind`, and the fields that are not as they would be by themselves."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        given = {name: (getattr(value, name), field.get_default(call_default_factory=True)) for name, field in fields}
        return {name: _choices(own) for name, (own, usual) in given.items() if name == "kind" or own != usual}
    if isinstance(value, dict):
        return {name: _choices(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_choices(inner) for inner in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def _with_code(values: dict[str, Any], folder: Path) -> str:
    code = {ref: file_sha256(refs.source_file(ref, folder)) for ref in sorted(set(custom_refs(values)))}
    return json_sha256({"recipe": values, "code": code})


def custom_refs(values: Any) -> Iterator[str]:
    """Every `ref` of a `kind: custom` block in a resolved recipe."""
    if isinstance(values, dict):
        if values.get("kind") == "custom" and isinstance(values.get("ref"), str):
            yield values["ref"]
        for inner in values.values():
            yield from custom_refs(inner)
    elif isinstance(values, list):
        for inner in values:
            yield from custom_refs(inner)
