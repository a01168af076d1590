"""What follows a linear layer, by the name a recipe gives it."""

from __future__ import annotations

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
"""Name → a module without parameters; gelu is x·Φ(x), computed exactly, and silu is x·σ(x)."""


def activation(name: str) -> nn.Module:
    """A fresh module.

    Raises:
        ValueError: there is no activation of that name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"there is no activation '{name}'; choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()
