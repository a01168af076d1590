"""The simple alternatives of benchmarks/targets.py: scikit-learn on the columns and rows the network learns from.

Each takes the columns [N, D] and targets [N] to learn from and the columns [M, D] to answer for, and gives answers [M]
and, where it has them, the probabilities of its classes [M, C]; sorted labels are the classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC

Answers = tuple[npt.NDArray[Any], npt.NDArray[np.float64] | None]
Alternative = Callable[[pd.DataFrame, "pd.Series[Any]", pd.DataFrame], Answers]

PENALTIES = tuple(10.0**power for power in range(-2, 5))
"""What ridge regression chooses from, by leaving out one row at a time."""
CELL, DIRECTIONS, BLOCK = 4, 9, 2
"""Pixels of a cell's side, directions of a gradient, cells of a block's side."""


def svm(inputs: pd.DataFrame, targets: pd.Series[Any], asked: pd.DataFrame) -> Answers:
    """Support vectors with radial kernels on columns scaled to [0, 1]."""
    model = make_pipeline(MinMaxScaler(), SVC(C=10))
    return model.fit(inputs, targets).predict(asked), None


def hog_svm(inputs: pd.DataFrame, targets: pd.Series[Any], asked: pd.DataFrame) -> Answers:
    """The same on the 100 main components of histograms of gradients."""
    model = make_pipeline(FunctionTransformer(gradients), PCA(100, whiten=False, random_state=0), SVC(C=10))
    return model.fit(inputs.to_numpy(), targets).predict(asked.to_numpy()), None


def boosting(inputs: pd.DataFrame, targets: pd.Series[Any], asked: pd.DataFrame) -> Answers:
    """Gradient-boosted trees as they come, on the columns as they are."""
    return HistGradientBoostingRegressor(random_state=0).fit(inputs, targets).predict(asked), None


def slow_boosting(inputs: pd.DataFrame, targets: pd.Series[Any], asked: pd.DataFrame) -> Answers:
    """A thousand small steps of them: better where there are many rows (tried on rows that are not reported)."""
    model = HistGradientBoostingRegressor(learning_rate=0.05, max_iter=1000, random_state=0)
    return model.fit(inputs, targets).predict(asked), None


def logistic(inputs: pd.DataFrame, targets: pd.Series[Any], asked: pd.DataFrame) -> Answers:
    """Logistic regression on standardised columns."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(inputs, targets)
    return model.predict(asked), model.predict_proba(asked)


def ridge(inputs: pd.DataFrame, targets: pd.Series[Any], asked: pd.DataFrame) -> Answers:
    """Ridge regression on standardised columns."""
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
    return model.fit(inputs, targets).predict(asked), None


def gradients(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Histograms of oriented gradients (Dalal & Triggs, 2005); square images [N, side · side] → [N, features].

    Cells of 4 × 4 pixels, nine directions without sign shared between the two nearest, blocks of 2 × 2 cells each
    scaled to length 1.
    """
    side = round(pixels.shape[1] ** 0.5)
    pieces = [_histograms(part.reshape(-1, side, side)) for part in np.array_split(pixels, max(1, len(pixels) // 2000))]
    return np.concatenate(pieces)


def _histograms(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    down, right = np.gradient(images.astype(np.float32), axis=(1, 2))
    place = np.mod(np.arctan2(down, right), np.pi) * (DIRECTIONS / np.pi)
    lower = np.floor(place)
    number, side = len(images), images.shape[1] // CELL
    cells = np.zeros((number, side, side, DIRECTIONS), dtype=np.float32)
    for direction, share in ((lower, 1 - (place - lower)), (lower + 1, place - lower)):
        weight = np.hypot(down, right) * share
        for bin_ in range(DIRECTIONS):
            part = np.where(direction % DIRECTIONS == bin_, weight, 0)[:, : side * CELL, : side * CELL]
            cells[..., bin_] += part.reshape(number, side, CELL, side, CELL).sum(axis=(2, 4))
    blocks = np.lib.stride_tricks.sliding_window_view(cells, (BLOCK, BLOCK), axis=(1, 2))
    flat = blocks.reshape(number, side - BLOCK + 1, side - BLOCK + 1, -1)
    scaled = flat / np.sqrt(np.square(flat).sum(axis=-1, keepdims=True) + 1.0)
    return scaled.reshape(number, -1).astype(np.float32)


BESIDE: dict[str, Alternative] = {
    "svm": svm,
    "hog_svm": hog_svm,
    "boosting": boosting,
    "slow_boosting": slow_boosting,
    "logistic": logistic,
    "ridge": ridge,
}
"""Name → alternative."""
