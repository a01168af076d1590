"""A learning rate to begin with, by the range test: steps at ever higher rates, and where the loss fell fastest.

Smith, "Cyclical learning rates for training neural networks" (2017), section 3.3; choosing the steepest fall of the
smoothed loss over the logarithm of the rate follows fastai. Nothing of the trial is left in the network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.core.errors import RequestError
from tasks.core.seeds import derive, seed_everything
from tasks.optim import optimizers
from tasks.train import steps
from tasks.train.device import threads_for
from tasks.train.loop import Job
from tasks.train.stepping import batch_of, step_parts, steps_of
from tasks.train.undo import undone

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 120
"""Rates of the first and the last step, and how many steps lie between, evenly by their logarithm."""
KEPT = 0.85
"""Part of the running mean of the losses that each step keeps."""
BROKEN = 4.0
"""Times the lowest smoothed loss from which no higher rate is tried."""


@dataclass(frozen=True)
class Rate:
    """What the range test found."""

    suggested: float
    """Where the smoothed loss fell fastest, to two digits."""
    lowest_loss_at: float
    """Where it was lowest: above that, steps are too long."""
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Smoothed, one for each rate that was tried."""


def find_rate(job: Job) -> Rate:
    """Try rates on the job's own network and rows; its weights and the random numbers are afterwards what they were.

    Raises:
        RequestError: at no rate does the loss fall.
    """
    optimizer = optimizers.build(job.network.parameters(), job.training.optimizer, job.train.device)
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    losses: list[float] = []
    with threads_for(job.train.device, job.step_bytes), undone(job.network, optimizer, job.train.device):
        seed_everything(derive(job.training.seed, "range test"))
        job.network.train()
        step, count = steps.eager(step_parts(job, optimizer)), len(steps_of(job))
        for number, rate in enumerate(rates):
            epoch, at = divmod(number, count)
            index = batch_of(job, epoch + 1, at + 1).to(job.train.device)
            losses.append(float(step(index, float(rate), number)))
            if _is_broken(losses):
                break
    return steepest(rates[: len(losses)].tolist(), losses)


def steepest(rates: Sequence[float], losses: Sequence[float]) -> Rate:
    """Where the smoothed loss falls fastest over the logarithm of the rate, before its lowest point.

    Args:
        rates: Rising, evenly by their logarithm.
        losses: Of one step each; those from the first one that is not finite on are left out.

    Raises:
        RequestError: the loss does not fall.
    """
    finite = next((at for at, loss in enumerate(losses) if not math.isfinite(loss)), len(losses))
    smooth = smoothed(losses[:finite])
    lowest = int(np.argmin(smooth)) if smooth else 0
    if lowest < 2:
        raise RequestError(
            f"The loss falls at no learning rate between {LOWEST:g} and {HIGHEST:g}.",
            remedy="Look at the gates of the preflight first: `evergreen run RECIPE --until preflight`.",
        )
    slopes = np.gradient(np.array(smooth[: lowest + 1]), np.log(rates[: lowest + 1]))
    found = rates[int(np.argmin(slopes))]
    return Rate(float(f"{found:.1e}"), float(f"{rates[lowest]:.1e}"), tuple(rates[:finite]), tuple(smooth))


def smoothed(losses: Sequence[float]) -> list[float]:
    """The running mean that keeps `KEPT`, freed of its start at 0 (as Adam's moments are)."""
    mean, found = 0.0, []
    for number, loss in enumerate(losses, 1):
        mean = KEPT * mean + (1 - KEPT) * loss
        found.append(mean / (1 - KEPT**number))
    return found


def _is_broken(losses: Sequence[float]) -> bool:
    if not math.isfinite(losses[-1]):
        return True
    smooth = smoothed(losses)
    return smooth[-1] > BROKEN * abs(min(smooth))
