"""Steps that are taken to try something, and leave no trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from tasks.train import generators

INITIAL = {"mu_product": 1.0}
"""What an optimizer's state begins with, by name, where that is not zero: the product of Nadam's momenta."""


@contextmanager
def undone(network: nn.Module, optimizer: torch.optim.Optimizer, device: torch.device) -> Iterator[None]:
    """Afterwards weights, buffers, the optimizer's state and the random numbers are what they were, in place."""
    kept = [tensor.detach().clone() for tensor in _held(network)]
    numbers, drawn = _state_of(optimizer), generators.drawn(device)
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, before in zip(_held(network), kept, strict=True):
                tensor.copy_(before)
            _restore(optimizer, numbers)
        optimizer.zero_grad(set_to_none=True)
        generators.go_on(drawn, device)


def _held(network: nn.Module) -> Sequence[torch.Tensor]:
    return [*network.parameters(), *network.buffers()]


def _state_of(optimizer: torch.optim.Optimizer) -> dict[Any, dict[str, Any]]:
    return {
        parameter: {name: value.clone() if isinstance(value, torch.Tensor) else value for name, value in state.items()}
        for parameter, state in optimizer.state.items()
    }


def _restore(optimizer: torch.optim.Optimizer, before: Mapping[Any, Mapping[str, Any]]) -> None:
    """A tensor that is there keeps its place, as a graph may hold its address; what is new begins anew."""
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            known = before.get(parameter, {}).get(name, INITIAL.get(name, 0.0))
            if isinstance(value, torch.Tensor):
                value.copy_(torch.as_tensor(known))
            else:
                state[name] = known
