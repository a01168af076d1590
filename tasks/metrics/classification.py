"""Classification metrics on numpy: what each means, its range, and when it has no value.

All take the same four things: `targets` int [N], `predictions` int [N], `probabilities` float [N, C] or
None, `classes` the names behind the numbers (classes beyond C are ones the model does not know). All
raise `Undefined` where there are no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tasks.metrics import Undefined
from tasks.metrics.curves import calibration_error, precision_recall_points


def accuracy(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Share of rows whose class is predicted, in [0, 1]."""
    _some_rows(targets)
    return float(np.mean(targets == predictions))


def f1_macro(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Mean over classes of 2·TP / (2·TP + FP + FN), in [0, 1].

    Raises:
        Undefined: a class is neither among the targets nor predicted: 0/0.
    """
    right, predicted, actual = _counts(targets, predictions, classes)
    return _mean_of_ratios(2 * right, predicted + actual, classes, "is neither among these rows nor predicted")


def precision_macro(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Mean over classes of TP / (TP + FP), in [0, 1].

    Raises:
        Undefined: a class is never predicted: 0/0.
    """
    right, predicted, _ = _counts(targets, predictions, classes)
    return _mean_of_ratios(right, predicted, classes, "is never predicted")


def recall_macro(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Mean over classes of TP / (TP + FN), in [0, 1]: accuracy that weighs every class alike.

    Raises:
        Undefined: a class is not among the targets: 0/0.
    """
    right, _, actual = _counts(targets, predictions, classes)
    return _mean_of_ratios(right, actual, classes, "has no row here")


def roc_auc(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Chance that a row of a class scores higher than one of another, in [0, 1]; ties count half.

    Two classes: the last is the positive one. More: mean over classes, each against the rest. Computed
    from ranks (Hanley & McNeil, 1982).

    Raises:
        Undefined: no usable probabilities, or a class has no row or all rows.
    """
    return _by_class(binary_roc_auc, targets, probabilities, classes)


def log_loss(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Mean of −ln P(true class) in nats, from 0; probabilities are kept 2.2e-16 away from 0, so it is finite.

    Raises:
        Undefined: no usable probabilities.
    """
    return float(np.mean(row_log_loss(targets, _usable(targets, probabilities, classes))))


def pr_auc(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Average precision: the precision at each threshold, weighed by the recall gained there, in [0, 1].

    Two classes: the last is the positive one. More: mean over classes, each against the rest. A model that says
    nothing reaches the share of the class. No straight lines are drawn between thresholds, which would flatter
    (Davis & Goadrich, 2006).

    Raises:
        Undefined: no usable probabilities, or a class has no row or all rows.
    """
    return _by_class(_average_precision, targets, probabilities, classes)


def top_3(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Share of rows whose class is among the three most probable, in [0, 1]; of equals, earlier classes come first.

    Three, however many classes there are, so that a bound means the same after a class was added.

    Raises:
        Undefined: no usable probabilities, or at most three classes, of which each is among the first three.
    """
    scores = _usable(targets, probabilities, classes)
    if scores.shape[1] <= 3:
        raise Undefined(f"each of {scores.shape[1]} classes is among the first three")
    first = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    return float(np.mean((first == targets[:, None]).any(axis=1)))


def brier(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Half the squared distance of the probabilities to the truth, from 0 to 1 (Brier, 1950, who did not halve).

    For two classes it is (P(last class) − truth)².

    Raises:
        Undefined: no usable probabilities.
    """
    scores = _usable(targets, probabilities, classes)
    truth = targets[:, None] == np.arange(scores.shape[1])
    return float(np.mean(np.sum((scores - truth) ** 2, axis=1)) / 2)


def ece(
    targets: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]
) -> float:
    """Expected calibration error of the most probable class over 15 bins of equal width, in [0, 1] (Guo et al., 2017).

    Its value depends on the bins and, for a calibrated model on few rows, lies above 0.

    Raises:
        Undefined: no usable probabilities.
    """
    scores = _usable(targets, probabilities, classes)
    return calibration_error(scores.argmax(axis=1) == targets, scores.max(axis=1), bins=15)


def row_log_loss(targets: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """−ln P(true class) of each row in nats, [N]; `targets` int [N], `probabilities` [N, C] of any scale."""
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    true = shares[np.arange(len(targets)), targets]
    tiny = np.finfo(np.float64).eps
    return np.asarray(-np.log(np.clip(true, tiny, 1.0)))


def binary_roc_auc(positive: np.ndarray, scores: np.ndarray, name: str = "positive") -> float:
    """Area under the ROC curve of one class against the rest; `positive` bool [N], `scores` [N].

    Raises:
        Undefined: all rows or none are positive.
    """
    positives, negatives = _both_sides(positive, name)
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle[inverse.reshape(-1)]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def _average_precision(positive: np.ndarray, scores: np.ndarray, name: str) -> float:
    positives, _ = _both_sides(positive, name)
    recall, precision = precision_recall_points(positive, scores)
    # In whole rows, so that a perfect order is 1 exactly and meets a bound of 1.
    found = np.rint(np.diff(recall) * positives)
    return float(np.sum(found * precision[1:]) / positives)


def _by_class(
    of_one: Callable[[np.ndarray, np.ndarray, str], float],
    targets: np.ndarray,
    probabilities: np.ndarray | None,
    classes: Sequence[str],
) -> float:
    """A measure of one class against the rest: of the last of two, else the mean over all."""
    scores = _usable(targets, probabilities, classes)
    if scores.shape[1] < 2:
        raise Undefined("there is one class only")
    columns = [1] if scores.shape[1] == 2 else list(range(scores.shape[1]))
    return float(np.mean([of_one(targets == column, scores[:, column], classes[column]) for column in columns]))


def _both_sides(positive: np.ndarray, name: str) -> tuple[int, int]:
    """How many rows are of a class and how many are not; there have to be some of each."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        raise Undefined(f"class {name} has {'no row' if positives == 0 else 'all rows'} here")
    return positives, negatives


def confusion(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Rows by true class (down) and predicted class (across), int [classes, classes]; codes are not negative."""
    flat = np.bincount(targets * classes + predictions, minlength=classes * classes)
    return flat.reshape(classes, classes)


def _counts(
    targets: np.ndarray, predictions: np.ndarray, classes: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows per class that are right, predicted, actual."""
    _some_rows(targets)
    matrix = confusion(targets, predictions, len(classes))
    return np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)


def _mean_of_ratios(above: np.ndarray, below: np.ndarray, classes: Sequence[str], why: str) -> float:
    empty = [str(name) for name, number in zip(classes, below, strict=True) if number == 0]
    if empty:
        shown = ", ".join(empty[:5]) + (f" and {len(empty) - 5} more" if len(empty) > 5 else "")
        raise Undefined(f"class {shown} {why}")
    return float(np.mean(above / below))


def _usable(targets: np.ndarray, probabilities: np.ndarray | None, classes: Sequence[str]) -> np.ndarray:
    _some_rows(targets)
    if probabilities is None:
        raise Undefined("there are no probabilities")
    if not np.isfinite(probabilities).all():
        raise Undefined(
            f"{int((~np.isfinite(probabilities)).any(axis=1).sum())} rows have probabilities that are not finite"
        )
    strange = int((targets >= probabilities.shape[1]).sum())
    if strange:
        raise Undefined(f"{strange} rows have a class the model does not know")
    return probabilities


def _some_rows(targets: np.ndarray) -> None:
    if len(targets) == 0:
        raise Undefined("there are no rows")
