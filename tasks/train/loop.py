"""The training loop: epochs of shuffled batches, the best weights by validation loss, resumable at any step.

Every random draw is a pure function of the seed, the epoch and the step: generators are seeded where an epoch begins,
and a checkpoint within one says where they stand. So an attempt that was killed continues from its last checkpoint
to the same bits (on a CPU, with the same number of threads). Nothing waits for the device inside an epoch but a
checkpoint: losses are kept where they are computed, and read there or at the end.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from tasks.core.seeds import derive, seed_everything
from tasks.optim import losses, optimizers, schedules
from tasks.train import averaging, checkpoints, generators, norms, recorded, spoiled
from tasks.train.batches import Rows, shuffled
from tasks.train.callbacks import Callback, after_epoch, at_checkpoint, at_end
from tasks.train.checkpoints import Progress, State
from tasks.train.choice import Choose, choose
from tasks.train.device import threads_for
from tasks.train.epochs import Passed, conclude
from tasks.train.pace import Pace
from tasks.train.stepping import class_weights, step_parts, steps_of
from tasks.train.steps import Form, Step, rates_on_device

if TYPE_CHECKING:
    from tasks.core.preprocessing import Augment
    from tasks.core.recipe import Problem
    from tasks.core.training import Training


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
    pace: Pace


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
        _epoch(job, parts, state, callbacks)
        after_epoch(callbacks, progress, job.network)
        keep(job, state)
        if progress.stopped is None and parts.pace.saves:
            with parts.pace.saving():
                checkpoints.save_checkpoint(job.folder, job.network, optimizer, state)
    digest = checkpoints.finish(job.folder, state.best, progress)
    job.network.load_state_dict(state.best)
    at_end(callbacks, progress, job.network)
    return Fitted(progress, digest, parts.form)


def keep(job: Job, state: State) -> None:
    """The weights of every so manieth epoch in a file of their own, as they were validated."""
    every, epoch = job.training.keep_every, state.progress.epoch
    if every is not None and epoch % every == 0:
        with averaging.holding(job.network, state.mean):
            checkpoints.write_tensors(job.folder / checkpoints.KEPT.format(epoch), job.network.state_dict())


def _epoch(job: Job, parts: _Parts, state: State, callbacks: Sequence[Callback]) -> None:
    """One epoch, or what is left of it, and its validation; keeps the weights if they are the best so far."""
    progress = state.progress
    began = time.monotonic() - progress.under_way
    seed_everything(derive(job.training.seed, "epoch", progress.epoch))
    if state.drawn is not None:
        generators.go_on(state.drawn, job.train.device)
    passed = _train(job, parts, state, began, callbacks)
    conclude(job, state, passed, parts.validation_loss, began, float(parts.optimizer.param_groups[0]["lr"]))


def _train(job: Job, parts: _Parts, state: State, began: float, callbacks: Sequence[Callback]) -> Passed:
    """What is left of a pass over the training rows; ends early where time is up or a loss is no number."""
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
            at_checkpoint(callbacks, progress, len(steps))
    sizes = norms.norms(job.network, before) if before else None
    values = state.losses.read()
    mean = recorded.mean(values, [end - start for start, end in steps[: progress.step]])
    return Passed(mean, progress.step, timed_out, spoiled.first(values), norms.told(sizes))


def _save(job: Job, parts: _Parts, state: State, began: float) -> None:
    """A checkpoint within an epoch that `began` then."""
    with parts.pace.saving():
        state.progress.under_way = time.monotonic() - began
        state.drawn = generators.drawn(job.train.device)
        checkpoints.save_checkpoint(job.folder, job.network, parts.optimizer, state)


def _parts(job: Job, optimizer: torch.optim.Optimizer, progress: Progress) -> _Parts:
    training, steps = job.training, steps_of(job)
    count = len(steps) * (training.epochs - progress.epoch)
    form, step = job.choose(step_parts(job, optimizer), steps[0][1], count, progress.form)
    progress.form = form
    return _Parts(
        form=form,
        step=step,
        validation_loss=losses.build(training.loss, job.problem, weights=class_weights(job)),
        optimizer=optimizer,
        pace=Pace(
            job.checkpoint_seconds,
            time.monotonic() + training.timeout_minutes * 60 - progress.seconds - progress.under_way,
        ),
    )
