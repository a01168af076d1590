from __future__ import annotations

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.recipe import COMPARED_CLASSIFICATION_METRICS, COMPARED_REGRESSION_METRICS, SMALLER_IS_BETTER
from tasks.core.stats.paired import MINIMUM_UNITS, RELATIVE_METRICS
from tasks.metrics import compute
from tasks.release.verdict import Scores, choose_rule, combine, decision_rows, judge, rows_to_decide

METRICS = (*COMPARED_CLASSIFICATION_METRICS, *COMPARED_REGRESSION_METRICS)


def problem_of(metric: str) -> str:
    return "regression" if metric in COMPARED_REGRESSION_METRICS else "classification"


def model(random: np.random.Generator, targets: np.ndarray, apart: float, classes: int = 3) -> Scores:
    logits = random.normal(size=(len(targets), classes)) + apart * np.eye(classes)[targets]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return Scores(probabilities.argmax(1), probabilities)


def pair(metric: str, seed: int, rows: int = 300, better: float = 0.0) -> tuple[np.ndarray, Scores, Scores]:
    """Targets, challenger and champion; `better` moves the challenger."""
    random = np.random.default_rng(seed)
    if problem_of(metric) == "regression":
        targets = random.normal(size=rows)
        errors = random.normal(size=(2, rows))
        return targets, Scores(targets + (0.5 - better / 10) * errors[0]), Scores(targets + 0.5 * errors[1])
    targets = random.integers(0, 3, rows)
    return targets, model(random, targets, 1.5 + better), model(random, targets, 1.5)


def judged(metric: str, draw: tuple[np.ndarray, Scores, Scores], rule: str = "non_inferior", **options):
    return judge(problem_of(metric), metric, *draw, rule, **options)


@pytest.mark.parametrize("metric", METRICS)
def test_values_are_those_the_metrics_report(metric):
    targets, challenger, champion = pair(metric, 0)
    found = judged(metric, (targets, challenger, champion))
    for value, scores in ((found.champion, champion), (found.challenger, challenger)):
        known, _ = compute(problem_of(metric), targets, scores.prediction, scores.probabilities, (0, 1, 2))
        assert value == pytest.approx(known[metric], rel=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_the_difference_is_positive_for_the_better_model_and_relative_for_losses(metric):
    found = judged(metric, pair(metric, 1, better=1.5))
    change = found.challenger - found.champion
    change = -change if metric in SMALLER_IS_BETTER else change
    expected = change / found.champion if metric in RELATIVE_METRICS else change
    assert expected > 0
    assert found.difference == pytest.approx(expected, rel=1e-9)
    assert found.interval[0] < found.difference < found.interval[1]


@pytest.mark.parametrize("metric", METRICS)
def test_a_much_better_challenger_is_promoted_and_the_other_way_round_rejected(metric):
    targets, challenger, champion = pair(metric, 2, rows=600, better=2.5)
    assert judged(metric, (targets, challenger, champion), "superior").verdict == "promote"
    back = judged(metric, (targets, champion, challenger), "superior")
    assert back.verdict == "reject"
    assert back.interval[1] < 0
    assert back.reason.startswith("Shown to be worse")
    assert judged(metric, (targets, champion, challenger), "non_inferior", margin=0.01).verdict == "reject"


@pytest.mark.parametrize("metric", METRICS)
def test_identical_predictions_promote_a_refresh_and_hold_a_change(metric):
    targets, challenger, _ = pair(metric, 3)
    assert judged(metric, (targets, challenger, challenger), margin=0.05).verdict == "promote"
    held = judged(metric, (targets, challenger, challenger), "superior")
    assert held.verdict == "hold"
    assert held.difference == 0
    assert "both models say the same about every row" in held.reason


def test_identical_predictions_on_too_few_rows_are_held_and_the_sentence_says_how_many_are_needed():
    targets, challenger, _ = pair("accuracy", 3, rows=60)
    found = judged("accuracy", (targets, challenger, challenger), margin=0.02)
    assert found.verdict == "hold"
    assert found.rows_needed > 60
    assert f"about {found.rows_needed} rows are needed" in found.reason


@pytest.mark.parametrize("metric", sorted(MINIMUM_UNITS))
def test_below_the_least_number_of_rows_the_verdict_is_hold_and_names_it(metric):
    least = MINIMUM_UNITS[metric]
    found = judged(metric, pair(metric, 4, rows=least - 1, better=3), margin=10.0)
    assert found.verdict == "hold"
    assert f"needs at least {least} rows" in found.reason
    assert found.rows_needed == least
    assert judged(metric, pair(metric, 4, rows=least, better=3), margin=10.0).verdict == "promote"


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "precision_macro", "recall_macro", "roc_auc", "r2"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=6, deadline=None)
def test_swapping_the_models_flips_the_sign_and_mirrors_the_interval(metric, seed):
    targets, challenger, champion = pair(metric, seed, rows=80)
    one, other = judged(metric, (targets, challenger, champion)), judged(metric, (targets, champion, challenger))
    assert other.difference == pytest.approx(-one.difference, abs=1e-9)
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]), abs=1e-7)


@pytest.mark.parametrize("metric", ["log_loss", "rmse", "mae"])
@given(seed=st.integers(0, 10_000))
@settings(max_examples=4, deadline=None)
def test_swapping_the_models_flips_the_sign_of_relative_differences(metric, seed):
    targets, challenger, champion = pair(metric, seed, rows=220)
    one, other = judged(metric, (targets, challenger, champion)), judged(metric, (targets, champion, challenger))
    assert math.copysign(1, one.difference) == -math.copysign(1, other.difference)
    # "One tenth less" one way is "one ninth more" the other way.
    assert other.difference == pytest.approx(-one.difference / (1 - one.difference), rel=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=3, deadline=None)
def test_the_order_of_rows_changes_nothing(metric, seed):
    targets, challenger, champion = pair(metric, seed, rows=210)
    order = np.random.default_rng(seed).permutation(210)
    moved = [
        Scores(each.prediction[order], None if each.probabilities is None else each.probabilities[order])
        for each in (challenger, champion)
    ]
    one, other = judged(metric, (targets, challenger, champion)), judged(metric, (targets[order], *moved))
    assert other.interval == pytest.approx(one.interval, abs=1e-9)
    assert (other.verdict, other.reason) == (one.verdict, one.reason)


@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 10_000), confidence=st.floats(0.7, 0.9))
@settings(max_examples=3, deadline=None)
def test_more_confidence_never_narrows_the_interval(metric, seed, confidence):
    draw = pair(metric, seed, rows=210)
    narrow = judged(metric, draw, confidence=confidence).interval
    wide = judged(metric, draw, confidence=confidence + 0.08).interval
    assert wide[0] <= narrow[0] + 1e-9
    assert wide[1] >= narrow[1] - 1e-9


def test_labels_of_any_kind_give_the_same_verdict():
    targets, challenger, champion = pair("accuracy", 5)
    names = np.array(["cat", "dog", "eel"])
    worded = [Scores(names[each.prediction], each.probabilities) for each in (challenger, champion)]
    plain, named = judged("f1_macro", (targets, challenger, champion)), judged("f1_macro", (names[targets], *worded))
    assert plain == named
    loss = judge("classification", "log_loss", names[targets], *worded, "superior", classes=list(names))
    assert loss == judged("log_loss", (targets, challenger, champion), "superior")


def test_groups_that_repeat_a_row_do_not_make_it_more_evidence():
    targets, challenger, champion = pair("accuracy", 6, rows=200)
    alone = judged("accuracy", (targets, challenger, champion))
    repeated = [Scores(np.repeat(each.prediction, 5)) for each in (challenger, champion)]
    groups = np.repeat([f"patient {number}" for number in range(200)], 5)
    grouped = judged("accuracy", (np.repeat(targets, 5), *repeated), groups=groups)
    blind = judged("accuracy", (np.repeat(targets, 5), *repeated))
    assert grouped.interval == pytest.approx(alone.interval, abs=1e-6)
    assert blind.interval[1] - blind.interval[0] < 0.6 * (alone.interval[1] - alone.interval[0])
    assert grouped.method == "score interval by group"


def test_groups_below_the_least_number_are_held_however_many_rows_they_have():
    targets, challenger, champion = pair("rmse", 7, rows=400, better=3)
    found = judged("rmse", (targets, challenger, champion), groups=np.arange(400) % 10)
    assert found.verdict == "hold"
    assert "at least 50 groups of rows" in found.reason


def test_a_metric_without_a_value_holds_and_says_why():
    targets = np.zeros(50, int)
    scores = Scores(targets, np.tile([0.9, 0.1], (50, 1)))
    assert "the rows are all of one class" in judged("roc_auc", (targets, scores, scores)).reason
    assert "gives no probabilities" in judged("roc_auc", (targets, Scores(targets), Scores(targets))).reason
    flat = np.ones(50)
    found = judged("r2", (flat, Scores(flat), Scores(flat)))
    assert (found.verdict, found.difference) == ("hold", None)
    assert "the target is constant" in found.reason
    perfect = judged("rmse", (np.arange(50.0), Scores(np.arange(50.0) + 1), Scores(np.arange(50.0))))
    assert perfect.verdict == "hold"


def test_a_difference_on_one_row_leaves_room_for_others_as_large_as_the_largest_loss():
    targets = np.zeros(60)
    champion = np.random.default_rng(9).normal(size=60)
    challenger = champion.copy()
    challenger[0] *= 1.1
    found = judged("mae", (targets, Scores(challenger), Scores(champion)), margin=0.05)
    assert found.verdict == "hold"
    largest = np.abs(challenger).max() / np.abs(champion).mean()
    assert 2.5 / 60 * largest < -found.interval[0] < 4 / 60 * largest
    assert judged("mae", (targets, Scores(challenger), Scores(champion)), margin=0.3).verdict == "promote"


def test_answers_that_do_not_fit_are_refused():
    targets, challenger, champion = pair("rmse", 10)
    with pytest.raises(ValueError, match="challenger answers a different number of rows than the 300 targets"):
        judged("rmse", (targets, Scores(challenger.prediction[:-1]), champion))
    with pytest.raises(ValueError, match="champion gives an answer that is not finite"):
        judged("rmse", (targets, challenger, Scores(np.full(300, np.nan))))
    with pytest.raises(ValueError, match="rule 'first' compares nothing"):
        judged("rmse", (targets, challenger, champion), "first")


def test_at_gain_zero_accuracy_is_tested_by_midp_mcnemar():
    targets = np.zeros(270, int)
    ours, theirs = np.zeros(270, int), np.zeros(270, int)
    theirs[:5] = 1  # five rows gained, none lost: mid-p 1/64
    found = judged("accuracy", (targets, Scores(ours), Scores(theirs)), "superior")
    assert found.verdict == "promote"
    assert found.midp == pytest.approx(1 / 64)
    assert "mid-p 0.016" in found.reason
    assert judged("accuracy", (targets, Scores(ours), Scores(theirs)), "superior", gain=0.01).verdict == "hold"


def test_the_sentence_gives_difference_rows_interval_and_what_the_rows_could_have_shown():
    targets = np.zeros(270, int)
    ours, theirs = np.zeros(270, int), np.zeros(270, int)
    theirs[:4], ours[3:6] = 1, 1
    found = judged("accuracy", (targets, Scores(ours), Scores(theirs)), "superior")
    assert found.verdict == "hold"
    assert found.reason.startswith("Not shown to be better: accuracy +0.004 on 270 rows, 90 % interval −0.01")
    assert "these rows could have shown 0.02" in found.reason
    assert json.loads(json.dumps(found.evidence, allow_nan=False))["reason"] == found.reason


@pytest.mark.parametrize(
    ("rule", "has_champion", "recipe_changed", "expected"),
    [
        ("auto", False, True, "first"),
        ("superior", False, False, "first"),
        ("auto", True, True, "superior"),
        ("auto", True, False, "non_inferior"),
        ("superior", True, False, "superior"),
        ("non_inferior", True, True, "non_inferior"),
    ],
)
def test_the_rule_follows_from_what_changed(rule, has_champion, recipe_changed, expected):
    assert choose_rule(rule, has_champion=has_champion, recipe_changed=recipe_changed) == expected


def test_the_newest_whole_batches_decide_and_older_ones_guard_if_they_are_enough_to():
    batches = np.repeat([0, 1, 2, 3], [300, 100, 60, 50])
    assert set(batches[decision_rows(batches, 100)]) == {2, 3}
    assert set(batches[decision_rows(batches, 40)]) == {3}
    # 300 older rows could guard 300, but not 301: then all decide.
    assert set(batches[decision_rows(batches, 210)]) == {1, 2, 3}
    assert decision_rows(batches, 301).all()
    assert decision_rows(batches, 10_000).all()


@given(st.lists(st.integers(0, 6), min_size=1, max_size=200), st.integers(0, 250))
def test_decision_rows_are_whole_newest_batches_and_enough_or_all(numbers, needed):
    batches = np.array(numbers)
    mask = decision_rows(batches, needed)
    assert mask.any()
    assert mask.all() or (mask.sum() >= needed and (~mask).sum() >= needed)
    if not mask.all():
        assert batches[mask].min() > batches[~mask].max()


def test_rows_to_decide_follow_disagreement_and_margin():
    targets = np.zeros(1000, int)
    ours, theirs = np.zeros(1000, int), np.zeros(1000, int)
    ours[:10], theirs[10:20] = 1, 1
    wanted = rows_to_decide("classification", "accuracy", targets, Scores(ours), Scores(theirs), 0.02)
    assert wanted == 450  # 9 · 0.02 / 0.02²
    assert rows_to_decide("classification", "accuracy", targets, Scores(ours), Scores(ours), 0.02) == 175
    flat = np.arange(50.0)
    assert rows_to_decide("regression", "rmse", flat, Scores(flat), Scores(flat), 0.1) == 50


def test_all_comparisons_must_promote_and_a_rejection_outweighs_a_hold():
    promote = judged("accuracy", pair("accuracy", 12, 800), margin=0.2)
    targets, challenger, champion = pair("accuracy", 12, 800, better=2)
    reject = judged("accuracy", (targets, champion, challenger), "superior")
    hold = judged("accuracy", pair("accuracy", 12), margin=0.001)
    assert (promote.verdict, reject.verdict, hold.verdict) == ("promote", "reject", "hold")
    assert combine(promote) == ("promote", promote.reason)
    assert combine(promote, promote, promote)[0] == "promote"
    assert combine(promote, hold) == ("hold", "On older rows: " + hold.reason)
    assert combine(hold, None, reject) == ("reject", "Against the anchor: " + reject.reason)


@pytest.mark.parametrize("metric", METRICS)
def test_a_judgement_on_two_thousand_rows_takes_less_than_a_second(metric):
    draw = pair(metric, 13, rows=2000)
    started = time.process_time()
    judged(metric, draw)
    assert time.process_time() - started < 1.5  # a second, with room for a busy machine
