"""Losses of a batch: functions of raw outputs and targets, each the mean over rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F

from tasks.optim import LOSS_KINDS, find

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(outputs [N, C] or [N, 1], targets int64 [N] or float32 [N]) → scalar."""


def build(
    kind: str,
    problem: Literal["classification", "regression"],
    *,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
) -> Loss:
    """The loss a recipe names; `auto` is cross-entropy or the mean squared error.

    Args:
        kind: A key of `LOSS_KINDS`, or "auto".
        problem: Decides what `auto` is.
        smoothing: Label smoothing of the cross-entropy, in [0, 1).
        weights: float32 [C] class weights of the cross-entropy.
    """
    if kind == "auto":
        kind = "cross_entropy" if problem == "classification" else "mse"
    if kind == "cross_entropy":
        return partial(cross_entropy, smoothing=smoothing, weights=weights)
    function: Loss = find(LOSS_KINDS[kind])
    return function


def cross_entropy(
    outputs: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy of logits [N, C] and class positions int64 [N]; with weights, their weighted mean.

    A smoothing of s asks for probability 1 − s + s / C of the right class and s / C of each other
    (Szegedy et al., 2016).
    """
    return F.cross_entropy(outputs, targets, weight=weights, label_smoothing=smoothing)


def mse(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error of [N, 1] or [N] and [N]."""
    return F.mse_loss(outputs.reshape(-1), targets)


def mae(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of [N, 1] or [N] and [N]."""
    return F.l1_loss(outputs.reshape(-1), targets)


def huber(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Huber's loss (1964): half the squared error up to 1 standard deviation of the target, linear beyond."""
    return F.huber_loss(outputs.reshape(-1), targets, delta=1.0)


def balanced_weights(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """Weights N / (C · count) that make each class count alike; a class without rows gets 0.

    Args:
        targets: int64 [N] positions of the training rows.
        classes: C.

    Returns:
        float32 [C]; their mean over the rows is 1, as `class_weight="balanced"` in scikit-learn.
    """
    counts = torch.bincount(targets, minlength=classes).to(torch.float64)
    present = (counts > 0).sum()
    weights = torch.where(counts > 0, len(targets) / (present * counts.clamp(min=1)), 0.0)
    return weights.to(torch.float32)
