"""Classification metrics agree with scikit-learn and with hand-worked values, and say when they have none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from tasks.core.recipe import CLASSIFICATION_METRICS
from tasks.metrics import better, codes, compute
from tasks.metrics.classification import confusion

OF_PROBABILITIES = ("roc_auc", "log_loss", "pr_auc", "top_3", "brier", "ece")


def scored(classes: int, rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, predictions and probabilities of a model that is right more often than not; many tied scores."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, rows)
    scores = random.random((rows, classes)).round(1) + 0.05
    scores[np.arange(rows), targets] += 0.5
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    return targets, probabilities.argmax(axis=1), probabilities


def binned_by_hand(targets: np.ndarray, probabilities: np.ndarray) -> float:
    """The formula of Guo et al. (2017), row by row."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for target, row in zip(targets, probabilities, strict=True):
        bins.setdefault(min(int(row.max() * 15), 14), []).append((row.max(), row.argmax() == target))
    return sum(abs(sum(sure for sure, _ in rows) - sum(right for _, right in rows)) for rows in bins.values()) / len(
        targets
    )


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_every_metric_agrees_with_scikit_learn(classes: int) -> None:
    targets, predictions, probabilities = scored(classes)
    values, undefined = compute("classification", targets, predictions, probabilities, range(classes))
    scores = probabilities[:, 1] if classes == 2 else probabilities
    expected = {
        "accuracy": reference.accuracy_score(targets, predictions),
        "f1_macro": reference.f1_score(targets, predictions, average="macro"),
        "precision_macro": reference.precision_score(targets, predictions, average="macro"),
        "recall_macro": reference.recall_score(targets, predictions, average="macro"),
        "roc_auc": reference.roc_auc_score(targets, scores, multi_class="ovr", average="macro"),
        "log_loss": reference.log_loss(targets, probabilities),
        "pr_auc": reference.average_precision_score(targets, scores),
        "brier": reference.brier_score_loss(targets, probabilities, scale_by_half=True, labels=range(classes)),
        "ece": binned_by_hand(targets, probabilities),
    }
    if classes > 3:
        # Equal probabilities are ordered in another way by scikit-learn, so these are all different.
        untied = np.random.default_rng(1).dirichlet(np.ones(classes), len(targets))
        found, _ = compute("classification", targets, predictions, untied, range(classes))
        assert found["top_3"] == pytest.approx(reference.top_k_accuracy_score(targets, untied, k=3))
        del values["top_3"]
    assert values == pytest.approx(expected, abs=1e-12)
    assert set(undefined) == ({"top_3"} if classes <= 3 else set())
    assert {*values, "top_3"} == set(CLASSIFICATION_METRICS)


def test_hand_worked_values() -> None:
    """3 of 4 right; "a": TP 1, FN 1; "b": TP 2, FP 1; the pair (a second, b first) is the one ranked wrong, of 4."""
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6], [0.5, 0.5], [0.1, 0.9]])
    values, _ = compute("classification", list("aabb"), list("abbb"), probabilities, ("a", "b"))
    assert values["accuracy"] == 0.75
    assert values["f1_macro"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert values["precision_macro"] == pytest.approx((1 + 2 / 3) / 2)
    assert values["recall_macro"] == pytest.approx((1 / 2 + 1) / 2)
    assert values["roc_auc"] == 0.75
    assert values["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.4) + np.log(0.5) + np.log(0.9)) / 4)
    # By falling P(b), 0.9 0.6 0.5 0.2, of which rows 1 and 3 are "b": precision 1 and 2/3, half the recall at each.
    assert values["pr_auc"] == pytest.approx(1 / 2 + 2 / 3 / 2)
    assert values["brier"] == pytest.approx((0.04 + 0.36 + 0.25 + 0.01) / 4)
    # Each row has a bin of its own: sure to 0.8, 0.6, 0.5 ("a", of equals the first), 0.9; right, wrong, wrong, right.
    assert values["ece"] == pytest.approx((0.2 + 0.6 + 0.5 + 0.1) / 4)


@pytest.mark.parametrize("rows", [7, 49, 107])
def test_a_perfect_order_has_an_average_precision_of_exactly_one(rows: int) -> None:
    truth = np.arange(rows) % 2
    chance = (truth + np.linspace(0.1, 0.4, rows)) / 2
    values, _ = compute("classification", truth, truth, np.stack([1 - chance, chance], axis=1), (0, 1))
    assert values["pr_auc"] == values["roc_auc"] == 1.0


def test_three_classes_come_first_and_of_equals_the_earlier() -> None:
    probabilities = np.array([[0.4, 0.3, 0.2, 0.1], [0.4, 0.3, 0.2, 0.1], [0.25, 0.25, 0.25, 0.25]])
    assert compute("classification", list("cdd"), list("aaa"), probabilities, "abcd")[0]["top_3"] == 1 / 3
    assert compute("classification", list("ccc"), list("aaa"), probabilities, "abcd")[0]["top_3"] == 1.0
    _, undefined = compute("classification", list("ab"), list("ab"), np.eye(3)[:2], "abc")
    assert undefined["top_3"] == "each of 3 classes is among the first three"


def test_a_model_that_is_sure_and_right_has_no_calibration_error_and_one_that_is_wrong_has_all() -> None:
    sure = np.eye(2)
    assert compute("classification", list("ab"), list("ab"), sure, "ab")[0]["ece"] == 0.0
    values, _ = compute("classification", list("ba"), list("ab"), sure, "ab")
    assert values["ece"] == values["brier"] == 1.0


def test_the_last_of_two_classes_is_the_positive_one() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert compute("classification", ["x", "y"], ["x", "y"], probabilities, ("x", "y"))[0]["roc_auc"] == 1.0
    assert compute("classification", ["y", "x"], ["x", "y"], probabilities, ("x", "y"))[0]["roc_auc"] == 0.0


def test_one_class_only_leaves_auc_recall_and_f1_without_a_value() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    values, undefined = compute("classification", ["a", "a"], ["a", "a"], probabilities, ("a", "b"))
    assert values == {
        "accuracy": 1.0,
        "log_loss": pytest.approx(-(np.log(0.9) + np.log(0.8)) / 2),
        "brier": pytest.approx((0.01 + 0.04) / 2),
        "ece": pytest.approx((0.1 + 0.2) / 2),
    }
    assert undefined == {
        "roc_auc": "class b has no row here",
        "pr_auc": "class b has no row here",
        "top_3": "each of 2 classes is among the first three",
        "recall_macro": "class b has no row here",
        "precision_macro": "class b is never predicted",
        "f1_macro": "class b is neither among these rows nor predicted",
    }


def test_a_class_that_is_never_predicted_has_no_precision_but_an_f1_of_zero() -> None:
    values, undefined = compute("classification", ["a", "b"], ["a", "a"], None, ("a", "b"))
    assert undefined["precision_macro"] == "class b is never predicted"
    assert values["f1_macro"] == pytest.approx((2 / 3 + 0) / 2)
    assert {undefined[name] for name in OF_PROBABILITIES} == {"there are no probabilities"}


def test_no_rows_leave_every_metric_without_a_value() -> None:
    values, undefined = compute("classification", [], [], np.empty((0, 2)), ("a", "b"))
    assert values == {}
    assert set(undefined.values()) == {"there are no rows"}


def test_probabilities_that_are_not_finite_are_counted_not_averaged() -> None:
    probabilities = np.array([[0.5, 0.5], [np.nan, 1.0], [np.inf, 0.0]])
    _, undefined = compute("classification", list("abb"), list("abb"), probabilities, ("a", "b"))
    assert {undefined[name] for name in OF_PROBABILITIES} == {"2 rows have probabilities that are not finite"}


def test_a_class_the_model_does_not_know_counts_as_wrong_and_has_no_loss() -> None:
    values, undefined = compute("classification", list("abc"), list("aba"), np.full((3, 2), 0.5), ("a", "b"))
    assert values["accuracy"] == pytest.approx(2 / 3)
    assert values["recall_macro"] == pytest.approx(2 / 3)
    assert {undefined[name] for name in OF_PROBABILITIES} == {"1 rows have a class the model does not know"}


def test_labels_are_compared_by_their_text() -> None:
    assert codes([3, "3", 3.0, np.int64(5), 7], ("3", "5")).tolist() == [0, 0, 0, 1, -1]
    assert codes([True, False], (False, True)).tolist() == [1, 0]


def test_confusion_has_true_classes_down_and_predicted_across() -> None:
    matrix = confusion(np.array([0, 0, 2]), np.array([0, 1, 1]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 0]]


def test_better_is_positive_for_a_smaller_loss_and_a_larger_accuracy() -> None:
    assert better("accuracy", 0.9, 0.8) == pytest.approx(0.1)
    assert better("rmse", 0.9, 0.8) == pytest.approx(-0.1)
