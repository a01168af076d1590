"""The recipe's network, and one sentence where it cannot be built or does not give what it must."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from tasks.core.errors import RequestError
from tasks.models import build

if TYPE_CHECKING:
    from tasks.core.architectures import Model
    from tasks.core.contracts import Prepared


def make(
    model: Model,
    input_shape: tuple[int, ...],
    output_size: int,
    recipe_folder: Path,
    vocabulary: int = 0,
    sequence: tuple[int, ...] = (),
) -> nn.Module:
    """A fresh network from torch's global generator; `vocabulary` and `sequence` as in `Prepared`.

    Raises:
        RequestError: the architecture does not fit the inputs, or a custom one cannot be made or is no module.
    """
    try:
        network = build(model.model_dump(), input_shape, output_size, recipe_folder, vocabulary, sequence)
    except RequestError:
        raise
    except Exception as error:  # a custom architecture may raise anything
        raise RequestError(
            f"The model {name(model)} cannot be built: {type(error).__name__}: {error}.",
            remedy="Choose another model.kind."
            if model.kind != "custom"
            else "It is called with input_shape=…, output_size=… and model.args: mend it or model.args.",
        ) from error
    if not isinstance(network, nn.Module):
        raise RequestError(
            f"The model {name(model)} is a {type(network).__name__}, not a torch.nn.Module.",
            remedy="Let model.ref name a class or function that gives a module.",
        )
    return network


def make_for(prepared: Prepared, model: Model, recipe_folder: Path) -> nn.Module:
    """A fresh network for the rows that `prepare` wrote.

    Raises:
        RequestError: as `make` does.
    """
    shapes = (prepared.input_shape, prepared.output_size)
    return make(model, *shapes, recipe_folder, prepared.vocabulary, prepared.sequence)


def check_narrow(model: Model, prepared: Prepared) -> None:
    """See that an autoencoder has fewer latent features than inputs.

    Raises:
        RequestError: it has not, so it could learn to copy whatever it is given, and would find nothing unusual.
    """
    latent = getattr(model, "latent", 0)
    inputs = math.prod(prepared.input_shape)
    if latent >= inputs:
        raise RequestError(
            f"model.latent is {latent}, and the features give {inputs} inputs, which so many latent features can copy.",
            remedy="Make model.latent smaller.",
        )


def rows_by_heart(model: Model, most: int = 16) -> int:
    """Rows that an autoencoder can be asked to learn by heart: one more than its latent features span even linearly."""
    return min(most, getattr(model, "latent", 1) + 1)


def noise(
    shape: tuple[int, ...], vocabulary: int, generator: torch.Generator, sequence: tuple[int, ...] = ()
) -> torch.Tensor:
    """Random inputs, float32 of that shape: normal numbers, or token ids where there is a vocabulary.

    Where columns stand beside a text of the shape `sequence`, ids are what the inputs begin with.
    """
    if not vocabulary:
        return torch.randn(shape, generator=generator)
    ids = torch.randint(vocabulary, (shape[0], *(sequence or shape[1:])), generator=generator).float()
    if not sequence:
        return ids
    return torch.cat([ids, torch.randn(shape[0], shape[1] - ids.shape[1], generator=generator)], dim=1)


def check_outputs(
    network: nn.Module,
    model: Model,
    input_shape: tuple[int, ...],
    output_size: int,
    rows: int = 2,
    vocabulary: int = 0,
    sequence: tuple[int, ...] = (),
) -> None:
    """Call the network once, in training mode, on random inputs [rows, *input_shape] and look at what comes out.

    Raises:
        RequestError: it raises, or its output is not a tensor [rows, output_size].
    """
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    probe = noise((rows, *input_shape), vocabulary, torch.Generator().manual_seed(0), sequence).to(device)
    try:
        with torch.no_grad():
            outputs = network.train()(probe)
    except Exception as error:  # a custom network may raise anything; the inputs are random, so no row is told
        raise RequestError(
            f"The model {name(model)} fails on inputs of shape {list(probe.shape)}: {type(error).__name__}: {error}.",
            remedy="Its forward must take a batch of such inputs; batch normalisation needs training.batch_size > 1.",
        ) from error
    if not isinstance(outputs, torch.Tensor) or tuple(outputs.shape) != (rows, output_size):
        found = list(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        raise RequestError(
            f"The model {name(model)} gives {found} for a batch of {rows}, and {[rows, output_size]} is needed.",
            remedy="Give one logit per class, one value for regression, or for a reconstruction one for each input.",
        )


def to_device(network: nn.Module, device: torch.device) -> nn.Module:
    """The network on the device, convolutions laid out as the batches are (channels last)."""
    network.to(device)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)
    return network


def without_regularisation(network: nn.Module) -> nn.Module:
    """The same network with every dropout layer's probability set to 0."""
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
    return network


def is_linear(model: Model) -> bool:
    """Whether the network is known to be one linear layer, which tells apart no more rows than it has inputs."""
    return model.kind == "perceptron" or (model.kind == "mlp" and not model.hidden)


def trainable(network: nn.Module) -> int:
    """How many numbers training can change."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def name(model: Model) -> str:
    """The model as the recipe names it."""
    return model.ref if model.kind == "custom" else model.kind
