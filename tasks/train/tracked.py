"""A training whose run in the tracking store is found by its key, so that a resumed one continues it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from tasks.core.context import Context
from tasks.core.contracts import Trained
from tasks.core.recipe import Recipe
from tasks.stores import runs
from tasks.train import checkpoints, networks, spoiled
from tasks.train.callbacks import Announce, Callback, HistoryLog, curves
from tasks.train.experiment import carry_out
from tasks.train.loop import Fitted, Job
from tasks.train.mirror import FOLDER, Mirror
from tasks.train.samples import contact_sheet
from tasks.train.stepping import batch_of


def train_tracked(job: Job, context: Context, start: str, rows: Path) -> Trained:
    """Train `job`, log every epoch once, and end the run as what it became.

    Args:
        job: The training, in the context's folder.
        context: Of the stage.
        start: What it begins with, in words.
        rows: Parquet file with the column `row_id` of the training rows, in their order.

    Raises:
        ServiceError: the tracking store does not answer.
    """
    name = context.recipe.name
    tags = {"evergreen.recipe": context.recipe_hash, "evergreen.stage": "train", "evergreen.start": start}
    run_id = runs.start_run(context.home, name, context.key, parameters(context.recipe), tags)
    try:
        fitted = _train(job, context, run_id)
    except BaseException:
        # Also when interrupted: a run that nobody works on must not look as if somebody did.
        runs.finish_run(context.home, run_id, "FAILED")
        raise
    runs.tag_run(context.home, run_id, {"evergreen.steps": fitted.form})
    runs.finish_run(context.home, run_id, "FINISHED")
    progress = fitted.progress
    assert progress.stopped is not None
    return Trained(
        run_id=run_id,
        weights=context.relative(job.folder / checkpoints.WEIGHTS),
        weights_sha256=fitted.weights_sha256,
        history=context.relative(job.folder / checkpoints.HISTORY),
        best_epoch=progress.best_epoch,
        epochs=progress.epoch,
        stopped=progress.stopped,
        device=job.train.device.type,
        parameters=networks.trainable(job.network),
        start=start,
        not_finite=_spoiled(job, progress, rows, context),
    )


def _spoiled(job: Job, progress: checkpoints.Progress, rows: Path, context: Context) -> dict[str, Any] | None:
    """Where a loss stopped being finite; the ids of the rows of that step are kept beside the weights."""
    place = progress.not_finite
    if place is None:
        return None
    epoch, step = place["epoch"], place["step"]
    if epoch is None or step is None:
        return {**place, "rows": 0, "file": None}
    positions = batch_of(job, epoch, step)
    ids = pd.read_parquet(rows, columns=["row_id"])["row_id"].iloc[positions.numpy()]
    inputs, _ = job.train.take(positions.to(job.train.device))
    bad = int((~inputs.isfinite()).flatten(1).any(dim=1).sum())
    file = spoiled.keep(job.folder, place, [str(row) for row in ids])
    return {**place, "rows": len(ids), "rows_with_bad_inputs": bad, "file": context.relative(file)}


def parameters(recipe: Recipe) -> dict[str, Any]:
    """What the run in the tracking store says it was made with: settings, never a value of a row."""
    augment = recipe.transforms.augment
    return {
        "problem": recipe.problem,
        "model": recipe.model.model_dump(mode="json"),
        "training": recipe.training.model_dump(mode="json"),
        "transforms": {"augment": augment.model_dump(mode="json") if augment else None},
        # What decides whether it starts from the champion's weights; `explain --verify` compares all that is declared.
        "data": {
            "target": recipe.data.target,
            "id": recipe.data.id,
            "time": recipe.data.time,
            "split": recipe.data.split.model_dump(mode="json"),
        },
        "retraining": {"start_from": recipe.retraining.start_from},
    }


def _train(job: Job, context: Context, run_id: str) -> Fitted:
    training = job.training
    mirror = Mirror(job.folder / FOLDER) if training.tensorboard else None
    sheet = contact_sheet(job)
    if sheet is not None:
        runs.log_files(context.home, run_id, [sheet], "samples")
    log = HistoryLog(lambda rows: runs.log_history(context.home, run_id, [curves(row) for row in rows]))
    others: list[Callback] = [Announce(training.epochs, context.progress), log, *([mirror] if mirror else [])]
    fitted = carry_out(job, context.recipe_folder, others)
    if mirror is not None:
        runs.log_files(context.home, run_id, mirror.files, FOLDER)
    return fitted
