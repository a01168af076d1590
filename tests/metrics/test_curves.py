"""Curves agree with scikit-learn; calibration is worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from tasks.metrics import Undefined
from tasks.metrics.curves import calibration_error, calibration_points, precision_recall_points, roc_points


@pytest.fixture
def scores() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    positive = random.random(500) < 0.3
    return positive, (random.random(500) + 0.4 * positive).round(1)


def test_roc_points_agree_with_scikit_learn(scores: tuple[np.ndarray, np.ndarray]):
    alarms, hits = roc_points(*scores)
    expected_alarms, expected_hits, _ = reference.roc_curve(*scores, drop_intermediate=False)
    assert alarms == pytest.approx(expected_alarms)
    assert hits == pytest.approx(expected_hits)


def test_precision_and_recall_agree_with_scikit_learn(scores: tuple[np.ndarray, np.ndarray]):
    recall, precision = precision_recall_points(*scores)
    expected_precision, expected_recall, _ = reference.precision_recall_curve(*scores)
    assert recall[1:] == pytest.approx(expected_recall[::-1][1:])
    assert precision[1:] == pytest.approx(expected_precision[::-1][1:])


def test_calibration_is_the_mean_distance_of_confidence_and_truth():
    right = np.array([True, False, True, True])
    confidence = np.array([0.65, 0.65, 0.95, 1.0])
    means, shares, rows = calibration_points(right, confidence)
    assert means == pytest.approx([0.65, 0.975])
    assert shares == pytest.approx([0.5, 1.0])
    assert rows.tolist() == [2, 2]
    assert calibration_error(right, confidence) == pytest.approx((2 * 0.15 + 2 * 0.025) / 4)


def test_curves_without_positives_or_rows_have_no_points():
    none = np.zeros(3, bool)
    for curve in (roc_points, precision_recall_points):
        with pytest.raises(Undefined):
            curve(none, np.arange(3.0))
    with pytest.raises(Undefined):
        calibration_error(none[:0], np.empty(0))
    with pytest.raises(Undefined):
        roc_points(none[:0], np.empty(0))
