"""The training loop: epochs of shuffled batches, the best weights by validation loss, resumable at every epoch.

Every random draw is a pure function of the seed, the epoch and the step, so an attempt that was killed continues
from its last checkpoint to the same bits (on a CPU, with the same number of threads). Nothing waits for
the device inside an epoch: losses are summed where they are computed and read once.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tasks.core.preprocessing import Augment
from tasks.core.recipe import Problem, Training
from tasks.core.seeds import derive, seed_everything
from tasks.optim import losses, optimizers, schedules
from tasks.train import checkpoints
from tasks.train.batches import Rows, batches, bounds, shuffled
from tasks.train.checkpoints import Progress, Weights
from tasks.train.device import autocast_type, threads_for
from tasks.transforms.augment import augmented

Callback = Callable[[Progress], None]
"""Called after each epoch; `progress.history[-1]` is the epoch's row."""


@dataclass(frozen=True)
class Job:
    """What the loop works on."""

    network: nn.Module
    """On the device, with its initial weights."""
    train: Rows
    validation: Rows
    problem: Problem
    output_size: int
    training: Training
    folder: Path
    """Checkpoints, weights and history go here."""
    step_bytes: int = 0
    """Memory of the activations of one step; decides by how many threads it is computed."""
    augment: Augment | None = None
    """How images are varied in training batches; none: not at all."""
    checkpoint_seconds: float = 1.0
    """Least time between two checkpoints: a crash costs at most this and an epoch."""


@dataclass(frozen=True)
class Fitted:
    """The result of a training; `network` holds the best weights."""

    progress: Progress
    weights_sha256: str


@dataclass(frozen=True)
class _Parts:
    loss: losses.Loss
    validation_loss: losses.Loss
    optimizer: torch.optim.Optimizer
    factor: schedules.Factor
    deadline: float


def fit(job: Job, callbacks: Sequence[Callback] = ()) -> Fitted:
    """Train, or continue a training that was interrupted, and write the best weights and the history."""
    with threads_for(job.train.device, job.step_bytes):
        return _fit(job, callbacks)


def _fit(job: Job, callbacks: Sequence[Callback]) -> Fitted:
    optimizer = optimizers.build(job.network.parameters(), job.training.optimizer, job.train.device)
    progress, best = checkpoints.restore(job.folder, job.network, optimizer) or (Progress(), {})
    parts = _parts(job, optimizer, progress)
    saved = time.monotonic()
    while progress.stopped is None:
        best = _epoch(job, parts, progress) or best
        for callback in callbacks:
            callback(progress)
        if progress.stopped is None and time.monotonic() - saved >= job.checkpoint_seconds:
            checkpoints.save_checkpoint(job.folder, job.network, best, optimizer, progress)
            saved = time.monotonic()
    digest = checkpoints.finish(job.folder, best, progress)
    job.network.load_state_dict(best)
    return Fitted(progress, digest)


def _epoch(job: Job, parts: _Parts, progress: Progress) -> Weights | None:
    """One epoch and its validation; gives the weights if they are the best so far."""
    started = time.monotonic()
    seed_everything(derive(job.training.seed, "epoch", progress.epoch))
    train_loss, timed_out = _train(job, parts, progress.epoch)
    validation_loss, metrics = _validate(job, parts)
    progress.epoch += 1
    progress.seconds += time.monotonic() - started
    progress.history.append(
        {
            "epoch": progress.epoch,
            "train_loss": _finite(train_loss),
            "validation_loss": _finite(validation_loss),
            "metrics": metrics,
            "learning_rate": parts.optimizer.param_groups[0]["lr"],
            "seconds": round(time.monotonic() - started, 4),
        }
    )
    better = math.isfinite(validation_loss) and (progress.best_loss is None or validation_loss < progress.best_loss)
    if better:
        progress.best_loss, progress.best_epoch = validation_loss, progress.epoch
    broken = not (math.isfinite(train_loss) and math.isfinite(validation_loss))
    progress.stopped = _reason_to_stop(job.training, progress, timed_out, broken)
    # A training that was never finite still gives its weights, for the gate `finite` to refuse.
    return checkpoints.snapshot(job.network) if better or progress.best_loss is None else None


def _train(job: Job, parts: _Parts, epoch: int) -> tuple[float, bool]:
    """One pass over the training rows: mean loss of a row, and whether the time ran out on the way."""
    job.network.train()
    rows, size, device = len(job.train), job.training.batch_size, job.train.device
    steps = len(bounds(rows, size))
    total, seen = torch.zeros((), device=device), 0
    timed_out = False
    for step, (inputs, targets) in enumerate(
        batches(job.train, size, shuffled(rows, job.training.seed, epoch, device))
    ):
        factor = parts.factor(epoch * steps + step, job.training.epochs * steps)
        for group in parts.optimizer.param_groups:
            group["lr"] = job.training.optimizer.lr * factor
        parts.optimizer.zero_grad(set_to_none=True)
        if job.augment is not None:
            inputs = augmented(inputs, job.augment, job.training.seed, epoch, step)
        with precision(job):
            outputs = job.network(inputs)
        loss = parts.loss(outputs.float(), targets)
        loss.backward()
        if job.training.gradient_clip is not None:
            nn.utils.clip_grad_norm_(job.network.parameters(), job.training.gradient_clip)
        parts.optimizer.step()
        total += loss.detach() * len(targets)
        seen += len(targets)
        if time.monotonic() > parts.deadline:
            timed_out = True
            break
    return float(total) / seen, timed_out


def _validate(job: Job, parts: _Parts) -> tuple[float, dict[str, float]]:
    """Validation loss and, for classification, accuracy, in evaluation mode."""
    job.network.eval()
    order = torch.arange(len(job.validation), device=job.validation.device)
    with torch.inference_mode(), precision(job):
        outputs = torch.cat([job.network(inputs).float() for inputs, _ in batches(job.validation, 1024, order)])
    targets = job.validation.targets
    loss = float(parts.validation_loss(outputs, targets))
    if job.problem == "regression":
        return loss, {}
    return loss, {"accuracy": float((outputs.argmax(dim=1) == targets).float().mean())}


def precision(job: Job) -> contextlib.AbstractContextManager[Any]:
    """Autocast as the recipe asks for it, or nothing."""
    kind = autocast_type(job.training.precision, job.train.device)
    return torch.autocast(job.train.device.type, dtype=kind) if kind is not None else contextlib.nullcontext()


def _parts(job: Job, optimizer: torch.optim.Optimizer, progress: Progress) -> _Parts:
    training = job.training
    weights = None
    if training.class_weights == "balanced" and job.problem == "classification":
        weights = losses.balanced_weights(job.train.targets, job.output_size)
    return _Parts(
        loss=losses.build(training.loss, job.problem, smoothing=training.label_smoothing, weights=weights),
        validation_loss=losses.build(training.loss, job.problem, weights=weights),
        optimizer=optimizer,
        factor=schedules.build(training.schedule),
        deadline=time.monotonic() + training.timeout_minutes * 60 - progress.seconds,
    )


def _reason_to_stop(training: Training, progress: Progress, timed_out: bool, broken: bool) -> Any:
    if timed_out:
        return "timeout"
    stopping = training.early_stopping
    # A loss that is no longer finite cannot recover: it is the hardest form of not improving.
    if broken or (stopping is not None and progress.epoch - progress.best_epoch >= stopping.patience):
        return "early_stopping"
    return "epochs" if progress.epoch >= training.epochs else None


def _finite(value: float) -> float | None:
    """The value as JSON can hold it."""
    return value if math.isfinite(value) else None
