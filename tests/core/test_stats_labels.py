from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from tasks.core.stats.labels import confusion, label_score, row_reach

METRICS = {
    "accuracy": lambda targets, found: float((targets == found).mean()),
    "f1_macro": lambda targets, found: f1_score(targets, found, average="macro"),
    "precision_macro": lambda targets, found: precision_score(targets, found, average="macro", zero_division=0),
    "recall_macro": lambda targets, found: recall_score(targets, found, average="macro"),
}


def rows(seed: int, count: int = 400, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = random.choice(classes, count, p=[0.5, 0.3, 0.15, 0.05])
    return targets, np.where(random.random(count) < 0.85, targets, random.integers(0, classes, count))


@pytest.mark.parametrize("metric", METRICS)
def test_value_equals_scikits(metric):
    targets, found = rows(1)
    assert label_score(metric, confusion(targets, found, 4))[0] == pytest.approx(METRICS[metric](targets, found))


@pytest.mark.parametrize("metric", METRICS)
def test_gradient_is_the_derivative_by_a_rows_weight(metric):
    matrix = confusion(*rows(2), 4)
    value, gradient = label_score(metric, matrix)
    step = 1e-4
    for cell in np.ndindex(4, 4):
        heavier = matrix.copy()
        heavier[cell] += step
        slope = (label_score(metric, heavier)[0] - value) / step * matrix.sum()
        assert gradient[cell] == pytest.approx(slope, abs=2e-2 * max(abs(slope), 1e-2))
    assert (gradient * matrix).sum() == pytest.approx(0, abs=1e-9)


def test_a_class_that_is_never_predicted_counts_as_zero():
    targets, found = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0])
    value, gradient = label_score("precision_macro", confusion(targets, found, 2))
    assert value == 0.25
    assert np.isfinite(gradient).all()


def test_one_row_of_accuracy_is_worth_one_row():
    _, gradient = label_score("accuracy", confusion(*rows(3), 4))
    assert row_reach(gradient, np.ones(4, bool)) == 1


def test_one_row_of_a_rare_class_is_worth_more_than_one_of_a_frequent_one_to_a_macro_score():
    _, gradient = label_score("recall_macro", confusion(*rows(4), 4))
    rare_only, frequent_only = np.array([False, False, False, True]), np.array([True, False, False, False])
    assert row_reach(gradient, rare_only) > 4 * row_reach(gradient, frequent_only)
