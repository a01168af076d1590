"""Losses of a batch: functions of raw outputs and targets, each the mean over rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from tasks.optim import LOSS_KINDS, find

if TYPE_CHECKING:
    from tasks.core.objective import Loss as Settings
    from tasks.core.recipe import Problem

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(outputs [N, C] or [N, 1], targets int64 [N] or float32 [N]) → scalar; or reconstructions [N, inputs], and the inputs
[N, *shape]."""


def build(
    settings: Settings,
    problem: Problem,
    *,
    smoothing: float = 0.0,
    weights: torch.Tensor | None = None,
) -> Loss:
    """The loss that a recipe's `training.loss` describes.

    Args:
        settings: The block.
        problem: Decides what `auto` is: cross-entropy for classes, else the mean squared error.
        smoothing: Label smoothing in [0, 1), for the kinds that have it.
        weights: float32 [C] class weights, for classification.
    """
    kind: str = settings.kind
    if kind == "auto":
        kind = "cross_entropy" if problem == "classification" else "mse"
    function = find(LOSS_KINDS[kind])
    taken = inspect.signature(function).parameters
    offered = {"smoothing": smoothing, "weights": weights}
    options: dict[str, Any] = settings.model_dump(exclude={"kind"})
    return partial(function, **options, **{name: value for name, value in offered.items() if name in taken})


def cross_entropy(
    outputs: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Cross-entropy of logits [N, C] and class positions int64 [N]; with weights, their weighted mean.

    A smoothing of s asks for probability 1 − s + s / C of the right class and s / C of each other
    (Szegedy et al., 2016).
    """
    return F.cross_entropy(outputs, targets, weight=weights, label_smoothing=smoothing)


def binary_cross_entropy(
    outputs: torch.Tensor, targets: torch.Tensor, *, smoothing: float = 0.0, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Binary cross-entropy of the log-odds z₁ − z₀ of two outputs [N, 2] and class positions int64 [N].

    ln(1 + e^(z₀ − z₁)) is −ln softmax(z)₁: this is the cross-entropy of two classes, term by term, and is
    computed as that. A network keeps one output per class, so that whatever reads its outputs needs no other case.

    Raises:
        ValueError: there are not two outputs.
    """
    if outputs.shape[1] != 2:
        raise ValueError(f"binary cross-entropy needs two outputs, and there are {outputs.shape[1]}")
    return cross_entropy(outputs, targets, smoothing=smoothing, weights=weights)


def focal(
    outputs: torch.Tensor, targets: torch.Tensor, *, gamma: float, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """Focal loss −(1 − p)^γ ln p of the right class's probability p (Lin et al., 2017), the mean over rows.

    Takes logits [N, C] and class positions int64 [N]; with weights, their weighted mean (the paper's α).
    """
    log_p = -F.cross_entropy(outputs, targets, reduction="none")
    # 1 − p without cancellation. Not 0: there a power below 1 has no finite slope.
    doubt = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).eps)
    return _mean(-(doubt**gamma) * log_p, targets, weights)


def hinge(outputs: torch.Tensor, targets: torch.Tensor, *, weights: torch.Tensor | None = None) -> torch.Tensor:
    """Sum over the other classes of max(0, 1 − lead of the right one), over C, the mean over rows.

    Takes outputs [N, C] and class positions int64 [N]; with weights, their weighted mean. It is torch's
    MultiMarginLoss (Weston & Watkins, 1999); Crammer and Singer (2001) take the largest term in place of the sum,
    which for two classes is the same.
    """
    return _mean(F.multi_margin_loss(outputs, targets, reduction="none"), targets, weights)


def mse(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean squared error of [N, 1] or [N] and [N], or of [N, inputs] and [N, *shape]."""
    return F.mse_loss(outputs.reshape(targets.shape), targets)


def mae(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Mean absolute error of [N, 1] or [N] and [N], or of [N, inputs] and [N, *shape]."""
    return F.l1_loss(outputs.reshape(targets.shape), targets)


def huber(outputs: torch.Tensor, targets: torch.Tensor, *, delta: float) -> torch.Tensor:
    """Huber's loss (1964) of the same: half the squared error up to `delta`, then linear; in units of the targets."""
    return F.huber_loss(outputs.reshape(targets.shape), targets, delta=delta)


def quantile(outputs: torch.Tensor, targets: torch.Tensor, *, quantile: float) -> torch.Tensor:
    """Pinball loss (Koenker & Bassett, 1978) of [N, 1] or [N] and [N].

    An error costs `quantile` times itself where the target lies above, 1 − `quantile` times where it lies below.
    """
    above = targets - outputs.reshape(targets.shape)
    return torch.maximum(quantile * above, (quantile - 1) * above).mean()


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


def _mean(rows: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Mean of the losses of rows [N], weighted by their classes' weights as torch's cross-entropy does it."""
    if weights is None:
        return rows.mean()
    of_row = weights[targets]
    return (of_row * rows).sum() / of_row.sum()
