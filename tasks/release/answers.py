"""What two models answer on the same rows, checked and turned into numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.core.stats.paired import Predictions


@dataclass(frozen=True)
class Scores:
    """What one model says about N rows.

    `prediction` [N] are labels, or numbers where no classes are told apart; `probabilities` [N, C] have one column per
    class, in the order of the class codes, and are needed for roc_auc and log_loss.
    """

    prediction: NDArray[Any]
    probabilities: NDArray[np.float64] | None = None


def check(
    problem: str, targets: NDArray[Any], challenger: Scores, champion: Scores, groups: NDArray[Any] | None
) -> None:
    """Refuse answers that do not fit the targets.

    Raises:
        ValueError: lengths differ, or a number is not finite.
    """
    for name, model in (("challenger", challenger), ("champion", champion)):
        parts = [model.prediction] + ([model.probabilities] if model.probabilities is not None else [])
        if any(len(part) != len(targets) for part in parts):
            raise ValueError(f"the {name} answers a different number of rows than the {len(targets)} targets")
        numbers = parts[1:] if problem == "classification" else parts
        if not all(np.isfinite(np.asarray(part, float)).all() for part in numbers):
            raise ValueError(f"the {name} gives an answer that is not finite")
    if groups is not None and len(groups) != len(targets):
        raise ValueError(f"there are {len(groups)} group labels for {len(targets)} targets")


def encode(
    problem: str,
    metric: str,
    targets: NDArray[Any],
    challenger: Scores,
    champion: Scores,
    classes: Sequence[Any] | None,
) -> tuple[NDArray[Any], Predictions, Predictions]:
    """Targets and answers as numbers: class codes for classification.

    Raises:
        ValueError: a target is not one of `classes`.
    """
    if problem != "classification":
        answers = [np.asarray(model.prediction, float).reshape(-1) for model in (challenger, champion)]
        return np.asarray(targets, float), Predictions(answers[0]), Predictions(answers[1])
    labels = [np.asarray(part) for part in (targets, challenger.prediction, champion.prediction)]
    if any(part.dtype.kind not in "iub" for part in labels):
        # Labels are compared as text; whole numbers of one kind need not be, which is 30 times as fast.
        labels = [part.astype(str) for part in labels]
    if metric in ("roc_auc", "log_loss"):
        codes = np.asarray(targets, np.int64) if classes is None else _codes(labels[0].astype(str), classes)
        return codes, Predictions(codes, challenger.probabilities), Predictions(codes, champion.probabilities)
    numbered = np.unique(np.concatenate(labels), return_inverse=True)[1].reshape(3, -1)
    return numbered[0], Predictions(numbered[1], None), Predictions(numbered[2], None)


def _codes(labels: NDArray[Any], classes: Sequence[Any]) -> NDArray[np.int64]:
    place = {str(label): position for position, label in enumerate(classes)}
    found, inverse = np.unique(labels, return_inverse=True)
    missing = [label for label in found if label not in place]
    if missing:
        raise ValueError(f"{len(missing)} class label(s) among the rows are unknown to the models")
    return np.array([place[label] for label in found], np.int64)[inverse.reshape(-1)]
