"""The training loop: epochs of shuffled batches, the best weights by validation loss, resumable at any step.

Every random draw is a pure function of the seed, the epoch and the step: generators are seeded where an epoch begins,
and a checkpoint within one says where they stand. So an attempt that was killed continues from its last checkpoint
to the same bits (on a CPU, with the same number of threads). Nothing waits for the device inside an epoch but a
checkpoint: losses are kept where they are computed, and read there or at the end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from tasks.core.seeds import derive, seed_everything
from tasks.optim import losses, optimizers, schedules
from tasks.train import averaging, checkpoints, generators, norms, recorded, spoiled
from tasks.train.batches import Rows, batches, bounds, groups, shuffled
from tasks.train.checkpoints import Progress, State, Weights
from tasks.train.device import autocast_type, threads_for
from tasks.train.pace import Pace
from tasks.train.steps import Form, Parts, Step, Vary, autocast, choose, rates_on_device
from tasks.transforms.augment import augmented

if TYPE_CHECKING:
    from tasks.core.contracts import Stopped
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
    """Least time between two checkpoints, within an epoch as well: a crash costs about this. 0: one after each step."""


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
    pace: Pace


@dataclass(frozen=True)
class _Passed:
    """What a pass over the training rows came to."""

    loss: float
    """Mean of a row."""
    steps: int
    timed_out: bool
    spoiled: int | None
    """First step, from 1, whose loss is not finite."""
    statistics: dict[str, float | None]
    """Of the last step (`tasks/train/norms.py`); empty where the pass ended before it."""


def fit(job: Job, callbacks: Sequence[Callback] = ()) -> Fitted:
    """Train, or continue a training that was interrupted, and write the best weights and the history."""
    with threads_for(job.train.device, job.step_bytes):
        return _fit(job, callbacks)


def _fit(job: Job, callbacks: Sequence[Callback]) -> Fitted:
    optimizer = optimizers.build(job.network.parameters(), job.training.optimizer, job.train.device)
    if job.train.device.type == "cuda":
        rates_on_device(optimizer, job.train.device)
    state = checkpoints.restore(job.folder, job.network, optimizer) or State()
    progress = state.progress
    if job.training.ema is not None and not (progress.epoch or progress.step):
        state.mean = checkpoints.snapshot(job.network)
    parts = _parts(job, optimizer, progress)
    while progress.stopped is None:
        _epoch(job, parts, state)
        for callback in callbacks:
            callback(progress)
        if progress.stopped is None and parts.pace.saves:
            with parts.pace.saving():
                checkpoints.save_checkpoint(job.folder, job.network, optimizer, state)
    digest = checkpoints.finish(job.folder, state.best, progress)
    job.network.load_state_dict(state.best)
    return Fitted(progress, digest, parts.form)


def _epoch(job: Job, parts: _Parts, state: State) -> None:
    """One epoch, or what is left of it, and its validation; keeps the weights if they are the best so far."""
    progress = state.progress
    began = time.monotonic() - progress.under_way
    seed_everything(derive(job.training.seed, "epoch", progress.epoch))
    if state.drawn is not None:
        generators.go_on(state.drawn, job.train.device)
    passed = _train(job, parts, state, began)
    with averaging.holding(job.network, state.mean):
        validation_loss, metrics = _validate(job, parts)
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
            "learning_rate": float(parts.optimizer.param_groups[0]["lr"]),
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


def _train(job: Job, parts: _Parts, state: State, began: float) -> _Passed:
    """What is left of a pass over the training rows; ends early where the time is up, or a loss is seen not to be finite."""
    job.network.train()
    training, device, progress = job.training, job.train.device, state.progress
    order = shuffled(len(job.train), training.seed, progress.epoch, device)
    steps = steps_of(job)
    factor = schedules.build(training.schedule, [row["validation_loss"] for row in progress.history])
    timed_out = False
    before: list[torch.Tensor] = []
    for start, end in steps[progress.step :]:
        if progress.step == len(steps) - 1:
            before = norms.weights_now(job.network)
        taken = progress.epoch * len(steps) + progress.step
        rate = training.optimizer.lr * factor(taken, training.epochs * len(steps))
        state.losses.add(parts.step(order[start:end], rate, taken))
        if training.ema is not None:
            averaging.update(state.mean, job.network, training.ema, taken)
        progress.step += 1
        if time.monotonic() >= parts.pace.due:
            timed_out = parts.pace.is_over
            if timed_out or progress.step == len(steps) or spoiled.first(state.losses.read()):
                break
            _save(job, parts, state, began)
    sizes = norms.norms(job.network, before) if before else None
    values = state.losses.read()
    mean = recorded.mean(values, [end - start for start, end in steps[: progress.step]])
    return _Passed(mean, progress.step, timed_out, spoiled.first(values), norms.told(sizes))


def _save(job: Job, parts: _Parts, state: State, began: float) -> None:
    """A checkpoint within an epoch that `began` then."""
    with parts.pace.saving():
        state.progress.under_way = time.monotonic() - began
        state.drawn = generators.drawn(job.train.device)
        checkpoints.save_checkpoint(job.folder, job.network, parts.optimizer, state)


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


def batch_of(job: Job, epoch: int, step: int) -> torch.Tensor:
    """Positions among the training rows of those in a step, int64 [rows]; `epoch` and `step` count from 1.

    Nothing was kept for it: orders are functions of seed and epoch.
    """
    start, end = steps_of(job)[step - 1]
    return shuffled(len(job.train), job.training.seed, epoch - 1, torch.device("cpu"))[start:end]


def _precision(job: Job) -> torch.dtype | None:
    return autocast_type(job.training.precision, job.train.device)


def steps_of(job: Job) -> list[tuple[int, int]]:
    """First row and end of each step of an epoch; a step takes `training.accumulate` batches."""
    taken = groups(bounds(len(job.train), job.training.batch_size), job.training.accumulate)
    return [(group[0][0], group[-1][1]) for group in taken]


def _parts(job: Job, optimizer: torch.optim.Optimizer, progress: Progress) -> _Parts:
    training = job.training
    form, step = choose(
        step_parts(job, optimizer),
        size=steps_of(job)[0][1],
        count=len(steps_of(job)) * (training.epochs - progress.epoch),
    )
    return _Parts(
        form=form,
        step=step,
        validation_loss=losses.build(training.loss, job.problem, weights=_class_weights(job)),
        optimizer=optimizer,
        pace=Pace(
            job.checkpoint_seconds,
            time.monotonic() + training.timeout_minutes * 60 - progress.seconds - progress.under_way,
        ),
    )


def step_parts(job: Job, optimizer: torch.optim.Optimizer, batch_size: int | None = None) -> Parts:
    """What a step of the job works with; by other batches than the recipe's where asked."""
    training = job.training
    weights = _class_weights(job)
    return Parts(
        job.network,
        losses.build(training.loss, job.problem, smoothing=training.label_smoothing, weights=weights),
        optimizer,
        job.train,
        batch_size or training.batch_size,
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
