from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tasks.core.stats.ranking import area, macro_area, row_reach


def rows(seed: int, count: int = 60, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    targets = random.integers(0, classes, count)
    targets[:classes] = np.arange(classes)
    logits = random.normal(size=(count, classes)) + 1.5 * np.eye(classes)[targets]
    return targets, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
def test_area_equals_scikits_also_with_ties(seed):
    targets, probabilities = rows(seed)
    scores = np.round(probabilities[:, 1], 1)
    assert area(targets == 1, scores)[0] == pytest.approx(roc_auc_score(targets, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_macro_area_equals_scikits_one_versus_rest(seed):
    targets, probabilities = rows(seed, classes=4)
    assert macro_area(targets, probabilities)[0] == pytest.approx(
        roc_auc_score(targets, probabilities, multi_class="ovr", average="macro"), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(3))
def test_influence_gives_delongs_variance_by_brute_force(seed):
    targets, probabilities = rows(seed)
    scores = np.round(probabilities[:, 1], 2)
    ones, zeros = scores[targets == 1], scores[targets == 0]
    wins = (ones[:, None] > zeros[None, :]) + 0.5 * (ones[:, None] == zeros[None, :])
    by_one, by_zero = wins.mean(1), wins.mean(0)
    delong = by_one.var(ddof=1) / len(ones) + by_zero.var(ddof=1) / len(zeros)
    _, influence = macro_area(targets, np.stack([1 - scores, scores], axis=1))
    parts = [influence[targets == label] for label in (0, 1)]
    corrected = sum((part**2).sum() * len(part) / (len(part) - 1) for part in parts) / len(targets) ** 2
    assert corrected == pytest.approx(delong, rel=1e-9)
    assert influence.mean() == pytest.approx(0, abs=1e-12)


def test_row_reach_is_what_ranking_one_row_last_costs():
    targets = np.repeat([0, 1], [20, 10])
    perfect = np.where(targets == 1, 0.9, 0.1) + np.linspace(0, 0.05, 30)
    spoiled = perfect.copy()
    spoiled[-1] = 0.0
    cost = area(targets == 1, perfect)[0] - area(targets == 1, spoiled)[0]
    assert row_reach(targets, 2) == pytest.approx(30 * cost)


def test_one_class_has_no_area():
    with pytest.raises(ValueError, match="rows of both classes"):
        area(np.ones(5, bool), np.arange(5.0))
