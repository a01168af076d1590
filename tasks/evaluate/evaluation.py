"""One evaluation from files to contract: score, metrics, baseline, gates, slices, page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from tasks.core.context import Context
from tasks.core.contracts import Evaluated, Prepared, Trained, Versioned
from tasks.core.truth import truth_of
from tasks.evaluate.baseline import guess_loss, mean_loss, trivial_metrics
from tasks.evaluate.diagnosis import Diagnosis, diagnose
from tasks.evaluate.gates import beats_baseline, finite, thresholds
from tasks.evaluate.page import Evaluation, evaluation_page, read_history
from tasks.evaluate.reconstructions import pairs
from tasks.evaluate.score import SPLITS, Scored, load_network, score, split_metrics, training_rows
from tasks.evaluate.slices import Slice, slices, slicing_columns
from tasks.stores.datasets import load_rows


def evaluate(context: Context, versioned: Versioned, prepared: Prepared, trained: Trained) -> Evaluated:
    """Write predictions.parquet and evaluation.html into the context's folder and give the contract.

    Raises:
        RequestError: the weights do not fit the network the recipe describes.
    """
    recipe, home = context.recipe, context.home
    folder = home.path(prepared.folder)
    frame = load_rows(home.path(versioned.folder)).set_index("row_id")
    network, weights = load_network(
        home.path(trained.weights), recipe.model.model_dump(mode="json"), prepared, context.recipe_folder
    )
    context.progress(0.1, "scoring validation and test rows")
    device = "cuda" if recipe.training.device != "cpu" and torch.cuda.is_available() else "cpu"
    truth = truth_of(frame, recipe.data.target)
    scored = score(network, folder, truth, device)
    results = {split: split_metrics(scored, split, recipe.problem, prepared.classes) for split in SPLITS}
    metrics = {split: values for split, (values, _) in results.items()}
    undefined = {split: reasons for split, (_, reasons) in results.items()}
    known, tested = truth.reindex(training_rows(folder)).to_numpy(), scored.of("test")["target"].to_numpy()
    baseline, without = trivial_metrics(recipe.problem, known, tested, prepared.classes, folder, "test")
    unknown = {**without, **undefined["test"]}
    gates = (
        finite({name: tensor.float().numpy() for name, tensor in weights.items()}, scored.bad_rows, trained.not_finite),
        beats_baseline(recipe.metric, metrics["test"], baseline, unknown, prepared.rows["test"]),
        thresholds(recipe.gates.thresholds, metrics["test"], undefined["test"]),
    )
    context.progress(0.6, "writing the evaluation page")
    history = read_history(home.path(trained.history))
    diagnosis = _diagnosis(context, prepared, trained, history)
    evaluation = Evaluation(
        name=recipe.name,
        problem=recipe.problem,
        metric=recipe.metric,
        target=recipe.data.target or "",
        classes=prepared.classes,
        scored=scored,
        metrics=metrics,
        undefined=undefined,
        baseline=baseline,
        gates=gates,
        slices=_slices(context, scored, frame, prepared.classes),
        history=history,
        best_epoch=trained.best_epoch,
        diagnosis=diagnosis.text,
        inputs=_images(prepared, folder),
        pairs=_pairs(context, prepared, network, scored, device),
    )
    report = evaluation_page(evaluation).write(context.folder / "evaluation.html")
    predictions = context.folder / "predictions.parquet"
    scored.frame.to_parquet(predictions, index=False)
    return Evaluated(
        metrics=metrics,
        undefined=_reasons(undefined),
        baseline=baseline,
        predictions=context.relative(predictions),
        report=context.relative(report),
        gates=gates,
        diagnosis=dataclasses.asdict(diagnosis),
    )


def _images(prepared: Prepared, folder: Path) -> Path | None:
    """The test images; None where inputs are none."""
    return folder / "test_inputs.npy" if len(prepared.input_shape) == 3 else None


def _pairs(
    context: Context, prepared: Prepared, network: nn.Module, scored: Scored, device: str
) -> np.ndarray[Any, Any] | None:
    """Images beside their reconstructions; None where there are none."""
    images = _images(prepared, context.home.path(prepared.folder))
    reproduced = context.recipe.problem == "reconstruction"
    return pairs(network, images, scored, device) if images is not None and reproduced else None


def _diagnosis(
    context: Context, prepared: Prepared, trained: Trained, history: Sequence[Mapping[str, Any]]
) -> Diagnosis:
    """What the curves say, beside the loss of a guess on the same rows."""
    recipe, folder = context.recipe, context.home.path(prepared.folder)
    known, targets = (np.load(folder / f"{split}_targets.npy") for split in ("train", "validation"))
    balanced = recipe.training.class_weights == "balanced"
    if recipe.problem == "reconstruction":
        guess = mean_loss(recipe.training.loss, folder)
    else:
        guess = guess_loss(recipe.training.loss, recipe.problem, known, targets, prepared.output_size, balanced)
    return diagnose(history, trained.best_epoch, trained.stopped, guess if np.isfinite(guess) else None)


def _slices(context: Context, scored: Scored, frame: pd.DataFrame, classes: tuple[str, ...]) -> list[Slice]:
    """Slices of the test rows; none where outputs are not finite, as no metric means anything there."""
    recipe, test = context.recipe, scored.of("test")
    if scored.bad_rows["test"] or not len(test):
        return []
    columns = frame.reindex(test["row_id"]).reset_index(drop=True)
    names = slicing_columns(columns, (recipe.data.target, recipe.data.id, recipe.data.time))
    return slices(test.reset_index(drop=True), columns[names], recipe.problem, recipe.metric, classes)


def _reasons(undefined: dict[str, dict[str, str]]) -> dict[str, str]:
    """Metric -> why it has no value, on the test rows or, where it has one there, on the validation rows."""
    validation = {name: f"on the validation rows: {why}" for name, why in undefined["validation"].items()}
    return {**validation, **{name: f"on the test rows: {why}" for name, why in undefined["test"].items()}}
