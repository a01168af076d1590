"""Pictures and words about anomaly scores: how they are spread, and what the least usual rows look like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from torch import nn

from tasks.evaluate.mistakes import worst_rows
from tasks.evaluate.score import Scored
from tasks.models.predict import forward
from tasks.report.histograms import histogram
from tasks.report.images import image_grid
from tasks.report.numbers import count, percent, show
from tasks.report.page import Figure

MOST_IMAGES = 16
"""Images shown beside their reconstructions."""
FAR = 3.0
"""Multiple of the median score from which a row is counted as far from the others."""


def score_figures(frame: pd.DataFrame) -> list[Figure]:
    """Histograms of the scores of validation and test rows; `frame` is a predictions frame of both."""
    found = []
    for split in ("test", "validation"):
        scores = frame["prediction"][frame["split"] == split].to_numpy(np.float64)
        if len(scores):
            picture = histogram(scores, "anomaly score", (430, 330))
            found.append(Figure(picture, f"Scores of the {split} rows", f"Histogram of the {split} rows' scores"))
    return found


def scores_in_words(frame: pd.DataFrame) -> list[str]:
    """How the scores of these rows are spread, in sentences without row values."""
    scores = frame["prediction"].to_numpy(np.float64)
    if not len(scores):
        return ["There is no row to learn from."]
    middle, upper = (float(np.quantile(scores, part)) for part in (0.5, 0.95))
    far = int((scores > FAR * middle).sum())
    return [
        f"Half of the rows have a score of at most {show(middle)}, 95 % of at most {show(upper)}.",
        f"{count(far, 'row')} ({percent(far / len(scores))}) {'has' if far == 1 else 'have'} a score more than {FAR:g} "
        "times the one in the middle.",
    ]


def pairs(network: nn.Module, inputs: Path, scored: Scored, device: str) -> np.ndarray:
    """The least usual test images and their reconstructions, first channel; float32 [2, n, H, W], the worst first.

    Args:
        network: An autoencoder of images.
        inputs: test_inputs.npy, [N, channels, H, W].
        scored: Of the test rows.
        device: "cpu" or "cuda".
    """
    worst = worst_rows(scored.of("test"), (), MOST_IMAGES)
    given = np.load(inputs, mmap_mode="r")[scored.places[worst.index]]
    again = forward(network, given, device).reshape(given.shape)
    return np.stack([given[:, 0], again[:, 0]])


def pairs_picture(images: np.ndarray, scores: np.ndarray) -> str:
    """Each image of `images` [2, n, H, W] beside its reconstruction, with its score [n], in one scale of grey."""
    side_by_side = images.swapaxes(0, 1).reshape(-1, *images.shape[2:])
    labels = [label for score in scores for label in (show(float(score)), "reproduced")]
    limits = (float(images[0].min()), float(images[0].max()))
    return image_grid(side_by_side, labels, columns=8, side=84, limits=limits)
