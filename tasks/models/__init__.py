"""Architectures by kind, and how one is built for a shape of inputs.

This package travels inside the packaged model under another name, so it imports relatively and needs
nothing but torch; only a custom architecture of a recipe reaches into `tasks/core`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

KINDS: dict[str, str] = {
    "mlp": "tasks.models.mlp:Mlp",
    "cnn": "tasks.models.cnn:Cnn",
    "perceptron": "tasks.models.perceptron:Perceptron",
    "tabular_resnet": "tasks.models.tabular_resnet:TabularResnet",
    "resnet": "tasks.models.resnet:Resnet",
}
"""Kind of architecture → where its class is."""


def architecture(kind: str) -> Callable[..., nn.Module]:
    """The class of a shipped kind.

    Raises:
        KeyError: the kind is not in the table.
    """
    module, _, name = KINDS[kind].partition(":")
    # Relative to this package, whatever it is called: the packaged model has it under a name of its own.
    loaded = importlib.import_module(f".{module.rpartition('.')[2]}", __package__)
    found: Callable[..., nn.Module] = getattr(loaded, name)
    return found


def construct(
    factory: Callable[..., nn.Module], arguments: Mapping[str, Any], input_shape: tuple[int, ...], output_size: int
) -> nn.Module:
    """Call an architecture with its arguments and, where it accepts them, the shapes it has to fit.

    Args:
        factory: A class or function that gives an `nn.Module`.
        arguments: Its own keyword arguments.
        input_shape: Shape of one example, without the batch dimension.
        output_size: Number of classes, or 1 for regression.

    Raises:
        TypeError: the arguments do not fit the factory.
    """
    shapes = {"input_shape": tuple(input_shape), "output_size": output_size}
    accepted = inspect.signature(factory).parameters
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in accepted.values())
    given = {name: value for name, value in shapes.items() if takes_any or name in accepted}
    return factory(**{**given, **arguments})


def build(model: Mapping[str, Any], input_shape: tuple[int, ...], output_size: int, recipe_folder: Path) -> nn.Module:
    """The network a recipe's `model` section describes, with fresh weights from torch's global generator.

    Args:
        model: The section as plain values: `kind` and its fields, or `kind: custom` with `ref` and `args`.
        input_shape: Shape of one example, without the batch dimension.
        output_size: Number of classes, or 1 for regression.
        recipe_folder: Where the file of a custom reference is looked up.

    Raises:
        RequestError: a custom reference cannot be loaded.
        TypeError: a custom architecture does not take the arguments.
        ValueError: the architecture does not fit the shape of the inputs.
    """
    arguments = {name: value for name, value in model.items() if name != "kind"}
    if model["kind"] != "custom":
        return construct(architecture(model["kind"]), arguments, input_shape, output_size)
    from ..core import refs

    return construct(refs.load(model["ref"], recipe_folder), model.get("args") or {}, input_shape, output_size)
