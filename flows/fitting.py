"""One training on rows that somebody chose, scored on others: what tuning and cross-validation are made of."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import nn

from tasks.core.contracts import Prepared, from_json, to_json
from tasks.core.home import write_atomically
from tasks.core.recipe import Recipe
from tasks.evaluate.score import score, split_metrics
from tasks.prepare.arrays import prepare_parts
from tasks.train import experiment
from tasks.train.callbacks import Callback
from tasks.train.checkpoints import Progress

Parts = dict[str, pd.DataFrame]
"""Rows by what is done with them: `train` is learned from, `validation` chooses the epoch, `test` is held out."""


@dataclass(frozen=True)
class Arrays:
    """Rows as a network sees them, and the folder they lie in."""

    prepared: Prepared
    folder: Path


def prepare_once(recipe: Recipe, folder: Path, rows: Callable[[], tuple[pd.DataFrame, Parts]]) -> Arrays:
    """Transforms fitted on the training rows, and every part as arrays; made once, also where several ask at once.

    Args:
        recipe: `problem`, `data`, `transforms` and `retraining.window` are read.
        folder: is this recipe's and these rows' alone; made where it is not there.
        rows: gives all rows that may be known of, and the parts; called only where nothing is there yet.

    Raises:
        RequestError: a part has no rows, or a column cannot be what the recipe says it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / "prepared.json"
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.is_file():
            known, parts = rows()
            made = prepare_parts(known, parts, recipe, folder, folder.name)
            write_atomically(marker, json.dumps(to_json(made)))
    prepared: Prepared = from_json(Prepared, json.loads(marker.read_text()))
    return Arrays(prepared, folder)


def train(
    recipe: Recipe, arrays: Arrays, work: Path, recipe_folder: Path, callbacks: Sequence[Callback] = ()
) -> tuple[nn.Module, Progress]:
    """The network with its best weights, and how the training went; one that was killed in `work` goes on.

    Raises:
        RequestError: the network cannot be built, or the device is not there.
    """
    work.mkdir(parents=True, exist_ok=True)
    sections = (recipe.problem, recipe.model, recipe.training)
    augment = recipe.transforms.augment
    job = experiment.job(*sections, arrays.prepared, arrays.folder, recipe_folder, work, augment=augment)
    return job.network, experiment.carry_out(job, recipe_folder, callbacks).progress


def measure(
    network: nn.Module, recipe: Recipe, arrays: Arrays, truth: pd.Series, part: str
) -> tuple[dict[str, float], dict[str, str]]:
    """Every metric of the problem on one part, and why the others have no value.

    Args:
        network: trained, wherever it is.
        recipe: `problem` is read.
        arrays: what it was trained on, beside the part.
        truth: the target in its own type and unit, by row id.
        part: "validation" or "test".
    """
    device = next((parameter.device.type for parameter in network.parameters()), "cpu")
    scored = score(network, arrays.folder, truth, device, [part])
    return split_metrics(scored, part, recipe.problem, arrays.prepared.classes)
