from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.special import gammaln
from scipy.stats import norm

from benchmarks.verdict import CASES, Case, Row, interval, main, measure, promotions, table, worlds
from benchmarks.verdict_worlds import CANCER, DIGITS
from tasks.core.stats.proportions import CONTINUITY, tango_statistic
from tasks.release.verdict import judge

REPOSITORY = Path(__file__).parents[2]

FAST = 80


def case_of(setting: str, metric: str) -> Case:
    return next(case for case in CASES if (case.setting.name, case.metric) == (setting, metric))


@pytest.mark.parametrize(
    ("setting", "metric"),
    [
        ("digits", "accuracy"),
        ("digits", "recall_macro"),
        ("breast_cancer", "accuracy"),
        ("breast_cancer", "roc_auc"),
        ("diabetes", "rmse"),
    ],
)
@pytest.mark.parametrize("rule", ["non_inferior", "superior"])
def test_wrong_promotions_stay_below_one_minus_confidence_and_power_above_80_percent(setting, metric, rule):
    row = measure(case_of(setting, metric), rule, FAST)
    assert row.green, row


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("rule", ["non_inferior", "superior"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.setting.name}-{case.metric}-{case.rows}")
def test_every_shipped_metric_keeps_its_word_at_the_shipped_number_of_rows(case, rule):
    row = measure(case, rule, 1000)
    assert row.green, row


@pytest.mark.parametrize(("name", "rows"), [("digits", (250, 270, 290)), ("breast_cancer", (78, 85, 92))])
def test_the_margin_of_a_shipped_recipe_promotes_an_equal_model_by_complete_enumeration(name, rows):
    recipe = yaml.safe_load((REPOSITORY / "data" / name / "recipe.yaml").read_text())
    promotion, setting = recipe["gates"]["promotion"], case_of(name, "accuracy").setting
    assert promotion["metric"] == "accuracy"
    assert promotion["margin"] == case_of(name, "accuracy").margin
    gained, lost = (grid.ravel() for grid in np.meshgrid(np.arange(40), np.arange(40)))
    for count in rows:
        passes = tango_statistic(gained, lost, count, -promotion["margin"], CONTINUITY) > norm.ppf(0.95)
        ways = gammaln(count + 1) - gammaln(gained + 1) - gammaln(lost + 1) - gammaln(count - gained - lost + 1)
        share = setting.disagreement
        chance = np.exp(ways + (gained + lost) * np.log(share / 2) + (count - gained - lost) * np.log1p(-share))
        assert chance[passes].sum() >= 0.8


def test_the_simulation_would_notice_a_rule_without_a_margin_for_chance():
    """Judged at a confidence of one half, the same worlds promote far more than 5 %: the check can fail."""
    case = case_of("digits", "accuracy")
    wrong = promotions(case, "non_inferior", case.margin, 2 * case.margin, "spread", FAST, 0)
    assert interval(wrong, FAST)[0] > 0.05


@pytest.mark.parametrize("metric", ["accuracy", "recall_macro", "roc_auc"])
def test_worlds_differ_by_what_they_say(metric):
    """Pooled over many draws, the observed difference is the true one."""
    case = Case(CANCER, metric, 0.1, 0.05)
    for name, make in worlds(case, 0.1).items():
        random, draw = np.random.default_rng(0), make()
        found = [judge("classification", metric, *draw(random), "superior").difference for _ in range(150)]
        error = np.std(found) / np.sqrt(len(found))
        assert np.mean(found) == pytest.approx(-0.1, abs=4 * error + 0.004), name


def test_interval_is_clopper_and_pearsons():
    assert interval(0, 10, 0.95) == pytest.approx((0.0, 0.3085), abs=1e-4)
    assert interval(5, 10, 0.95) == pytest.approx((0.1871, 0.8129), abs=1e-4)
    assert interval(10, 10, 0.95)[1] == 1.0


def test_the_table_marks_what_fails():
    row = Row("x", "accuracy", 10, "superior", 0.1, 0.2, (0.1, 0.3), "spread", 0.9, (0.8, 0.95), 100, True)
    assert not row.green
    assert "RED" in table([row])


def test_the_command_prints_one_json_object(capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.verdict.CASES", (Case(DIGITS, "accuracy", 0.03, 0.04),))
    assert main(["--quick", "--json"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert [row["rule"] for row in body["rows"]] == ["non_inferior", "superior"]
