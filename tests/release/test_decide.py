"""Deciding: real models on real rows, against a real champion, into a real ledger."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tasks.core.contracts import Gate
from tasks.release.compare import Compared, anchor_version, compare
from tasks.release.decide import carry_out, decide_on
from tasks.release.package import make_package
from tasks.release.promotion import promote, record_decision, rollback
from tasks.stores import registry, runs
from tasks.stores.ledger import Ledger

GATES = {"promotion": {"margin": 0.1}}


def rows_of(count: int = 1200, seed: int = 5) -> pd.DataFrame:
    """Two features and a label that follows from them, wrong in one row of ten."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=count), "z": rng.normal(size=count)})
    truth = frame["x"] + frame["z"] > 0
    return frame.assign(outcome=np.where(rng.random(count) < 0.1, ~truth, truth).astype(int))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return rows_of()


def compared(made: Any, packaged: Any) -> Compared:
    return compare(made.context, made.versioned, made.prepared, made.evaluated, packaged)


def crown(home: Any, name: str, version: str, rule: str = "first") -> None:
    """Make a version champion by a decision of its own."""
    decision = record_decision(home, name, "promote", {"key": f"{name}{version}", "version": version, "rule": rule})
    promote(home, name, version, decision)


def test_the_first_model_is_compared_with_nothing(make_model: Callable[..., Any], rows: pd.DataFrame):
    made = make_model("alone", frame=rows, steps=0)
    found = compared(made, make_package(*made.inputs))
    assert (found.verdict, found.rule, found.gate.state) == ("promote", "first", "skipped")


def test_a_better_model_from_a_changed_recipe_is_superior_and_a_worse_one_rejected(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    weak = make_model("better", 1, frame=rows, steps=0, recipe_hash="1" * 64)
    strong = make_model("better", 2, frame=rows, recipe_hash="2" * 64)
    first, second = make_package(*weak.inputs), make_package(*strong.inputs)
    crown(shared_home, "better", first.version)
    found = compared(strong, second)
    assert (found.verdict, found.rule, found.gate.state, found.champion) == ("promote", "superior", "passed", "1")
    assert found.main.difference > 0.1 and found.main.interval[0] > 0
    assert found.gate.evidence["test_rows"] == found.main.rows and found.gate.evidence["seen_by_one"] == 0
    assert found.champion_metrics["accuracy"] == pytest.approx(found.main.champion)
    crown(shared_home, "better", second.version, "superior")
    back = compared(weak, first)
    assert (back.verdict, back.gate.state) == ("reject", "failed") and "worse" in back.reason
    itself = compared(strong, second)
    assert (itself.verdict, itself.gate.state) == ("hold", "skipped")


def test_an_equally_good_refresh_is_promoted_on_rows_neither_model_has_seen(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    more = pd.concat([rows, rows_of(400, seed=6)], ignore_index=True)
    batches = np.repeat([0, 1], [1200, 400])
    old = make_model("fresh", 1, frame=rows, gates_section=GATES)
    new = make_model("fresh", 2, frame=more, batches=batches, gates_section=GATES)
    first = make_package(*old.inputs)
    crown(shared_home, "fresh", first.version)
    found = compared(new, make_package(*new.inputs))
    assert (found.verdict, found.rule) == ("promote", "non_inferior"), found.reason
    test = pd.read_parquet(shared_home.path(new.evaluated.predictions))
    assert found.gate.evidence["test_rows"] == len(test) > 150
    assert found.gate.evidence["seen_by_one"] == 0, "splits are sticky, so yesterday's champion saw none of them"


def test_another_evergreen_that_resolves_the_same_choices_otherwise_makes_a_refresh(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    made = [make_model("upgraded", attempt, frame=rows, recipe_hash=str(attempt) * 64) for attempt in (1, 2, 3)]
    old, same, other = (
        replace(one, context=replace(one.context, chosen_hash=chosen))
        for one, chosen in zip(made, ("a" * 64, "a" * 64, "b" * 64), strict=True)
    )
    crown(shared_home, "upgraded", make_package(*old.inputs).version)
    assert compared(same, make_package(*same.inputs)).rule == "non_inferior"
    assert compared(other, make_package(*other.inputs)).rule == "superior"


def test_rows_the_champion_trained_on_do_not_count(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    old = make_model("seen", 1, frame=rows, data={"split": {"kind": "random", "key": 1}})
    new = make_model("seen", 2, frame=rows, data={"split": {"kind": "random", "key": 2}})
    crown(shared_home, "seen", make_package(*old.inputs).version)
    evidence = compared(new, make_package(*new.inputs)).gate.evidence
    # About 15 % of the rows that are test under one key are test under the other as well.
    assert 0.7 < evidence["seen_by_one"] / evidence["test_rows"] < 0.95
    assert evidence["rows"] == evidence["test_rows"] - evidence["seen_by_one"]


def test_small_losses_are_held_against_the_anchor(make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame):
    good = make_model("anchored", 1, frame=rows, gates_section=GATES)
    poor = [make_model("anchored", attempt, frame=rows, steps=0, gates_section=GATES) for attempt in (2, 3)]
    versions = [make_package(*made.inputs) for made in (good, *poor)]
    crown(shared_home, "anchored", versions[0].version, "first")
    crown(shared_home, "anchored", versions[1].version, "non_inferior")
    assert anchor_version(poor[1].context) == "1"
    found = compared(poor[1], versions[2])
    assert found.main.verdict == "promote", "it is as good as the champion"
    assert found.verdict != "promote" and found.reason.startswith("Against the anchor")
    assert found.gate.state == "failed" and found.gate.evidence["anchor_version"] == "1"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / "scorer.py").write_text("x = 1\n"), "are not those that were registered"),
        (lambda folder: (folder / "MLmodel").unlink(), "The files of models:/.* are gone"),
    ],
)
def test_a_champion_that_cannot_be_trusted_is_never_replaced(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame, spoil: Any, sentence: str
):
    name = "spoilt" if "registered" in sentence else "gone"
    old, new = (make_model(name, attempt, frame=rows, steps=attempt) for attempt in (1, 2))
    first, second = make_package(*old.inputs), make_package(*new.inputs)
    crown(shared_home, name, first.version)
    spoil(runs.local_files(shared_home, first.model_uri))
    found = compared(new, second)
    assert (found.gate.state, found.verdict) == ("error", "hold")
    assert re.search(sentence, found.gate.reason), found.gate.reason


def test_rows_known_in_another_way_cannot_be_compared(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    numbered = rows.assign(number=[f"row{index}" for index in range(len(rows))])
    old = make_model("renamed", 1, frame=rows)
    new = make_model("renamed", 2, frame=numbered, data={"id": "number"})
    crown(shared_home, "renamed", make_package(*old.inputs).version)
    found = compared(new, make_package(*new.inputs))
    assert found.gate.state == "error" and "knew its rows by their features" in found.gate.reason


def test_regression_is_compared_by_its_error(make_model: Callable[..., Any], shared_home: Any):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"size": rng.uniform(0, 100, 800)})
    frame["outcome"] = 20 * frame["size"] + rng.normal(0, 100, 800)
    weak, strong = (
        make_model("price", attempt, problem="regression", frame=frame, steps=steps, recipe_hash=str(attempt) * 64)
        for attempt, steps in ((1, 0), (2, 150))
    )
    crown(shared_home, "price", make_package(*weak.inputs).version)
    found = compared(strong, make_package(*strong.inputs))
    assert found.verdict == "promote" and found.main.metric == "rmse" and found.main.difference > 0.5
    assert found.champion_metrics["rmse"] == pytest.approx(found.main.champion)


def test_a_gate_of_evaluate_that_failed_rejects_before_packaging(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    bad = Gate("thresholds", "failed", 0.9, {"reason": "accuracy 0.5 is below 0.9"})
    made = make_model("refused", frame=rows, steps=0, gates=(bad,))
    decided = decide_on(*made.inputs, None)
    assert (decided.verdict, decided.rule) == ("reject", "first") and "thresholds" in decided.reason
    assert [gate.state for gate in decided.gates] == ["skipped", "skipped"]
    assert Ledger(shared_home.ledger).find(decided.decision_id).kind == "reject"
    assert carry_out(made.context, decided, None).status == "rejected"


def test_from_decision_to_champion_once_and_with_no_row_in_the_ledger(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    made = make_model("story", frame=rows)
    packaged = make_package(*made.inputs)
    decided = decide_on(*made.inputs, packaged)
    assert (decided.verdict, decided.rule, decided.waiting) == ("promote", "first", False)
    assert [(gate.name, gate.state) for gate in decided.gates] == [
        ("servable", "passed"),
        ("better_than_champion", "skipped"),
    ]
    assert decide_on(*made.inputs, packaged).decision_id == decided.decision_id, "a rerun is the same decision"
    drill = replace(made.context, disabled=frozenset({"thresholds"}))
    assert carry_out(drill, decided, packaged).status == "held"
    assert registry.champion_version(shared_home, "story") is None
    done = carry_out(made.context, decided, packaged)
    assert (done.status, done.champion, done.previous) == ("promoted", "1", None)
    assert carry_out(made.context, decided, packaged).champion == "1"
    entries = Ledger(shared_home.ledger).entries("story")
    assert [entry.kind for entry in entries] == ["promote", "intent", "done"]
    text = json.dumps([entry.body for entry in entries])
    assert not [value for value in rows["x"].head(50) if str(round(value, 6)) in text]


@pytest.mark.slow
def test_a_damaged_package_is_rejected_and_a_manual_one_waits(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    made = make_model("manual", frame=rows, gates_section={"promotion": {"approval": "manual"}})
    packaged = make_package(*made.inputs)
    decided = decide_on(*made.inputs, packaged)
    assert decided.waiting and carry_out(made.context, decided, packaged).status == "waiting"
    assert registry.champion_version(shared_home, "manual") is None
    golden = shared_home.path(packaged.golden)
    values = json.loads(golden.read_text())
    values["outputs"][0]["probability_0"] = 0.123
    golden.write_text(json.dumps(values))
    damaged = decide_on(*made.inputs, packaged)
    assert damaged.verdict == "reject" and "golden row 0 differs in probability_0" in damaged.reason
    off = decide_on(replace(made.context, disabled=frozenset({"servable"})), *made.inputs[1:], packaged)
    assert off.gates[0].state == "skipped" and off.verdict == "promote"


@pytest.mark.slow
def test_a_version_a_person_rolled_back_and_its_twin_are_held(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    weak = make_model("blocked", 1, frame=rows, steps=0, recipe_hash="1" * 64)
    strong = make_model("blocked", 2, frame=rows, recipe_hash="2" * 64)
    twin = make_model("blocked", 3, frame=rows, recipe_hash="2" * 64)
    packages = [make_package(*made.inputs) for made in (weak, strong, twin)]
    crown(shared_home, "blocked", packages[0].version)
    crown(shared_home, "blocked", packages[1].version, "superior")
    rollback(shared_home, "blocked", reason="it was rude")
    for made, packaged in ((strong, packages[1]), (twin, packages[2])):
        decided = decide_on(*made.inputs, packaged)
        assert decided.verdict == "hold" and "is blocked" in decided.reason and "--unblock" in decided.reason
        assert carry_out(made.context, decided, packaged).status == "held"
    assert registry.champion_version(shared_home, "blocked") == "1"


def test_a_ledger_that_cannot_be_read_is_an_outage_and_not_a_promotion(
    make_model: Callable[..., Any], shared_home: Any, rows: pd.DataFrame
):
    made = make_model("outage", frame=rows, steps=0)
    packaged = make_package(*made.inputs)
    os.environ["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:9"
    found = compared(made, packaged)
    assert found.gate.state == "error" and found.gate.evidence["service"] == "model registry"
    assert found.verdict == "hold"
