"""Optimizers, losses and learning-rate schedules, by kind."""

from __future__ import annotations

import importlib
from typing import Any

OPTIMIZER_KINDS: dict[str, str] = {
    "sgd": "tasks.optim.optimizers:sgd",
    "adam": "tasks.optim.optimizers:adam",
    "adamw": "tasks.optim.optimizers:adamw",
    "rmsprop": "tasks.optim.optimizers:rmsprop",
    "adagrad": "tasks.optim.optimizers:adagrad",
    "adadelta": "tasks.optim.optimizers:adadelta",
    "nadam": "tasks.optim.optimizers:nadam",
}
"""Kind of optimizer → `(parameters, settings, device) -> torch.optim.Optimizer`."""

LOSS_KINDS: dict[str, str] = {
    "cross_entropy": "tasks.optim.losses:cross_entropy",
    "binary_cross_entropy": "tasks.optim.losses:binary_cross_entropy",
    "focal": "tasks.optim.losses:focal",
    "hinge": "tasks.optim.losses:hinge",
    "mse": "tasks.optim.losses:mse",
    "mae": "tasks.optim.losses:mae",
    "huber": "tasks.optim.losses:huber",
    "quantile": "tasks.optim.losses:quantile",
}
"""Kind of loss → `(outputs, targets, …) -> scalar tensor`."""

SCHEDULE_KINDS: dict[str, str] = {
    "constant": "tasks.optim.schedules:constant",
    "cosine": "tasks.optim.schedules:cosine",
    "step": "tasks.optim.schedules:step",
    "one_cycle": "tasks.optim.schedules:one_cycle",
    "plateau": "tasks.optim.schedules:plateau",
}
"""Kind of schedule → `(step, steps, …) -> factor of the learning rate`; `plateau` has the losses in their place."""


def find(place: str) -> Any:
    """The function that a table's value, `module:name`, names."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
