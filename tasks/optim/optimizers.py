"""Optimizers as the recipe names them, fused into one kernel where torch has one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch

from tasks.optim import OPTIMIZER_KINDS, find

if TYPE_CHECKING:
    from tasks.core.recipe import Adam, AdamW, Optimizer, Sgd

Parameters = Iterable[torch.nn.Parameter]


def build(parameters: Parameters, settings: Optimizer, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer a recipe's `training.optimizer` describes, over the parameters that require a gradient."""
    make: Callable[..., torch.optim.Optimizer] = find(OPTIMIZER_KINDS[settings.kind])
    return make([parameter for parameter in parameters if parameter.requires_grad], settings, device)


def sgd(parameters: Parameters, settings: Sgd, device: torch.device) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum; weight decay is added to the gradient (L2)."""
    return torch.optim.SGD(
        parameters,
        lr=settings.lr,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        fused=_fused(device),
    )


def adam(parameters: Parameters, settings: Adam, device: torch.device) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba, 2015); weight decay is added to the gradient (L2)."""
    return torch.optim.Adam(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=_fused(device))


def adamw(parameters: Parameters, settings: AdamW, device: torch.device) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""
    return torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=_fused(device))


def _fused(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")
