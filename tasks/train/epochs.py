"""What an epoch came to: its validation, its row of the history, whether it is the best, and whether it is the last."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tasks.optim.losses import Loss
from tasks.train import averaging, checkpoints, recorded, spoiled
from tasks.train.batches import batches
from tasks.train.checkpoints import Progress, State
from tasks.train.stepping import precision
from tasks.train.steps import autocast

if TYPE_CHECKING:
    from tasks.core.contracts import Stopped
    from tasks.core.training import Training
    from tasks.train.loop import Job


@dataclass(frozen=True)
class Passed:
    """What a pass over the training rows came to."""

    loss: float
    """Mean of a row."""
    steps: int
    timed_out: bool
    spoiled: int | None
    """First step, from 1, whose loss is not finite."""
    statistics: dict[str, float | None]
    """Of the last step (`tasks/train/norms.py`); empty where the pass ended before it."""


def conclude(job: Job, state: State, passed: Passed, loss: Loss, began: float, rate: float) -> None:
    """Validate, enter the epoch into the progress, keep its weights if they are the best so far, say if it is the last.

    Args:
        job: Whose network was trained.
        state: Of the training; its parts that belong to the epoch begin anew.
        passed: What the pass over the training rows came to.
        loss: Of the validation rows.
        began: When the epoch began, by `time.monotonic`.
        rate: Learning rate of its last step.
    """
    with averaging.holding(job.network, state.mean):
        validation_loss, metrics = validate(job, loss)
    progress = state.progress
    seconds = time.monotonic() - began
    progress.seconds += seconds
    progress.step, progress.under_way, state.losses, state.drawn = 0, 0.0, recorded.Losses(), None
    progress.epoch += 1
    progress.history.append(
        {
            "epoch": progress.epoch,
            "train_loss": _finite(passed.loss),
            "validation_loss": _finite(validation_loss),
            "metrics": metrics,
            "learning_rate": rate,
            "seconds": round(seconds, 4),
            "statistics": passed.statistics,
        }
    )
    better = math.isfinite(validation_loss) and (progress.best_loss is None or validation_loss < progress.best_loss)
    if better:
        progress.best_loss, progress.best_epoch = validation_loss, progress.epoch
    if not (math.isfinite(passed.loss) and math.isfinite(validation_loss)):
        step = passed.spoiled or spoiled.updated_by(job.network, passed.steps)
        progress.not_finite = {"epoch": progress.epoch, "step": step}
    progress.stopped = _reason_to_stop(job.training, progress, passed.timed_out)
    # A training that was never finite still gives its weights, for the gate `finite` to refuse.
    if better or progress.best_loss is None:
        with averaging.holding(job.network, state.mean):
            state.best = checkpoints.snapshot(job.network)


def validate(job: Job, loss: Loss) -> tuple[float, dict[str, float]]:
    """Validation loss and, for classification, accuracy, in evaluation mode."""
    job.network.eval()
    order = torch.arange(len(job.validation), device=job.validation.device)
    if job.validation.reproduced:
        return _reproduced(job, loss, order), {}
    with torch.inference_mode(), autocast(job.train.device, precision(job)):
        outputs = torch.cat([job.network(inputs).float() for inputs, _ in batches(job.validation, 1024, order)])
    targets = job.validation.targets
    value = float(loss(outputs, targets))
    if job.problem != "classification":
        return value, {}
    return value, {"accuracy": float((outputs.argmax(dim=1) == targets).float().mean())}


def _reproduced(job: Job, loss: Loss, order: torch.Tensor) -> float:
    """Loss of the inputs given back, batch by batch: all reconstructions at once may not fit in memory."""
    total = torch.zeros((), device=job.validation.device)
    with torch.inference_mode(), autocast(job.train.device, precision(job)):
        for inputs, wanted in batches(job.validation, 1024, order):
            total += loss(job.network(inputs).float(), wanted) * len(inputs)
    return float(total) / len(job.validation)


def _reason_to_stop(training: Training, progress: Progress, timed_out: bool) -> Stopped | None:
    if progress.not_finite is not None:
        # It cannot recover: the weights are not finite either, or are where they give such outputs.
        return "not_finite"
    if timed_out:
        return "timeout"
    stopping = training.early_stopping
    if stopping is not None and progress.epoch - progress.best_epoch >= stopping.patience:
        return "early_stopping"
    return "epochs" if progress.epoch >= training.epochs else None


def _finite(value: float) -> float | None:
    """The value as JSON can hold it."""
    return value if math.isfinite(value) else None
