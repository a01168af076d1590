"""The stages `preflight` and `train`: cheap experiments first, then the weights."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Preflighted, Prepared, Trained
from tasks.stage import stage


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
        "training.precision",
        "training.device",
        "training.seed",
    ),
    libraries=("numpy", "torch"),
    uses_device=True,
)
def preflight(context: Context, prepared: Prepared) -> Preflighted:
    """Show on a few rows that the training can work, before it is paid for."""
    from tasks.train.experiment import preflight as run_preflight

    recipe = context.recipe
    folder = context.home.path(prepared.folder)
    return run_preflight(recipe.problem, recipe.model, recipe.training, prepared, folder, context.recipe_folder)


@stage(
    "train",
    inputs=("prepare", "preflight"),
    reads=("problem", "model", "training", "name"),
    libraries=("numpy", "torch", "safetensors"),
    uses_device=True,
)
def train(context: Context, prepared: Prepared, preflighted: Preflighted) -> Trained:
    """Train, resuming what an earlier attempt left, while the tracking store hears of every epoch."""
    from tasks.train.experiment import job
    from tasks.train.tracked import train_tracked

    recipe = context.recipe
    folder = context.home.path(prepared.folder)
    sections = (recipe.problem, recipe.model, recipe.training)
    return train_tracked(job(*sections, prepared, folder, context.recipe_folder, context.folder), context)
