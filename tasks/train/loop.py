"""The training loop: epochs of shuffled batches, the best weights by validation loss, resumable at every epoch.

Every random draw is a pure function of the seed, the epoch and the step, so an attempt that was killed continues
from its last checkpoint to the same bits (on a CPU, with the same number of threads). Nothing waits for
the device inside an epoch: losses are summed where they are computed and read once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from tasks.core.seeds import derive, seed_everything
from tasks.optim import losses, optimizers, schedules
from tasks.train import averaging, checkpoints
from tasks.train.batches import Rows, batches, bounds, groups, shuffled
from tasks.train.checkpoints import Progress, Weights
from tasks.train.choice import Choose, choose
from tasks.train.device import autocast_type, threads_for
from tasks.train.steps import Form, Parts, Step, Vary, autocast, rates_on_device
from tasks.transforms.augment import augmented

if TYPE_CHECKING:
    from tasks.core.preprocessing import Augment
    from tasks.core.recipe import Problem
    from tasks.core.training import Training

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
    choose: Choose = choose
    """How its steps are carried out."""


@dataclass(frozen=True)
class Fitted:
    """The result of a training; `network` holds the best weights."""

    progress: Progress
    weights_sha256: str
    form: Form
    """How its steps were carried out."""


@dataclass(frozen=True)
class _Parts:
    form: Form
    step: Step
    validation_loss: losses.Loss
    optimizer: torch.optim.Optimizer
    mean: Weights
    """The running mean of the weights; empty where the recipe asks for none."""
    deadline: float


def fit(job: Job, callbacks: Sequence[Callback] = ()) -> Fitted:
    """Train, or continue a training that was interrupted, and write the best weights and the history."""
    with threads_for(job.train.device, job.step_bytes):
        return _fit(job, callbacks)


def _fit(job: Job, callbacks: Sequence[Callback]) -> Fitted:
    optimizer = optimizers.build(job.network.parameters(), job.training.optimizer, job.train.device)
    if job.train.device.type == "cuda":
        rates_on_device(optimizer, job.train.device)
    progress, best, mean = checkpoints.restore(job.folder, job.network, optimizer) or (Progress(), {}, {})
    if job.training.ema is not None and progress.epoch == 0:
        mean = checkpoints.snapshot(job.network)
    parts = _parts(job, optimizer, mean, progress)
    saved = time.monotonic()
    while progress.stopped is None:
        best = _epoch(job, parts, progress) or best
        for callback in callbacks:
            callback(progress)
        if progress.stopped is None and time.monotonic() - saved >= job.checkpoint_seconds:
            checkpoints.save_checkpoint(job.folder, job.network, best, mean, optimizer, progress)
            saved = time.monotonic()
    digest = checkpoints.finish(job.folder, best, progress)
    job.network.load_state_dict(best)
    return Fitted(progress, digest, parts.form)


def _epoch(job: Job, parts: _Parts, progress: Progress) -> Weights | None:
    """One epoch and its validation; gives the weights if they are the best so far."""
    started = time.monotonic()
    seed_everything(derive(job.training.seed, "epoch", progress.epoch))
    train_loss, timed_out = _train(job, parts, progress)
    with averaging.holding(job.network, parts.mean):
        validation_loss, metrics = _validate(job, parts)
    progress.epoch += 1
    progress.seconds += time.monotonic() - started
    progress.history.append(
        {
            "epoch": progress.epoch,
            "train_loss": _finite(train_loss),
            "validation_loss": _finite(validation_loss),
            "metrics": metrics,
            "learning_rate": float(parts.optimizer.param_groups[0]["lr"]),
            "seconds": round(time.monotonic() - started, 4),
        }
    )
    better = math.isfinite(validation_loss) and (progress.best_loss is None or validation_loss < progress.best_loss)
    if better:
        progress.best_loss, progress.best_epoch = validation_loss, progress.epoch
    broken = not (math.isfinite(train_loss) and math.isfinite(validation_loss))
    progress.stopped = _reason_to_stop(job.training, progress, timed_out, broken)
    # A training that was never finite still gives its weights, for the gate `finite` to refuse.
    if not better and progress.best_loss is not None:
        return None
    with averaging.holding(job.network, parts.mean):
        return checkpoints.snapshot(job.network)


def _train(job: Job, parts: _Parts, progress: Progress) -> tuple[float, bool]:
    """One pass over the training rows: mean loss of a row, and whether the time ran out on the way."""
    job.network.train()
    training, device = job.training, job.train.device
    order = shuffled(len(job.train), training.seed, progress.epoch, device)
    steps = _steps(job)
    factor = schedules.build(training.schedule, [row["validation_loss"] for row in progress.history])
    total, seen = torch.zeros((), device=device), 0
    timed_out = False
    for number, (start, end) in enumerate(steps):
        taken = progress.epoch * len(steps) + number
        rate = training.optimizer.lr * factor(taken, training.epochs * len(steps))
        total += parts.step(order[start:end], rate, taken) * (end - start)
        if training.ema is not None:
            averaging.update(parts.mean, job.network, training.ema, taken)
        seen = end
        if time.monotonic() > parts.deadline:
            timed_out = True
            break
    return float(total) / seen, timed_out


def _validate(job: Job, parts: _Parts) -> tuple[float, dict[str, float]]:
    """Validation loss and, for classification, accuracy, in evaluation mode."""
    job.network.eval()
    order = torch.arange(len(job.validation), device=job.validation.device)
    with torch.inference_mode(), autocast(job.train.device, _precision(job)):
        outputs = torch.cat([job.network(inputs).float() for inputs, _ in batches(job.validation, 1024, order)])
    targets = job.validation.targets
    loss = float(parts.validation_loss(outputs, targets))
    if job.problem == "regression":
        return loss, {}
    return loss, {"accuracy": float((outputs.argmax(dim=1) == targets).float().mean())}


def _precision(job: Job) -> torch.dtype | None:
    return autocast_type(job.training.precision, job.train.device)


def _steps(job: Job) -> list[tuple[int, int]]:
    """First row and end of each step of an epoch; a step takes `training.accumulate` batches."""
    taken = groups(bounds(len(job.train), job.training.batch_size), job.training.accumulate)
    return [(group[0][0], group[-1][1]) for group in taken]


def _parts(job: Job, optimizer: torch.optim.Optimizer, mean: Weights, progress: Progress) -> _Parts:
    training, steps = job.training, _steps(job)
    count = len(steps) * (training.epochs - progress.epoch)
    form, step = job.choose(step_parts(job, optimizer), steps[0][1], count, progress.form)
    progress.form = form
    return _Parts(
        form=form,
        step=step,
        validation_loss=losses.build(training.loss, job.problem, weights=_class_weights(job)),
        optimizer=optimizer,
        mean=mean,
        deadline=time.monotonic() + training.timeout_minutes * 60 - progress.seconds,
    )


def step_parts(job: Job, optimizer: torch.optim.Optimizer) -> Parts:
    """What each step of the training works with."""
    training = job.training
    return Parts(
        job.network,
        losses.build(training.loss, job.problem, smoothing=training.label_smoothing, weights=_class_weights(job)),
        optimizer,
        job.train,
        training.batch_size,
        precision=_precision(job),
        l1=training.l1,
        clip=training.gradient_clip,
        vary=_vary(job),
    )


def _class_weights(job: Job) -> torch.Tensor | None:
    if job.training.class_weights == "balanced" and job.problem == "classification":
        return losses.balanced_weights(job.train.targets, job.output_size)
    return None


def _vary(job: Job) -> Vary | None:
    """How the inputs of a batch are varied; None: not at all."""
    if job.augment is None:
        return None
    settings, seed = job.augment, job.training.seed
    return lambda inputs, step, part: augmented(inputs, settings, seed, step, part)


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
