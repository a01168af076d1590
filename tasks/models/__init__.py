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
    "recurrent": "tasks.models.recurrent:Recurrent",
    "transformer": "tasks.models.transformer:Transformer",
    "bag_of_embeddings": "tasks.models.bag_of_embeddings:BagOfEmbeddings",
    "autoencoder": "tasks.models.autoencoder:Autoencoder",
    "conv_autoencoder": "tasks.models.conv_autoencoder:ConvAutoencoder",
}
"""Kind of architecture → where its class is."""
OF_TEXT = ("recurrent", "transformer", "bag_of_embeddings")
"""Kinds that take text."""


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
    factory: Callable[..., nn.Module],
    arguments: Mapping[str, Any],
    input_shape: tuple[int, ...],
    output_size: int,
    vocabulary: int = 0,
    sequence: tuple[int, ...] = (),
) -> nn.Module:
    """Call an architecture with its arguments and, where it accepts them, the shapes it has to fit.

    Args:
        factory: A class or function that gives an `nn.Module`.
        arguments: Its own keyword arguments.
        input_shape: Shape of one example, without the batch dimension.
        output_size: Number of classes, 1 for regression, or the number of inputs for a reconstruction.
        vocabulary: Token ids there are, where inputs are ids; 0 where they are numbers.
        sequence: Where columns stand beside a text or a series, its shape: a flat example begins with its numbers.

    Raises:
        TypeError: the arguments do not fit the factory.
    """
    shapes: dict[str, Any] = {"input_shape": tuple(input_shape), "output_size": output_size}
    accepted = inspect.signature(factory).parameters
    takes_any = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in accepted.values())
    given = {name: value for name, value in shapes.items() if takes_any or name in accepted}
    if "vocabulary" in accepted or (takes_any and vocabulary):
        given["vocabulary"] = vocabulary
    if "sequence" in accepted or (takes_any and sequence):
        given["sequence"] = tuple(sequence)
    return factory(**{**given, **arguments})


def build(
    model: Mapping[str, Any],
    input_shape: tuple[int, ...],
    output_size: int,
    recipe_folder: Path,
    vocabulary: int = 0,
    sequence: tuple[int, ...] = (),
) -> nn.Module:
    """The network a recipe's `model` section describes, with fresh weights from torch's global generator.

    Args:
        model: The section as plain values: `kind` and its fields, or `kind: custom` with `ref` and `args`.
        input_shape: Shape of one example, without the batch dimension.
        output_size: Number of classes, 1 for regression, or the number of inputs for a reconstruction.
        recipe_folder: Where the file of a custom reference is looked up.
        vocabulary: Token ids there are, where inputs are ids; 0 where they are numbers.
        sequence: Where columns stand beside a text or a series, its shape: a flat example begins with its numbers.

    Raises:
        RequestError: a custom reference cannot be loaded.
        TypeError: a custom architecture does not take the arguments.
        ValueError: the architecture does not fit the shape of the inputs.
    """
    arguments = {name: value for name, value in model.items() if name != "kind"}
    if model["kind"] != "custom":
        factory = architecture(model["kind"])
        if vocabulary and "vocabulary" not in inspect.signature(factory).parameters:
            raise ValueError(
                f"the kind {model['kind']} takes numbers, and the features give text; choose {', '.join(OF_TEXT)}"
            )
        return construct(factory, arguments, input_shape, output_size, vocabulary, sequence)
    from ..core import refs

    factory = refs.load(model["ref"], recipe_folder)
    return construct(factory, model.get("args") or {}, input_shape, output_size, vocabulary, sequence)
