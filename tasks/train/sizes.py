"""How many rows a batch may have: powers of two that fit in memory, and how fast each goes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from tasks.optim import optimizers
from tasks.train import steps
from tasks.train.device import free_bytes, threads_for
from tasks.train.loop import Job
from tasks.train.memory import Need, need
from tasks.train.stepping import step_parts
from tasks.train.undo import undone

FIRST = 8
ALLOWED = 0.9
"""Part of the free memory that a step may take, as the gate `fits_in_memory` has it."""
ENOUGH = 0.9
"""Part of the highest speed that is enough: a larger batch would win little and give fewer steps."""
STEPS_PER_EPOCH = 10
"""A batch that leaves an epoch fewer steps than this is not suggested."""
TRIED, LONGEST = 5, 2.0
"""Steps by which a size is timed; a step of more seconds ends the trial."""


@dataclass(frozen=True)
class Size:
    """One size of a batch."""

    rows: int
    bytes: int
    """Of a step: weights, gradients, optimizer and activations, as `tasks/train/memory.py` counts them."""
    rows_per_second: float


@dataclass(frozen=True)
class Sizes:
    """What was tried."""

    suggested: int
    """The smallest size of those that are fast enough."""
    largest: int
    """The largest power of two whose step fits in memory, with no more rows than there are."""
    tried: tuple[Size, ...]


def find_size(job: Job, make: Callable[[], nn.Module]) -> Sizes:
    """Time a training step at each size that fits; network and random numbers are afterwards what they were.

    Args:
        job: Whose network, rows and settings are used.
        make: A fresh network like the job's, for counting its memory.
    """
    device = job.train.device
    optimizer = optimizers.build(job.network.parameters(), job.training.optimizer, device)
    tried: list[Size] = []
    with undone(job.network, optimizer, device):
        sizes = fitting(job, make, int(ALLOWED * free_bytes(device)))
        job.network.train()
        for rows, needed in sizes:
            with threads_for(device, needed.activations):
                seconds = _seconds(job, optimizer, rows)
            tried.append(Size(rows, needed.total, rows / seconds))
            if seconds > LONGEST:
                break
    return Sizes(suggested(tried, len(job.train)), sizes[-1][0], tuple(tried))


def fitting(job: Job, make: Callable[[], nn.Module], allowed: int) -> list[tuple[int, Need]]:
    """Powers of two from `FIRST` up to the number of training rows whose step takes at most `allowed` bytes."""
    found: list[tuple[int, Need]] = []
    rows = FIRST
    while rows <= max(len(job.train), FIRST):
        needed = need(
            make,
            tuple(job.train.inputs.shape[1:]),
            rows,
            job.training.optimizer.kind,
            averaged=job.training.ema is not None,
        )
        if found and needed.total > allowed:
            break
        found.append((rows, needed))
        rows *= 2
    return found


def suggested(tried: Sequence[Size], rows: int) -> int:
    """The smallest size that reaches `ENOUGH` of the highest speed, of those that leave an epoch enough steps."""
    small = [size for size in tried if rows / size.rows >= STEPS_PER_EPOCH] or list(tried[:1])
    best = max(size.rows_per_second for size in small)
    return next(size.rows for size in small if size.rows_per_second >= ENOUGH * best)


def _seconds(job: Job, optimizer: torch.optim.Optimizer, rows: int) -> float:
    """Median seconds of a step of one batch of so many rows that changes no weight, the device's work included."""
    device = job.train.device
    step = steps.eager(step_parts(job, optimizer, batch_size=rows))
    index = torch.arange(min(rows, len(job.train)), device=device)
    taken = []
    for _ in range(TRIED + 1):
        began = time.perf_counter()
        float(step(index, 0.0))
        taken.append(time.perf_counter() - began)
        if taken[-1] > LONGEST:
            break
    return statistics.median(taken[1:] or taken)
