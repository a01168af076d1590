"""Metrics: one table, one function that computes all of a problem's, and reasons where one has no value.

A metric that is undefined on the rows given (one class only, a constant target, outputs that are not
finite) is never reported as zero: it raises `Undefined`, and `compute` says why it has no value.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.core.recipe import CLASSIFICATION_METRICS, METRICS, REGRESSION_METRICS, SMALLER_IS_BETTER

KINDS = {
    **{name: f"tasks.metrics.classification:{name}" for name in CLASSIFICATION_METRICS},
    **{name: f"tasks.metrics.regression:{name}" for name in REGRESSION_METRICS},
}
"""Metric -> the function that computes it."""


class Undefined(ValueError):
    """A metric has no value on these rows; the message is one sentence that says why."""


def compute(
    problem: str,
    targets: Any,
    predictions: Any,
    probabilities: np.ndarray | None = None,
    classes: Sequence[Any] = (),
) -> tuple[dict[str, float], dict[str, str]]:
    """Compute every metric of a problem.

    Args:
        problem: Of the recipe.
        targets: [N] labels of any type, or numbers.
        predictions: [N] of the same kind.
        probabilities: [N, C] in the order of `classes`, for classification; None where there are none.
        classes: the C labels a model can answer, as in `Prepared.classes` (compared by their text).

    Returns:
        Metric -> value, and metric -> why it has none; each metric of the problem is in one of them.
    """
    names = METRICS[problem]
    arguments: tuple[Any, ...] = (
        _encoded(targets, predictions, probabilities, classes)
        if problem == "classification"
        else (np.asarray(targets, float), np.asarray(predictions, float))
    )
    values: dict[str, float] = {}
    undefined: dict[str, str] = {}
    for name in names:
        try:
            value = float(_metric(name)(*arguments))
        except Undefined as reason:
            undefined[name] = str(reason)
            continue
        if np.isfinite(value):
            values[name] = value
        else:
            undefined[name] = "it is too large for a number"
    return values, undefined


def better(metric: str, value: float, than: float) -> float:
    """By how much `value` beats `than`; positive is better, also for losses and errors."""
    return than - value if metric in SMALLER_IS_BETTER else value - than


def codes(labels: Any, classes: Sequence[Any]) -> np.ndarray:
    """Number labels by their place in `classes`; a label that is not one of them gets -1.

    Labels are compared by their text, whole floats as integers, so that 3, "3" and 3.0 are one class.
    """
    place = {_text(label): position for position, label in enumerate(classes)}
    found, inverse = np.unique(np.array([_text(label) for label in labels], dtype=object), return_inverse=True)
    return np.array([place.get(label, -1) for label in found], dtype=np.int64)[inverse.reshape(-1)]


def _encoded(
    targets: Any, predictions: Any, probabilities: np.ndarray | None, classes: Sequence[Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, tuple[str, ...]]:
    """Targets and predictions as numbers; a class the model does not know is numbered behind its own."""
    known = [_text(label) for label in classes]
    others = sorted({_text(label) for label in [*targets, *predictions]} - set(known))
    names = (*known, *others)
    scores = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    return codes(targets, names), codes(predictions, names), scores, names


def _text(label: Any) -> str:
    plain = label.item() if hasattr(label, "item") else label
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)


def _metric(name: str) -> Any:
    module, function = KINDS[name].split(":")
    return getattr(importlib.import_module(module), function)
