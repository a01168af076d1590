"""How large gradients, weights and updates are, once an epoch: computed where they lie and read in one piece.

They are those of the epoch's last step, whose gradients are still there when it is done. An update of about a
thousandth of the weights is usual; far more or less, and the learning rate is too high or too low (Karpathy, "CS231n:
Convolutional neural networks for visual recognition", notes on training, "Ratio of weights to updates").
"""

from __future__ import annotations

import math

import torch
from torch import nn

NAMES = ("gradient_norm", "weight_norm", "update_ratio")
"""Euclidean norms over all trained parameters together; the last is the step's update over the weights."""

_TINY = 1e-30


def weights_now(network: nn.Module) -> list[torch.Tensor]:
    """Copies of the trained parameters, where they are, to compare with after the next step."""
    return [parameter.detach().clone() for parameter in network.parameters() if parameter.requires_grad]


def norms(network: nn.Module, before: list[torch.Tensor]) -> torch.Tensor:
    """The numbers named in `NAMES` after a step from `before`: float32 [3] on the device; nothing waits.

    The gradient is the one the step was made of, clipped where the recipe clips; a parameter without one counts as 0.
    """
    trained = [parameter.detach() for parameter in network.parameters() if parameter.requires_grad]
    if not trained:
        return torch.zeros(3)
    gradients = [weight.grad for weight in network.parameters() if weight.requires_grad and weight.grad is not None]
    update = _norm(list(torch._foreach_sub(trained, before)))
    weights = _norm(before)
    gradient = _norm(gradients) if gradients else torch.zeros_like(update)
    return torch.stack([gradient, _norm(trained), update / weights.clamp(min=_TINY)])


def told(values: torch.Tensor | None) -> dict[str, float | None]:
    """Name → number as JSON can hold it, None where it is not finite; empty where nothing was measured."""
    if values is None:
        return {}
    found = zip(NAMES, values.tolist(), strict=True)
    return {name: value if math.isfinite(value) else None for name, value in found}


def _norm(tensors: list[torch.Tensor]) -> torch.Tensor:
    """Euclidean norm of all of them as one vector, in few launches."""
    norm: torch.Tensor = torch.linalg.vector_norm(torch.stack(list(torch._foreach_norm(tensors))).float())
    return norm
