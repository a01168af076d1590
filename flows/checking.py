"""Runs the data stages, and for custom models the preflight, in a home that is thrown away afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.candidates import check_space
from flows.engine import Execution
from flows.facts import gather
from flows.training import LIFE_CYCLE
from tasks.core.contracts import STAGES, Gate
from tasks.core.errors import GateStopped, RequestError
from tasks.core.feature_kinds import Feature
from tasks.core.features import inputs_of, least_vocabulary, resolve, sequence_of
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe
from tasks.core.plan import make_plan


@dataclass(frozen=True)
class Checked:
    """What `evergreen check` found."""

    rows: int
    features: dict[str, str]
    """Column or feature → kind, inferred kinds included."""
    gates: tuple[Gate, ...]
    parts: tuple[str, ...]
    """One line per custom part that was tried."""
    found: dict[str, Any]
    """What was looked for: field of the recipe → `suggested`, and what it was chosen from."""


LOOKED_FOR = ("training.optimizer.lr", "training.batch_size")
"""Settings that can be looked for by trying."""


def check(
    loaded: LoadedRecipe, tell: Callable[[str], None] = lambda text: None, look_for: Collection[str] = ()
) -> Checked:
    """Ingest and validate, and see that the network takes such features; try a custom model's first steps.

    Args:
        loaded: The recipe.
        tell: Takes a line of text before each step.
        look_for: Of `LOOKED_FOR`, settings to find good values of by training for a moment.

    Raises:
        RequestError: the data cannot be read, the network does not fit them, a custom part does not conform, or what
            `tuning.space` names makes no recipe.
    """
    check_space(loaded, loaded.recipe.tuning.space)
    custom_model = loaded.recipe.model.kind == "custom"
    last = "preflight" if custom_model else "prepare" if look_for else "validate"
    names = [name for name in STAGES[: STAGES.index(last) + 1] if name != "explore"]
    stages = [LIFE_CYCLE[name] for name in names]
    with tempfile.TemporaryDirectory(prefix="evergreen-check-") as folder:
        home = Home(Path(folder).resolve(), isolated=True)
        execution = Execution(loaded, home, make_plan(stages, loaded, home, gather(loaded, home)))
        outputs: dict[str, Any] = {}
        try:
            for stage in stages:
                tell(f"{stage.name} …")
                outputs[stage.name] = execution.carry_out(stage, *(outputs[name] for name in stage.inputs)).value
        except GateStopped:
            _refuse_unreadable(execution.gates)
        parts = _try_parts(loaded, home, outputs)
        ingested = outputs.get("ingest")
        features = resolve(ingested.columns, loaded.recipe.data) if ingested else {}
        _fit_together(loaded, features)
        kinds: dict[str, str] = {name: feature.kind for name, feature in features.items()}
        found = _found(loaded, home, outputs, look_for, tell)
        return Checked(ingested.rows if ingested else 0, kinds, execution.gates, parts, found)


def _found(
    loaded: LoadedRecipe, home: Home, outputs: Mapping[str, Any], look_for: Collection[str], tell: Callable[[str], None]
) -> dict[str, Any]:
    """Values found by trying; none where a gate stopped the rows from being prepared."""
    prepared = outputs.get("prepare")
    if prepared is None or not look_for:
        return {}
    from tasks.train import experiment

    recipe, folder = loaded.recipe, home.path(prepared.folder)
    sections = (recipe.problem, recipe.model, recipe.training)
    work = experiment.job(*sections, prepared, folder, loaded.folder, folder, augment=recipe.transforms.augment)
    found: dict[str, Any] = {}
    if "training.optimizer.lr" in look_for:
        tell("trying learning rates …")
        from tasks.train.finder import find_rate

        found["training.optimizer.lr"] = asdict(find_rate(work))
    if "training.batch_size" in look_for:
        tell("trying batch sizes …")
        from tasks.train import networks
        from tasks.train.sizes import find_size

        sizes = find_size(work, lambda: networks.make_for(prepared, recipe.model, loaded.folder))
        found["training.batch_size"] = asdict(sizes)
    return found


def _fit_together(loaded: LoadedRecipe, features: Mapping[str, Feature]) -> None:
    """Build a shipped network for inputs of the features' shape; nothing is computed, and no memory taken.

    Raises:
        RequestError: it takes images and the features are flat, or the other way round.
    """
    shape = inputs_of(features)
    if loaded.recipe.model.kind == "custom" or not shape:
        return
    import torch

    from tasks.train.networks import make

    with torch.device("meta"):
        make(loaded.recipe.model, shape, 1, loaded.folder, least_vocabulary(features), sequence_of(features))


def _refuse_unreadable(gates: tuple[Gate, ...]) -> None:
    for gate in gates:
        if gate.name == "readable" and gate.blocks:
            raise RequestError(gate.reason, remedy="Mend the file, or correct data.reader.", code="readable")


def _try_parts(loaded: LoadedRecipe, home: Home, outputs: dict[str, Any]) -> tuple[str, ...]:
    """The conformance suite for custom parts: what passed, one line each."""
    parts = []
    reader = loaded.recipe.data.reader
    if reader.kind == "custom" and "ingest" in outputs:
        from tasks.ingest.readers import read

        first, second = (read(reader, loaded.folder) for _ in range(2))
        if not first.equals(second):
            raise RequestError(
                f"data.reader '{reader.ref}' gave two different frames when it was called twice.",
                remedy="Make it depend on its arguments and files only.",
                code="conformance",
            )
        parts.append(f"{reader.ref}: reads the same {len(first)} rows twice")
    model = loaded.recipe.model
    if model.kind == "custom" and "prepare" in outputs:
        from tasks.train.conformance import check_model

        prepared = outputs["prepare"]
        shapes = (prepared.input_shape, prepared.output_size)
        tried = check_model(model, *shapes, loaded.folder, prepared.vocabulary, prepared.sequence)
        parts += [f"{model.ref}: {line}" for line in tried]
    parts += _listeners(loaded)
    policy = loaded.recipe.retraining
    if policy.kind == "custom":
        from tasks.retrain.conformance import check_policy

        parts += [f"{policy.ref}: {line}" for line in check_policy(policy, loaded.folder)]
    return tuple(parts)


def _listeners(loaded: LoadedRecipe) -> list[str]:
    """Callbacks of the recipe's own, made once; and TensorBoard, where it is asked for."""
    training = loaded.recipe.training
    if training.tensorboard:
        from tasks.train.mirror import require_tensorboard

        require_tensorboard()
    if training.lightning is not None:
        from tasks.train.by_lightning import require_lightning

        require_lightning()
    if not training.callbacks:
        return []
    from tasks.train.own import own

    own(training.callbacks, loaded.folder)
    return [f"{callback.ref}: can be made, and listens to the training" for callback in training.callbacks]
