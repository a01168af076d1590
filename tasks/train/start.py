"""What a training begins with: fresh weights, or the champion's where the recipe asks for them and they fit."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import safetensors.torch
import torch

from tasks.core.context import START, Context
from tasks.core.contracts import Prepared
from tasks.core.errors import GateError, RequestError
from tasks.core.recipe import Recipe
from tasks.stores import registry
from tasks.stores.packaged import Verified, verified
from tasks.train import networks
from tasks.train.checkpoints import Weights
from tasks.transforms.apply import parts
from tasks.transforms.units import units
from tasks.transforms.words import CUT_BY


@dataclass(frozen=True)
class Start:
    """Where a training begins."""

    weights: Weights | None
    """None: fresh ones, drawn from the seed."""
    sentence: str
    """Which weights, and for fresh ones why."""


def beginning(context: Context, prepared: Prepared) -> Start:
    """The weights that `retraining.start_from` asks for, if they can be had and used.

    The champion is the one the plan saw: its weights' hash is part of the key. Its files are verified before
    one is read. A champion whose network has another shape, or that has seen rows which now are held out,
    is not started from: the sentence says so.

    Raises:
        GateError: the champion's files are not those that were registered.
        RequestError: the champion's version, or its files, are gone.
        ServiceError: the registry does not answer.
    """
    if context.recipe.retraining.start_from == "scratch":
        return Start(None, "fresh weights")
    digest = context.outside.get(START)
    if digest is None:
        return Start(None, "fresh weights, as there is no champion whose weights are known")
    champion = _champion(context, digest)
    weights = _weights(champion, digest)
    why = _other_rows(champion, context.recipe, prepared) or _other_shape(champion, weights, context, prepared)
    number = champion.info.version
    if why:
        return Start(None, f"fresh weights, as version {number} {why}")
    return Start(weights, f"the weights of version {number}, which was champion")


def _champion(context: Context, digest: str) -> Verified:
    name = context.recipe.name
    known = [
        info.version for info in registry.versions(context.home, name) if info.tags.get(registry.WEIGHTS) == digest
    ]
    if not known:
        raise RequestError(
            f"retraining.start_from is champion, and the champion of {name} is gone from the registry.",
            remedy="Run again, or set retraining.start_from to scratch.",
            code="model",
        )
    return verified(context.home, name, known[-1])


def _weights(champion: Verified, digest: str) -> Weights:
    payload = champion.weights.read_bytes()
    if hashlib.sha256(payload).hexdigest() != digest:
        raise GateError(
            f"The weights of {champion.name}/{champion.info.version} in {champion.folder} are not those of its tag.",
            remedy="Restore them from a backup, or roll back to another version.",
            code="model",
        )
    weights: Weights = safetensors.torch.load(payload)
    return weights


def _other_rows(champion: Verified, recipe: Recipe, prepared: Prepared) -> str:
    """Why the champion may have learned from rows that now are held out; empty where it has not.

    Splits are sticky as long as rows are told apart and split in the same way.
    """
    made = champion.read("recipe.json")
    now = {name: getattr(recipe.data, name) for name in ("target", "id", "time")}
    now["split"] = recipe.data.split.model_dump(mode="json")
    changed = [f"data.{name}" for name, value in now.items() if made["data"].get(name) != value]
    if changed:
        return f"was made with another {' and another '.join(changed)}, so it has seen rows that now are held out"
    if _after(made["cutoff"], prepared.cutoff):
        return "was trained on rows up to a later time, which now are held out"
    return ""


def _after(theirs: str | None, ours: str | None) -> bool:
    """Whether a cut-off is later than ours; both are times, or both numbers, as text."""
    if theirs is None or ours is None:
        return theirs != ours
    try:
        return float(theirs) > float(ours)
    except ValueError:
        return bool(pd.Timestamp(theirs) > pd.Timestamp(ours))


def _other_shape(champion: Verified, weights: Weights, context: Context, prepared: Prepared) -> str:
    """Why the champion's weights do not fit; empty where they do."""
    spec = champion.read("transform.json")
    if tuple(str(label) for label in spec["classes"]) != prepared.classes:
        return "knows other classes"
    if tuple(spec["columns"]) != prepared.feature_columns:
        return "looks at other columns"
    written = json.loads((context.home.path(prepared.folder) / "transform.json").read_text(encoding="utf-8"))
    old, new = (parts(made["state"]) for made in (spec, written))
    if prepared.vocabulary and any(old[0].get(key) != new[0][key] for key in ("tokens", *CUT_BY)):
        return "numbers its tokens in another way"
    if _inputs(old[-1]) != _inputs(new[-1]):
        return "makes other inputs of its columns"
    network = networks.make_for(prepared, context.recipe.model, context.recipe_folder)
    ours, theirs = _shapes(network.state_dict()), _shapes(weights)
    names = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if not names:
        return ""
    first = f"{_written(theirs.get(names[0]))}, where {_written(ours.get(names[0]))} is needed"
    return f"has another shape: {names[0]} is {first}"


def _inputs(state: Mapping[str, Any]) -> tuple[list[str], bool]:
    """What each input of numbers, categories, dates or pixels is, in order; nothing of a text or a series."""
    named = list(units(state)) if state["kind"] in ("tabular", "image") else []
    return named, bool(state.get("mask", False))


def _shapes(tensors: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items() if isinstance(tensor, torch.Tensor)}


def _written(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else str(list(shape))
