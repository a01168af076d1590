"""Optimizers as the recipe names them: torch's own, fused into one kernel where it has one.

Where it has none, torch itself takes its multi-tensor form on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch

from tasks.optim import OPTIMIZER_KINDS, find

if TYPE_CHECKING:
    from tasks.core.training import AdaDelta, AdaGrad, Adam, AdamW, Nadam, Optimizer, RmsProp, Sgd

Parameters = Iterable[torch.nn.Parameter]


def build(parameters: Parameters, settings: Optimizer, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer a recipe's `training.optimizer` describes, over the parameters that require a gradient."""
    make: Callable[..., torch.optim.Optimizer] = find(OPTIMIZER_KINDS[settings.kind])
    return make([parameter for parameter in parameters if parameter.requires_grad], settings, device)


def sgd(parameters: Parameters, settings: Sgd, device: torch.device) -> torch.optim.Optimizer:
    """Stochastic gradient descent with momentum, Nesterov's where asked; weight decay is added to the gradient (L2)."""
    return torch.optim.SGD(
        parameters,
        lr=settings.lr,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        weight_decay=settings.weight_decay,
        fused=_fused(device),
    )


def adam(parameters: Parameters, settings: Adam, device: torch.device) -> torch.optim.Optimizer:
    """Adam (Kingma & Ba, 2015); weight decay is added to the gradient (L2)."""
    return torch.optim.Adam(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=_fused(device))


def adamw(parameters: Parameters, settings: AdamW, device: torch.device) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""
    return torch.optim.AdamW(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=_fused(device))


def rmsprop(parameters: Parameters, settings: RmsProp, device: torch.device) -> torch.optim.Optimizer:
    """RMSProp (Tieleman & Hinton, 2012); weight decay is added to the gradient (L2)."""
    return torch.optim.RMSprop(
        parameters,
        lr=settings.lr,
        alpha=settings.alpha,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
    )


def adagrad(parameters: Parameters, settings: AdaGrad, device: torch.device) -> torch.optim.Optimizer:
    """AdaGrad (Duchi et al., 2011); weight decay is added to the gradient (L2)."""
    # Its fused kernel exists on the CPU alone.
    fused = True if device.type == "cpu" else None
    return torch.optim.Adagrad(parameters, lr=settings.lr, weight_decay=settings.weight_decay, fused=fused)


def adadelta(parameters: Parameters, settings: AdaDelta, device: torch.device) -> torch.optim.Optimizer:
    """AdaDelta (Zeiler, 2012); weight decay is added to the gradient (L2)."""
    return torch.optim.Adadelta(parameters, lr=settings.lr, rho=settings.rho, weight_decay=settings.weight_decay)


def nadam(parameters: Parameters, settings: Nadam, device: torch.device) -> torch.optim.Optimizer:
    """Adam with Nesterov's momentum (Dozat, 2016); weight decay is added to the gradient (L2)."""
    return torch.optim.NAdam(parameters, lr=settings.lr, weight_decay=settings.weight_decay)


def _fused(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")
