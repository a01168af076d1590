"""The stages `preflight` and `train`: cheap experiments first, then the weights."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Preflighted, Prepared, Trained
from tasks.stage import stage

STARTING = ("retraining.start_from", "data.target", "data.id", "data.time", "data.split")
"""What decides whether the champion's weights are started from (`tasks/train/start.py`)."""


@stage(
    "preflight",
    inputs=("prepare",),
    reads=(
        "problem",
        "model",
        "training.loss",
        "training.class_weights",
        "training.label_smoothing",
        "training.optimizer",
        "training.batch_size",
        "training.ema",
        "training.precision",
        "training.device",
        "training.seed",
        "training.callbacks",
        "training.lightning",
        "training.tensorboard",
        *STARTING,
    ),
    libraries=("numpy", "torch"),
    uses_device=True,
)
def preflight(context: Context, prepared: Prepared) -> Preflighted:
    """Show on a few rows that the training can work, before it is paid for."""
    from tasks.train.experiment import preflight as run_preflight
    from tasks.train.start import beginning

    recipe = context.recipe
    folder = context.home.path(prepared.folder)
    start = beginning(context, prepared)
    return run_preflight(recipe.problem, recipe.model, recipe.training, prepared, folder, context.recipe_folder, start)


@stage(
    "train",
    inputs=("prepare", "preflight"),
    reads=("problem", "model", "training", "transforms.augment", "name", *STARTING),
    libraries=("numpy", "torch", "safetensors"),
    uses_device=True,
)
def train(context: Context, prepared: Prepared, preflighted: Preflighted) -> Trained:
    """Train, resuming what an earlier attempt left, while the tracking store hears of every epoch."""
    from tasks.train.experiment import job
    from tasks.train.followers import describe, together
    from tasks.train.start import beginning
    from tasks.train.tracked import train_tracked

    recipe = context.recipe
    folder = context.home.path(prepared.folder)
    sections = (recipe.problem, recipe.model, recipe.training)
    start = beginning(context, prepared)
    augment = recipe.transforms.augment
    places = (folder, context.recipe_folder, context.folder)
    work = job(*sections, prepared, *places, start.weights, augment)
    with together(work, describe(*sections, prepared, *places, augment)) as shared:
        return train_tracked(shared, context, start.sentence, folder / "train_rows.parquet")
