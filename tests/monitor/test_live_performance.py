"""Live performance: a value with an interval, worse only where that is shown, and a sentence where nothing is."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.core.recipe import COMPARED_CLASSIFICATION_METRICS, COMPARED_REGRESSION_METRICS
from tasks.metrics import compute
from tasks.monitor.performance import Performance, confidence_for, measure

CLASSES = ("no", "yes")


def classified(rows: int, right: float, random: np.random.Generator) -> tuple:
    truth = random.integers(0, 2, rows)
    said = np.where(random.random(rows) < right, truth, 1 - truth)
    sure = np.clip(0.55 + 0.4 * random.random(rows), 0, 1)
    chance = np.where(said == 1, sure, 1 - sure)
    names = np.array(CLASSES, dtype=object)
    return names[truth], names[said], np.stack([1 - chance, chance], axis=1), CLASSES


def predicted(rows: int, error: float, random: np.random.Generator) -> tuple:
    truth = random.normal(size=rows) * 2
    return truth, truth + error * random.normal(size=rows)


def live(metric: str, *rows, expected: float | None, margin: float = 0.02, **more) -> Performance:
    rule = {"confidence": 0.95, "min_rows": 30, **more}
    return measure(metric, *rows, expected=expected, margin=margin, **rule)


@pytest.mark.parametrize("metric", COMPARED_CLASSIFICATION_METRICS)
def test_every_classification_metric_has_its_value_and_an_interval_around_it(metric):
    rows = classified(400, 0.9, np.random.default_rng(0))
    value = compute("classification", *rows)[0][metric]
    found = live(metric, *rows, expected=value)
    assert found.value == pytest.approx(value) and not found.worse and found.judged
    assert found.interval[0] < found.value < found.interval[1]
    assert "not shown to be worse" in found.reason and "400 labelled rows" in found.reason


@pytest.mark.parametrize("metric", COMPARED_REGRESSION_METRICS)
def test_every_regression_metric_has_its_value_and_an_interval_around_it(metric):
    rows = predicted(400, 1.0, np.random.default_rng(0))
    value = compute("regression", *rows)[0][metric]
    found = live(metric, *rows, expected=value)
    assert found.value == pytest.approx(value) and not found.worse
    assert found.interval[0] < found.value < found.interval[1]


@pytest.mark.parametrize("metric", COMPARED_CLASSIFICATION_METRICS)
def test_a_classifier_that_broke_is_shown_to_be_worse(metric):
    random = np.random.default_rng(0)
    expected = compute("classification", *classified(4000, 0.95, random))[0][metric]
    found = live(metric, *classified(400, 0.7, random), expected=expected, expected_rows=4000)
    assert found.worse and "shown to be worse than the expected" in found.reason


@pytest.mark.parametrize("metric", COMPARED_REGRESSION_METRICS)
def test_a_regression_that_broke_is_shown_to_be_worse(metric):
    random = np.random.default_rng(0)
    expected = compute("regression", *predicted(4000, 1.0, random))[0][metric]
    found = live(metric, *predicted(400, 1.6, random), expected=expected, expected_rows=4000)
    assert found.worse


@pytest.mark.parametrize(
    ("metric", "rows", "expected"),
    [
        ("accuracy", 60, 0.92),
        ("accuracy", 400, 0.92),
        ("f1_macro", 200, 0.92),
        ("rmse", 100, 1 / 1.1),
        ("mae", 100, np.sqrt(2 / np.pi) / 1.1),
    ],
)
def test_a_champion_that_is_worse_by_just_the_margin_is_seldom_called_worse(metric, rows, expected):
    random, draws, classifier = np.random.default_rng(1), 150, metric in COMPARED_CLASSIFICATION_METRICS
    draw, truth = (classified, 0.9) if classifier else (predicted, 1.0)
    margin = 0.02 if classifier else 0.1
    worse = sum(live(metric, *draw(rows, truth, random), expected=expected, margin=margin).worse for _ in range(draws))
    assert worse / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)


def test_an_expectation_from_few_rows_is_no_firm_one():
    random = np.random.default_rng(3)
    rows = classified(600, 0.86, random)
    exact, rough = (live("accuracy", *rows, expected=0.92, expected_rows=count) for count in (None, 60))
    assert exact.worse and not rough.worse
    assert exact.interval == rough.interval


def test_a_target_that_is_missing_is_not_a_row():
    truth, *said = classified(100, 0.9, np.random.default_rng(0))
    truth[::4] = None
    found = live("accuracy", truth, *said, expected=0.9)
    assert found.rows == 75 and found.judged


@pytest.mark.parametrize(
    ("metric", "rows", "sentence"),
    [
        ("accuracy", classified(20, 0.9, np.random.default_rng(0)), "20 rows with a label, and it needs 30"),
        ("log_loss", classified(150, 0.9, np.random.default_rng(0)), "150 rows with a label, and it needs 200"),
        ("roc_auc", (["no"] * 50, ["no"] * 50, np.full((50, 2), 0.5), CLASSES), "the rows are all of one class"),
        ("roc_auc", (["no", "new"] * 25, ["no"] * 50, np.full((50, 2), 0.5), CLASSES), "25 rows of a class"),
        ("roc_auc", (["no", "yes"] * 25, ["no"] * 50, None, CLASSES), "the model gives no probabilities"),
        ("log_loss", (["no", "yes"] * 150, ["no"] * 300, np.full((300, 2), np.nan), CLASSES), "300 rows without"),
        ("rmse", (np.ones(60), np.full(60, np.inf)), "60 rows without a finite prediction"),
        ("r2", (np.ones(60), np.ones(60)), "the target is constant"),
    ],
)  # fmt: skip
def test_what_cannot_be_judged_says_why(metric, rows, sentence):
    found = live(metric, *rows, expected=0.9)
    assert sentence in found.reason and found.reason.endswith(".")
    assert found.value is None and found.interval is None and not found.worse and not found.judged


def test_a_class_the_champion_does_not_know_is_a_mistake():
    truth = np.array(["no", "yes", "new", "yes"] * 20, dtype=object)
    said = np.array(["no", "yes", "yes", "yes"] * 20, dtype=object)
    assert live("accuracy", truth, said, None, CLASSES, expected=0.75).value == pytest.approx(0.75)


def test_without_an_expectation_the_value_is_told_and_nothing_compared():
    found = live("accuracy", *classified(100, 0.5, np.random.default_rng(0)), expected=None)
    assert found.judged and not found.worse and "what to expect of it is not known" in found.reason


def test_a_perfect_window_still_has_an_interval():
    found = live("accuracy", ["no", "yes"] * 40, ["no", "yes"] * 40, None, CLASSES, expected=1.0)
    assert found.value == 1 and 0.9 < found.interval[0] < 1 and found.interval[1] == 1


def test_many_windows_a_year_ask_for_more_confidence():
    assert confidence_for(0.95, 4, 52) == 0.95
    assert confidence_for(0.95, 4, 8760) == pytest.approx(1 - 4 / 8760)
    rows = classified(120, 0.83, np.random.default_rng(2))
    calm, strict = (live("accuracy", *rows, expected=0.93, confidence=level) for level in (0.95, 0.9999))
    assert calm.worse and not strict.worse
    assert strict.interval[0] < calm.interval[0] and strict.interval[1] > calm.interval[1]


def test_rows_that_belong_together_count_as_one():
    truth, said, chances, classes = classified(60, 0.8, np.random.default_rng(0))
    groups = np.repeat(np.arange(60), 6)
    repeated = [np.repeat(part, 6, axis=0) for part in (truth, said, chances)]
    alone = live("accuracy", truth, said, chances, classes, expected=0.9)
    together = live("accuracy", *repeated, classes, expected=0.9, groups=groups)
    assert together.value == alone.value
    assert together.interval == pytest.approx(alone.interval, abs=1e-9)
