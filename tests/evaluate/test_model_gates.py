"""Each model gate as a function of numbers: what passes, what fails, what cannot be judged."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.evaluate.baseline import baseline_metrics
from tasks.evaluate.gates import beats_baseline, finite, thresholds
from tasks.metrics import compute


def test_finite_counts_and_names_every_bad_number():
    weights = {"a": np.array([1.0, np.nan, -np.inf]), "b": np.ones((2, 2)), "c": np.array([np.inf])}
    gate = finite(weights, {"validation": 0, "test": 4})
    assert gate.state == "failed"
    assert gate.evidence["not_finite"] == {"a": 2, "c": 1}
    assert gate.evidence["rows_with_bad_outputs"] == {"test": 4}
    assert gate.reason.startswith("3 numbers in a and c are NaN or infinite; the outputs of 4 rows are NaN or infinite")


def test_finite_passes_whole_numbers_and_counts_them():
    gate = finite({"steps": np.array(3), "a": np.zeros((2, 3), np.float16)}, {"validation": 0, "test": 0})
    assert gate.state == "passed"
    assert gate.evidence["numbers"] == 7


def test_finite_tells_where_a_training_lost_its_finite_losses_and_what_helps():
    place = {"epoch": 3, "step": 5, "rows": 32, "rows_with_bad_inputs": 2, "file": "work/not_finite.json"}
    gate = finite({"a": np.array([np.nan])}, {"test": 0}, place)
    assert gate.state == "failed" and gate.evidence["training"] == place
    assert gate.reason == (
        "1 number in a is NaN or infinite. The training lost its finite losses at step 5 of epoch 3; the ids of the 32 "
        "rows of that step, 2 of them with inputs that are not finite, are in work/not_finite.json: lower "
        "training.optimizer.lr or set training.gradient_clip, or look at these rows for outliers."
    )
    kept = finite({"a": np.ones(2)}, {"test": 0}, {"epoch": 4, "step": None, "rows": 0, "file": None})
    assert kept.state == "passed"
    assert kept.evidence["note"].startswith("The validation loss of epoch 4 was not finite, which ended the training")


@pytest.mark.parametrize(
    ("metric", "value", "floor", "state"),
    [
        ("accuracy", 0.61, 0.6, "passed"),
        ("accuracy", 0.6, 0.6, "failed"),
        ("accuracy", 0.6 + 1e-12, 0.6, "failed"),
        ("accuracy", 0.5, 0.6, "failed"),
        ("accuracy", 1.0, 1.0, "failed"),
        ("log_loss", 0.5, 0.6, "passed"),
        ("rmse", 2.0, 1.0, "failed"),
        ("rmse", 0.0, 0.0, "failed"),
        ("r2", 0.1, -0.01, "passed"),
    ],
)
def test_a_model_has_to_beat_its_baseline_and_a_tie_does_not(metric: str, value: float, floor: float, state: str):
    gate = beats_baseline(metric, {metric: value}, {metric: floor}, {}, 100)
    assert gate.state == state
    assert gate.threshold == floor
    assert gate.evidence["value"] == value


def test_a_tie_in_accuracy_points_to_other_metrics():
    gate = beats_baseline("accuracy", {"accuracy": 0.9}, {"accuracy": 0.9}, {}, 100)
    assert "no better than the 0.9 of a predictor that ignores the features" in gate.reason
    assert "promote by roc_auc, f1_macro or log_loss" in gate.reason


def test_a_metric_without_a_value_cannot_be_judged():
    gate = beats_baseline("roc_auc", {}, {}, {"roc_auc": "class b has no row here"}, 9)
    assert gate.state == "error"
    assert gate.reason == "roc_auc of the model has no value on the test rows: class b has no row here."


@pytest.mark.parametrize(
    ("wanted", "values", "state"),
    [
        ({}, {}, "skipped"),
        ({"accuracy": 0.9}, {"accuracy": 0.9}, "passed"),
        ({"accuracy": 0.9}, {"accuracy": 0.89}, "failed"),
        ({"rmse": 3.0}, {"rmse": 3.0}, "passed"),
        ({"rmse": 3.0}, {"rmse": 3.1}, "failed"),
        ({"accuracy": 0.9, "log_loss": 0.3}, {"accuracy": 0.95, "log_loss": 0.31}, "failed"),
        ({"roc_auc": 0.9}, {}, "error"),
        ({"roc_auc": 0.9, "accuracy": 0.9}, {"accuracy": 0.5}, "failed"),
    ],
)
def test_thresholds_are_least_values_and_for_losses_most_values(
    wanted: dict[str, float], values: dict[str, float], state: str
):
    gate = thresholds(wanted, values, {"roc_auc": "class b has no row here"})
    assert gate.state == state
    assert state == "passed" or gate.evidence["reason"]


def test_a_missed_threshold_names_value_side_and_bound():
    assert thresholds({"mae": 2.0}, {"mae": 2.5}, {}).reason == "On the test rows mae is 2.5, above 2."


def test_the_trivial_classifier_answers_the_majority_with_the_training_shares():
    values, undefined = baseline_metrics("classification", ["a", "a", "b"], ["a", "b"], ("a", "b"))
    assert undefined == {"top_3": "each of 2 classes is among the first three"}
    assert values["pr_auc"] == 0.5 and values["brier"] == pytest.approx((1 / 9 + 4 / 9) / 2)
    assert values["ece"] == pytest.approx(2 / 3 - 1 / 2)
    assert values["accuracy"] == 0.5
    assert values["roc_auc"] == 0.5
    assert values["log_loss"] == pytest.approx(-(np.log(2 / 3) + np.log(1 / 3)) / 2)
    assert values["precision_macro"] == 0.25  # 0.5 for the majority, 0 for the class it never names
    assert values["f1_macro"] == pytest.approx((2 / 3 + 0) / 2)


def test_no_constant_beats_the_trivial_classifier_where_test_rows_are_of_other_shares():
    """Where the training majority is rare among the rows that count, always saying the other class is no skill."""
    training, scored = ["a"] * 6 + ["b"] * 4, ["a"] * 10 + ["b"] * 13
    floor, _ = baseline_metrics("classification", training, scored, ("a", "b"))
    for constant in ("a", "b"):
        made, undefined = compute("classification", scored, [constant] * 23, np.full((23, 2), 0.5), ("a", "b"))
        assert made["accuracy"] <= floor["accuracy"] and made["f1_macro"] <= floor["f1_macro"]
        assert beats_baseline("accuracy", made, floor, undefined, 23).state != "passed"


def test_the_trivial_regression_answers_the_constant_each_metric_likes_best():
    values, undefined = baseline_metrics("regression", [0.0, 0.0, 9.0], [0.0, 6.0], ())
    assert undefined == {"mape": "1 targets are 0"}
    assert baseline_metrics("regression", [0.0, 0.0, 9.0], [2.0, 6.0], ())[0]["mape"] == 1.0
    assert values["rmse"] == pytest.approx(3.0)  # mean 3
    assert values["mae"] == pytest.approx(3.0)  # median 0
    assert values["r2"] == pytest.approx(0.0)


def test_test_rows_of_one_class_leave_the_baseline_without_an_area():
    values, undefined = baseline_metrics("classification", ["a", "b"], ["a", "a"], ("a", "b"))
    assert "roc_auc" not in values
    assert undefined["roc_auc"] == "class b has no row here"
