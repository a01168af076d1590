"""From a recipe's sections and prepared tensors to what the gates and the loop work on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from tasks.core.architectures import Model
from tasks.core.contracts import Preflighted, Prepared
from tasks.core.errors import RequestError
from tasks.core.preprocessing import Augment
from tasks.core.recipe import Problem
from tasks.core.seeds import seed_everything
from tasks.core.training import Training
from tasks.train import batches, device, networks
from tasks.train.by_lightning import fit_by_lightning, wrapped
from tasks.train.callbacks import Callback
from tasks.train.checkpoints import Weights
from tasks.train.loop import Fitted, Job, fit
from tasks.train.memory import need
from tasks.train.mirror import require_tensorboard
from tasks.train.own import own
from tasks.train.preflight import Probe, fits_in_memory, run_gates
from tasks.train.start import Start

SAMPLE = 2048
"""Training rows the preflight looks at."""


def preflight(
    problem: Problem,
    model: Model,
    training: Training,
    prepared: Prepared,
    folder: Path,
    recipe_folder: Path,
    start: Start | None = None,
) -> Preflighted:
    """Evaluate the preflight gates.

    Args:
        problem: Of the recipe, as are `model` and `training`.
        model: What is built afresh for every experiment, with dropout switched off.
        training: Loss, optimizer, batch size, device and seed are used.
        prepared: What `prepare` gave.
        folder: Where it lies, absolute.
        recipe_folder: Where custom references are looked up.
        start: What the training will begin with; none: fresh weights.

    Raises:
        RequestError: the loss needs two classes, or the network cannot be built, fails, gives outputs of another shape,
            or is an autoencoder no narrower than its inputs; or a callback cannot be made, or TensorBoard is asked for
            and absent.
    """
    _two_classes(training, prepared)
    networks.check_narrow(model, prepared)
    _watchers(training, recipe_folder)
    place = device.choose(training.device)
    reproduced = problem == "reconstruction"
    inputs, targets = _sample(folder, training.seed)
    probe = Probe(
        make=lambda: networks.without_regularisation(networks.make_for(prepared, model, recipe_folder)),
        inputs=inputs,
        targets=inputs if reproduced else targets,
        problem=problem,
        output_size=prepared.output_size,
        loss=training.loss,
        optimizer=training.optimizer.kind,
        batch_size=min(training.batch_size, prepared.rows["train"] + prepared.synthetic),
        device=place,
        free_bytes=device.free_bytes(place),
        averaged=training.ema is not None,
        seed=training.seed,
        linear=networks.is_linear(model),
        vocabulary=prepared.vocabulary,
        sequence=prepared.sequence,
        by_heart=networks.rows_by_heart(model) if reproduced else Probe.by_heart,
    )
    memory = fits_in_memory(probe)
    if not memory.blocks:
        rows = min(probe.batch_size, 2)
        shape, inputs_are = (prepared.input_shape, prepared.output_size), (prepared.vocabulary, prepared.sequence)
        networks.check_outputs(probe.make(), model, *shape, rows, *inputs_are)
    if training.lightning is not None:
        wrapped(training.lightning, networks.make_for(prepared, model, recipe_folder), recipe_folder)
    step = need(probe.make, prepared.input_shape, probe.batch_size, training.optimizer.kind)
    with device.threads_for(place, step.activations):
        begun = start.sentence if start is not None and start.weights is not None else ""
        return Preflighted(run_gates(probe, memory, begun), step.parameters)


def _sample(folder: Path, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Inputs and targets of some training rows, shuffled."""
    inputs = np.load(folder / "train_inputs.npy", mmap_mode="r")
    # Spread over all rows, in their order: rows are sorted by a hash or an id, and ids can be sorted by time.
    index = np.unique(np.linspace(0, len(inputs) - 1, min(SAMPLE, len(inputs))).astype(np.int64))
    shuffled = np.random.default_rng(seed).permutation(index)
    return np.array(inputs[shuffled]), np.load(folder / "train_targets.npy")[shuffled]


def job(
    problem: Problem,
    model: Model,
    training: Training,
    prepared: Prepared,
    folder: Path,
    recipe_folder: Path,
    work: Path,
    start: Weights | None = None,
    augment: Augment | None = None,
) -> Job:
    """The training that a recipe describes; its checkpoints and results go to `work`.

    Without weights to start from, the initial ones depend on the seed alone. Images are varied as `augment` says.

    Raises:
        RequestError: the network cannot be built, or is an autoencoder no narrower than its inputs, or the device is
            not there.
    """
    networks.check_narrow(model, prepared)
    place = device.choose(training.device)

    def make() -> nn.Module:
        return networks.make_for(prepared, model, recipe_folder)

    reproduced = problem == "reconstruction"
    step = need(
        make,
        prepared.input_shape,
        min(training.batch_size, prepared.rows["train"] + prepared.synthetic),
        training.optimizer.kind,
    )
    seed_everything(training.seed)
    network = make()
    if start is not None:
        network.load_state_dict(start)
    return Job(
        network=networks.to_device(network, place),
        train=batches.load(folder, "train", place, reproduced=reproduced),
        validation=batches.load(folder, "validation", place, reproduced=reproduced),
        problem=problem,
        output_size=prepared.output_size,
        training=training,
        folder=work,
        step_bytes=step.activations,
        augment=augment,
    )


def _watchers(training: Training, recipe_folder: Path) -> None:
    """See that whoever is to be told of the training can be, before it is paid for."""
    if training.tensorboard:
        require_tensorboard()
    own(training.callbacks, recipe_folder)


def carry_out(job: Job, recipe_folder: Path, callbacks: Sequence[Callback] = ()) -> Fitted:
    """Train as the recipe says: by the loop or a LightningModule of its own, whose callbacks hear first.

    Raises:
        RequestError: a part of the recipe's own cannot be made, or Lightning is not installed.
    """
    training = job.training
    # Own ones come first, so that the others hear of an end they ask for.
    everyone = [*own(training.callbacks, recipe_folder), *callbacks]
    if training.lightning is None:
        return fit(job, everyone)
    return fit_by_lightning(job, wrapped(training.lightning, job.network, recipe_folder), everyone)


def _two_classes(training: Training, prepared: Prepared) -> None:
    """How many classes there are is known only now, from the rows."""
    if training.loss.kind == "binary_cross_entropy" and prepared.output_size != 2:
        raise RequestError(
            f"training.loss is binary_cross_entropy, and the target has {prepared.output_size} classes.",
            remedy="Use cross_entropy, which for two classes is the same.",
        )
