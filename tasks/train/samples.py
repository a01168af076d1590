"""A contact sheet of training images as they are and as the first step sees them: is the variation one that may be?"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tasks.core.home import write_atomically
from tasks.report.images import image_grid
from tasks.train.batches import bounds
from tasks.train.loop import Job
from tasks.train.stepping import batch_of, vary

FILE = "varied_images.svg"
COLUMNS = 10
MOST = 30


def contact_sheet(job: Job) -> Path | None:
    """Write it into the job's folder and give the file; None where nothing is varied.

    Rows of images of the first batch (their first channel) take turns with the same images varied. The draws are
    those of the first step, from generators of their own: the training draws what it would have drawn.
    """
    varying = vary(job)
    if varying is None:
        return None
    step = batch_of(job, 1, 1)
    _, end = bounds(len(step), job.training.batch_size)[0]
    before, _ = job.train.take(step[:end].to(job.train.device))
    after = varying(before, 0, 0)
    pairs = [images[:MOST, 0].cpu().numpy() for images in (before, after)]
    shown, labels = [], []
    for start in range(0, len(pairs[0]), COLUMNS):
        for images, label in zip(pairs, ("as it is", "varied"), strict=True):
            row = images[start : start + COLUMNS]
            shown.append(np.concatenate([row, np.zeros((COLUMNS - len(row), *row.shape[1:]), row.dtype)]))
            labels += [label] * len(row) + [""] * (COLUMNS - len(row))
    path = job.folder / FILE
    write_atomically(path, image_grid(np.concatenate(shown), labels, columns=COLUMNS))
    return path
