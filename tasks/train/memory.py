"""How much memory a training step needs, found without allocating it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

COPIES = {"sgd": 1, "adam": 2, "adamw": 2, "rmsprop": 2, "adagrad": 1, "adadelta": 2, "nadam": 2}
"""Numbers an optimizer keeps per parameter, at most (momentum; first and second moment; sums of squares)."""


@dataclass(frozen=True)
class Need:
    """Bytes, and the number of trainable parameters."""

    parameters: int
    weights: int
    """Weights, their gradients, the optimizer's state, the copy of the best weights and their running mean."""
    activations: int
    """Inputs of one batch, and what its forward pass keeps for the backward pass, with the gradients of that."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.activations


def need(
    make: Callable[[], nn.Module],
    input_shape: tuple[int, ...],
    batch_size: int,
    optimizer: str,
    *,
    averaged: bool = False,
) -> Need:
    """Estimate the memory of one training step with a batch of `batch_size` rows; `averaged` if it keeps a mean.

    A custom network that cannot run on torch's meta device is built for real and tried on two rows.
    """
    try:
        with torch.device("meta"):
            network = make().train()
            rows = batch_size
            kept = _kept_bytes(network, torch.empty(rows, *input_shape))
    except Exception:  # noqa: BLE001 - a custom network may do anything that shapes alone do not answer
        network = make().train()
        rows = min(batch_size, 2)
        kept = _kept_or_nothing(network, torch.zeros(rows, *input_shape))
    sizes = [(tensor.numel(), tensor.element_size(), tensor.requires_grad) for tensor in network.parameters()]
    weights = sum(number * size for number, size, _ in sizes) + sum(
        tensor.numel() * tensor.element_size() for tensor in network.buffers()
    )
    trained = sum(number * size for number, size, needs_gradient in sizes if needs_gradient)
    return Need(
        parameters=sum(number for number, _, needs_gradient in sizes if needs_gradient),
        weights=(3 if averaged else 2) * weights + trained * (1 + COPIES[optimizer]),
        activations=2 * kept * batch_size // rows,
    )


def _kept_or_nothing(network: nn.Module, inputs: torch.Tensor) -> int:
    try:
        return _kept_bytes(network, inputs)
    except Exception:  # noqa: BLE001 - a network that cannot be called is told about where its outputs are checked
        return 0


def _kept_bytes(network: nn.Module, inputs: torch.Tensor) -> int:
    """Bytes of the inputs and of all tensors that autograd keeps, the network's own left out."""
    own = {id(tensor) for tensor in [*network.parameters(), *network.buffers()]}
    kept: dict[int, torch.Tensor] = {id(inputs): inputs}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        # A view costs nothing beside its base. Held in the dict, so that no id is given twice.
        base = tensor if tensor._base is None else tensor._base
        if id(base) not in own:
            kept[id(base)] = base
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        network(inputs)
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
