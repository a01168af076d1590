"""The trivial predictor every model has to beat: it knows the targets and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from tasks.core.objective import Loss
from tasks.metrics import codes, compute
from tasks.optim import losses

PIECE = 8192
"""Rows looked at at once where inputs are read."""


def trivial_metrics(
    problem: str, training: Any, targets: Any, classes: Sequence[str], folder: Path, split: str
) -> tuple[dict[str, float], dict[str, str]]:
    """As `baseline_metrics`; for a reconstruction those of a predictor that gives the training rows' mean for each row.

    Args:
        problem: of the recipe.
        training: as there.
        targets: as there.
        classes: as there.
        folder: of the prepared arrays.
        split: the part that `targets` are of.
    """
    if problem == "reconstruction":
        return compute(problem, targets, mean_scores(folder, split))
    return baseline_metrics(problem, training, targets, classes)


def mean_scores(folder: Path, split: str) -> np.ndarray:
    """Anomaly scores, float64 [N], of rows reproduced as the mean of the training rows, input by input.

    The mean is the best constant by the mean squared error, and so by the metric rmse.
    """
    mean, inputs = _mean_inputs(folder), np.load(folder / f"{split}_inputs.npy", mmap_mode="r")
    pieces = [np.asarray(inputs[start : start + PIECE], np.float64) for start in range(0, len(inputs), PIECE)]
    return np.concatenate([np.sqrt(((piece - mean) ** 2).reshape(len(piece), -1).mean(axis=1)) for piece in pieces])


def mean_loss(loss: Loss, folder: Path) -> float:
    """The training's own loss on the validation rows, had the network given the training rows' mean for each."""
    mean = torch.from_numpy(_mean_inputs(folder)).float()
    inputs, total = np.load(folder / "validation_inputs.npy", mmap_mode="r"), 0.0
    costs = losses.build(loss, "reconstruction")
    for start in range(0, len(inputs), PIECE):
        piece = torch.from_numpy(np.array(inputs[start : start + PIECE]))
        total += float(costs(mean.expand(len(piece), *mean.shape), piece)) * len(piece)
    return total / len(inputs)


def _mean_inputs(folder: Path) -> np.ndarray:
    return np.asarray(np.load(folder / "train_inputs.npy", mmap_mode="r").mean(axis=0, dtype=np.float64))


def baseline_metrics(
    problem: str, training: Any, targets: Any, classes: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics of the trivial predictor on `targets`, and why the others have no value.

    Classification: one class for every row, with the classes' training shares as probabilities; that gives log_loss
    and brier their best constant and roc_auc 0.5. The class is the most frequent one of the rows it is scored on (of
    the training rows, if several are): the best that any constant can do there, so that no other one beats it.
    Regression: the training mean, for mae the training median: each metric's best constant. So also for mape, whose
    best constant lies a little lower.

    Args:
        problem: "classification" or "regression".
        training: targets of the training rows, labels or numbers.
        targets: targets of the rows it is scored on.
        classes: the labels a model can answer; empty for regression.
    """
    if problem == "regression":
        known = np.asarray(training, dtype=np.float64)
        values, undefined = compute(problem, targets, np.full(len(targets), known.mean()))
        others, _ = compute(problem, targets, np.full(len(targets), float(np.median(known))))
        return {**values, **{name: others[name] for name in ("mae", "mape") if name in others}}, undefined
    counts = np.bincount(codes(training, classes), minlength=len(classes))
    shares = np.tile(counts / counts.sum(), (len(targets), 1))
    known = codes(targets, classes)
    scored = np.bincount(known[known >= 0], minlength=len(classes))
    majority = classes[int(np.lexsort((-counts, -scored))[0])]
    values, undefined = compute(problem, targets, [majority] * len(targets), shares, classes)
    if "precision_macro" in undefined and "accuracy" in values:
        # One class is all it ever predicts. Counting the others as 0, as scikit-learn does, keeps it comparable.
        values["precision_macro"] = values["accuracy"] / len(classes)
        del undefined["precision_macro"]
    return values, undefined


def guess_loss(
    loss: Loss,
    problem: Literal["classification", "regression"],
    training: np.ndarray,
    validation: np.ndarray,
    classes: int,
    balanced: bool,
) -> float:
    """The training's own loss on the validation rows, had the network outputs that ignore its inputs.

    Classes: the logarithms of their training shares or equal outputs, whichever costs less. Quantities, which are
    standardised: 0, the training mean.

    Args:
        loss: `training.loss` of the recipe.
        problem: Decides what loss `auto` is.
        training: targets of the training rows as they are prepared, int64 [N] or float32 [N].
        validation: those of the validation rows, [M].
        classes: number of classes, or 1.
        balanced: whether rare classes weigh as much as frequent ones.
    """
    known, targets = torch.from_numpy(training), torch.from_numpy(validation)
    outputs = [torch.zeros(len(targets), classes)]
    weights = None
    if problem == "classification":
        shares = torch.bincount(known, minlength=classes) / len(known)
        outputs.append(shares.clamp(min=1e-12).log().expand(len(targets), -1))
        weights = losses.balanced_weights(known, classes) if balanced else None
    costs = losses.build(loss, problem, weights=weights)
    return min(float(costs(guess, targets)) for guess in outputs)
