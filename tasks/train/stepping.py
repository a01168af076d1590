"""What the steps of a job are made of: which rows each takes, by which loss, in which precision, varied how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from tasks.optim import losses
from tasks.train.batches import bounds, groups, shuffled
from tasks.train.device import autocast_type
from tasks.train.steps import Parts, Vary
from tasks.transforms.augment import augmented

if TYPE_CHECKING:
    from tasks.train.loop import Job


def step_parts(job: Job, optimizer: torch.optim.Optimizer, batch_size: int | None = None) -> Parts:
    """What a step of the job works with; by other batches than the recipe's where asked."""
    training = job.training
    weights = class_weights(job)
    return Parts(
        job.network,
        losses.build(training.loss, job.problem, smoothing=training.label_smoothing, weights=weights),
        optimizer,
        job.train,
        batch_size or training.batch_size,
        precision=precision(job),
        l1=training.l1,
        clip=training.gradient_clip,
        vary=vary(job),
    )


def class_weights(job: Job) -> torch.Tensor | None:
    """float32 [classes] by which the recipe weighs classes; None: all alike."""
    if job.training.class_weights == "balanced" and job.problem == "classification":
        return losses.balanced_weights(job.train.targets, job.output_size)
    return None


def vary(job: Job) -> Vary | None:
    """How the inputs of a batch are varied; None: not at all."""
    if job.augment is None:
        return None
    settings, seed = job.augment, job.training.seed
    return lambda inputs, step, part: augmented(inputs, settings, seed, step, part)


def batch_of(job: Job, epoch: int, step: int) -> torch.Tensor:
    """Positions among the training rows of those in a step, int64 [rows]; `epoch` and `step` count from 1.

    Nothing was kept for it: orders are functions of seed and epoch.
    """
    start, end = steps_of(job)[step - 1]
    return shuffled(len(job.train), job.training.seed, epoch - 1, torch.device("cpu"))[start:end]


def precision(job: Job) -> torch.dtype | None:
    """What autocast computes in; None: float32."""
    return autocast_type(job.training.precision, job.train.device)


def steps_of(job: Job) -> list[tuple[int, int]]:
    """First row and end of each step of an epoch; a step takes `training.accumulate` batches."""
    taken = groups(bounds(len(job.train), job.training.batch_size), job.training.accumulate)
    return [(group[0][0], group[-1][1]) for group in taken]
