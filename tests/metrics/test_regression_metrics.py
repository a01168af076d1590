"""Regression metrics agree with scikit-learn and with hand-worked values, and say when they have none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from tasks.core.recipe import REGRESSION_METRICS
from tasks.metrics import compute


def test_every_metric_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(1)
    targets = random.normal(50, 10, 200)
    predictions = targets + random.normal(1, 5, 200)
    values, undefined = compute("regression", targets, predictions)
    assert values == pytest.approx(
        {
            "rmse": reference.root_mean_squared_error(targets, predictions),
            "mae": reference.mean_absolute_error(targets, predictions),
            "r2": reference.r2_score(targets, predictions),
            "mape": reference.mean_absolute_percentage_error(targets, predictions),
        }
    )
    assert undefined == {}


def test_hand_worked_values() -> None:
    """Errors 0, 3 and -3 around targets 1, 2, 3 (variance sum 2)."""
    values, _ = compute("regression", [1, 2, 3], [1, 5, 0])
    assert values == pytest.approx({"rmse": np.sqrt(6), "mae": 2.0, "r2": 1 - 18 / 2, "mape": (0 + 3 / 2 + 3 / 3) / 3})


def test_a_target_of_zero_leaves_no_mape_and_never_a_zero() -> None:
    values, undefined = compute("regression", [0.0, 2.0, 0.0], [0.0, 2.0, 1.0])
    assert undefined == {"mape": "2 targets are 0"} and "mape" not in values
    assert compute("regression", [-2.0, 4.0], [-1.0, 4.0])[0]["mape"] == pytest.approx(0.25)
    _, undefined = compute("regression", [5e-324, 4.0], [1.0, 4.0])
    assert undefined["mape"] == "it is too large for a number"


def test_a_constant_target_has_no_r2_but_an_error() -> None:
    values, undefined = compute("regression", [4.0, 4.0], [4.0, 5.0])
    assert undefined == {"r2": "the target is constant on these rows"}
    assert values["mae"] == 0.5


def test_one_row_has_no_r2() -> None:
    assert compute("regression", [4.0], [4.0])[1] == {"r2": "there is one row only"}


def test_predictions_that_are_not_finite_leave_no_metric() -> None:
    values, undefined = compute("regression", [1.0, 2.0, 3.0], [np.nan, 2.0, np.inf])
    assert values == {}
    assert set(undefined.values()) == {"2 predictions are not finite"}


def test_no_rows_leave_every_metric_without_a_value() -> None:
    assert compute("regression", [], []) == ({}, dict.fromkeys(REGRESSION_METRICS, "there are no rows"))
