"""Scores the best weights on validation and test rows: raw outputs, predictions, metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from tasks.core.contracts import Prepared
from tasks.core.errors import RequestError
from tasks.metrics import compute
from tasks.models import build
from tasks.models.predict import forward
from tasks.models.scored import answering
from tasks.transforms.outputs import predictions

SPLITS = ("validation", "test")
"""The splits that are scored; training rows would flatter the model."""


@dataclass(frozen=True)
class Scored:
    """What the model says about the rows of both splits, beside the truth.

    `frame` has the columns of the predictions file: row_id, batch, split, target, prediction and
    probability_<class>; its rows are sorted by row_id, its index is 0…N-1.
    """

    frame: pd.DataFrame
    places: np.ndarray
    """int64 [N]: row of the split's arrays behind each row of `frame`."""
    bad_rows: dict[str, int]
    """Split -> rows whose outputs are not all finite."""

    def of(self, split: str) -> pd.DataFrame:
        """The rows of one split, with the index they have in `frame`."""
        return self.frame[self.frame["split"] == split]


def load_network(
    weights: Path, model: Mapping[str, Any], prepared: Prepared, recipe_folder: Path
) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Build the recipe's network and give it the weights of a safetensors file; both are returned.

    Raises:
        RequestError: the weights do not fit the network the recipe describes, or cannot be read.
    """
    shapes = (prepared.input_shape, prepared.output_size)
    network = build(model, *shapes, recipe_folder, prepared.vocabulary, prepared.sequence)
    try:
        tensors = load_file(weights)
        network.load_state_dict(tensors)
    except (RuntimeError, SafetensorError, OSError) as error:
        raise RequestError(
            f"The trained weights {weights.name} do not fit the network that model describes.",
            remedy="Run again; a custom model has to build the same network each time.",
            code="model",
        ) from error
    return network, tensors


def score(network: nn.Module, folder: Path, truth: pd.Series, device: str, splits: Sequence[str] = SPLITS) -> Scored:
    """Run the network over the prepared arrays of some splits.

    Args:
        network: in any mode; it is put into evaluation mode for the time.
        folder: `Prepared.folder`, absolute.
        truth: what the model ought to say, in its own type and unit, by row_id (`tasks/core/truth.py`).
        device: "cpu" or "cuda".
        splits: those that are scored; the files of no other one are opened.
    """
    spec = json.loads((folder / "transform.json").read_text())
    parts, places, bad = [], [], {}
    for split in splits:
        rows = pd.read_parquet(folder / f"{split}_rows.parquet")
        raw = forward(answering(network, spec), np.load(folder / f"{split}_inputs.npy", mmap_mode="r"), device)
        said = predictions(raw, spec)
        bad[split] = int((~np.isfinite(raw)).reshape(len(raw), -1).any(axis=1).sum()) if len(raw) else 0
        rows = rows.assign(split=split, target=truth.reindex(rows["row_id"]).to_numpy())
        parts.append(pd.concat([rows, said.reset_index(drop=True)], axis=1))
        places.append(np.arange(len(rows)))
    frame = pd.concat(parts, ignore_index=True)
    order = np.argsort(frame["row_id"].to_numpy(dtype=str), kind="stable")
    return Scored(frame.iloc[order].reset_index(drop=True), np.concatenate(places)[order], bad)


def training_rows(folder: Path) -> pd.Series:
    """Ids of the training rows as they were before classes were evened out: none made, and those left out as well.

    A predictor that ignores the features knows how frequent the classes are in the world it is asked about.
    """
    train = pd.read_parquet(folder / "train_rows.parquet")
    left_out = pd.read_parquet(folder / "left_out_rows.parquet")
    return pd.concat([train["row_id"][~train["synthetic"]], left_out["row_id"]], ignore_index=True)


def split_metrics(
    scored: Scored, split: str, problem: str, classes: tuple[str, ...]
) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics of one split, and why the others have no value.

    Outputs that are not finite leave no metric at all: the class such a row would get means nothing.
    """
    frame = scored.of(split)
    if scored.bad_rows[split]:
        from tasks.core.recipe import METRICS

        return {}, dict.fromkeys(
            METRICS[problem], f"the outputs of {scored.bad_rows[split]} {split} rows are not finite"
        )
    return compute(
        problem, frame["target"].to_numpy(), frame["prediction"].to_numpy(), probabilities_of(frame, classes), classes
    )


def probabilities_of(frame: pd.DataFrame, classes: tuple[str, ...]) -> np.ndarray | None:
    """The probability columns of a predictions frame, float64 [N, C]; None for regression."""
    if not classes:
        return None
    return frame[[f"probability_{label}" for label in classes]].to_numpy(np.float64)
