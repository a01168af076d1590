"""The stages that turn a trained model into a version, a decision and, if it is justified, the champion."""

from __future__ import annotations

from tasks.core.context import Context
from tasks.core.contracts import Decided, Evaluated, Packaged, Prepared, Promoted, Trained, Versioned
from tasks.stage import stage


@stage(
    "package",
    inputs=("version", "prepare", "train", "evaluate"),
    reads=("name", "problem", "data", "transforms", "model", "training"),
    libraries=("mlflow", "torch", "numpy", "pandas", "safetensors"),
)
def package(
    context: Context, versioned: Versioned, prepared: Prepared, trained: Trained, evaluated: Evaluated
) -> Packaged:
    """Store a model that any MLflow consumer can load, with golden predictions, and register it."""
    from tasks.release.package import make_package

    return make_package(context, versioned, prepared, trained, evaluated)


@stage(
    "decide",
    inputs=("version", "prepare", "train", "evaluate", "package"),
    reads=("name", "problem", "data", "gates.promotion"),
    libraries=("mlflow", "torch", "numpy", "pandas", "safetensors", "scipy"),
)
def decide(
    context: Context,
    versioned: Versioned,
    prepared: Prepared,
    trained: Trained,
    evaluated: Evaluated,
    packaged: Packaged | None,
) -> Decided:
    """Try the packaged model where only its requirements are, and compare it with the champion."""
    from tasks.release.decide import decide_on

    return decide_on(context, versioned, prepared, trained, evaluated, packaged)


@stage("promote", inputs=("decide", "package"), reads=("name",))
def promote(context: Context, decided: Decided, packaged: Packaged | None) -> Promoted:
    """Move the alias `champion` where the decision says so."""
    from tasks.release.decide import carry_out

    return carry_out(context, decided, packaged)
