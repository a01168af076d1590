"""Retraining policies: what each says to what facts, and what holds whatever the facts are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tasks.core.errors import RequestError
from tasks.core.upkeep import CustomPolicy, Retraining
from tasks.retrain.conformance import check_policy
from tasks.retrain.policy import Facts, decide

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
RETRAINING: TypeAdapter[Any] = TypeAdapter(Retraining)
KINDS = ("never", "scheduled", "age", "drift", "performance", "hybrid")


def policy(kind: str, **fields: Any) -> Any:
    return RETRAINING.validate_json(json.dumps({"kind": kind, **fields}))


def days(count: float) -> datetime:
    """So many days before now."""
    return NOW - timedelta(days=count)


def facts(**fields: Any) -> Facts:
    """A champion of ten days, 500 labelled rows, and a scheduled tick."""
    usual = Facts(NOW, "1", days(10), days(10), None, None, 500, 20, True, False, "schedule", "every Monday")
    return replace(usual, **fields)


FIRST: dict[str, Any] = {"champion": None, "promoted_at": None, "last_attempt_at": None}
TABLE: list[tuple[str, dict[str, Any], dict[str, Any], bool, str]] = [
    # kind, its fields, the facts, the answer, a part of the sentence
    ("never", {}, {"cause": "person"}, False, "evergreen run"),
    ("never", {}, FIRST, False, "never"),
    ("scheduled", {}, {}, True, "schedule asked"),
    ("scheduled", {}, {"cause": "drift", "drift_confirmed_at": NOW}, False, "next tick of the schedule"),
    ("scheduled", {}, {"cause": "person", "reason": "new labels"}, True, "A person asked for it: new labels"),
    ("scheduled", {}, {"last_attempt_at": days(0.25)}, False, "in 18.0 hours, at 2026-03-11 06:00 UTC"),
    (
        "scheduled",
        {"min_rows": 501},
        {},
        False,
        "There are 500 labelled rows, and retraining.min_rows is 501: 1 more is",
    ),
    ("age", {"max_age_days": 10}, {}, True, "10.0 days ago, and retraining.max_age_days is 10"),
    ("age", {"max_age_days": 11}, {}, False, "is reached in 24.0 hours, at 2026-03-11 12:00 UTC"),
    ("age", {"max_age_days": 90}, {"cause": "person"}, True, "person"),
    ("age", {"max_age_days": 90}, {"drift_confirmed_at": NOW, "cause": "drift"}, False, "max_age_days (90)"),
    ("age", {}, FIRST, True, "There is no champion yet"),
    ("age", {"max_age_days": 5}, {"last_attempt_at": None, "promoted_at": days(4)}, False, "4.0 days ago"),
    ("age", {"max_age_days": 5}, {"last_attempt_at": None, "promoted_at": None}, True, "at no known time"),
    ("drift", {}, {}, False, "No drift has been confirmed."),
    ("drift", {}, {"drift_confirmed_at": days(1)}, True, "Drift was confirmed 24.0 hours ago."),
    ("drift", {}, {"drift_confirmed_at": days(11)}, False, "since the last attempt at 2026-02-28 12:00 UTC"),
    ("drift", {}, {"performance_worse_at": NOW}, False, "No drift"),
    ("drift", {}, FIRST, True, "no champion"),
    (
        "drift",
        {"cooldown_days": 0},
        {"last_attempt_at": days(1), "last_attempt_began_at": days(3), "drift_confirmed_at": days(2)},
        True,
        "2.0 days ago",
    ),
    ("performance", {}, {"performance_worse_at": days(1)}, True, "shown to do worse 24.0 hours ago"),
    ("performance", {}, {"drift_confirmed_at": days(1)}, False, "has not been shown to do worse"),
    ("hybrid", {"max_age_days": 30}, {}, False, "No drift has been confirmed; the champion has not been shown"),
    ("hybrid", {"max_age_days": 30}, {"drift_confirmed_at": NOW}, True, "Drift was confirmed 0 seconds ago"),
    ("hybrid", {"max_age_days": 30}, {"performance_worse_at": NOW}, True, "worse"),
    ("hybrid", {"max_age_days": 7}, {}, True, "max_age_days is 7"),
    (
        "hybrid",
        {"cooldown_days": 20},
        {"drift_confirmed_at": NOW},
        False,
        "cooldown_days is 20: a retraining may begin in 10",
    ),
    ("hybrid", {"cooldown_days": 20}, {**FIRST, "last_attempt_at": days(1)}, True, "no champion"),
    ("hybrid", {"cooldown_days": 20}, {"cause": "person"}, False, "a retraining may begin in 10.0 days"),
    ("hybrid", {"min_rows": 900}, {"cause": "person"}, False, "400 more are needed"),
    ("hybrid", {"min_rows": 900}, {"cause": "person", "labelled_rows": None}, True, "person"),
    ("age", {"max_age_days": 7}, {"source_changed": False}, True, "only other code or libraries give another model"),
]


@pytest.mark.parametrize(("kind", "fields", "known", "answer", "says"), TABLE)
def test_a_policy_answers_and_says_why(
    kind: str, fields: dict[str, Any], known: dict[str, Any], answer: bool, says: str
) -> None:
    decision = decide(policy(kind, **fields), facts(**known))
    assert (decision.retrain, says in decision.reason) == (answer, True), decision


moments = st.none() | st.floats(-1, 400).map(days)
anything = st.builds(
    Facts,
    now=st.just(NOW),
    champion=st.none() | st.just("3"),
    promoted_at=moments,
    last_attempt_at=moments,
    drift_confirmed_at=moments,
    performance_worse_at=moments,
    labelled_rows=st.none() | st.integers(0, 2000),
    new_labelled_rows=st.none() | st.integers(0, 2000),
    source_changed=st.booleans(),
    recipe_changed=st.booleans(),
    cause=st.sampled_from(("drift", "performance", "schedule", "person")),
    reason=st.text(max_size=30),
    last_attempt_began_at=moments,
)
policies = st.builds(
    lambda kind, cooldown, rows, age: policy(
        kind,
        cooldown_days=cooldown,
        min_rows=rows,
        **({"max_age_days": age} if kind in ("age", "hybrid") else {}),
    ),
    st.sampled_from(KINDS),
    st.floats(0, 50),
    st.integers(1, 1500),
    st.floats(0.1, 100),
)


@settings(deadline=None)
@given(policies, anything)
def test_a_cool_down_is_never_violated_and_never_in_the_way_of_the_first_champion(rule: Any, known: Facts) -> None:
    decision = decide(rule, known)
    last = known.last_attempt_at
    too_soon = last is not None and NOW - last < timedelta(days=rule.cooldown_days)
    if known.champion is not None and too_soon:
        assert not decision.retrain
    if known.champion is None:
        assert "cooldown" not in decision.reason
        assert decision == decide(rule.model_copy(update={"cooldown_days": 10**4}), known)


@settings(deadline=None)
@given(policies, anything)
def test_too_few_labelled_rows_are_never_enough(rule: Any, known: Facts) -> None:
    if known.labelled_rows is not None and known.labelled_rows < rule.min_rows:
        assert not decide(rule, known).retrain


@settings(deadline=None)
@given(policies, anything, st.floats(0, 400))
def test_an_older_champion_is_retrained_whenever_a_younger_one_is(rule: Any, known: Facts, more: float) -> None:
    """Whoever would retrain now would retrain later as well, nothing else having happened."""
    if decide(rule, known).retrain:
        assert decide(rule, replace(known, now=NOW + timedelta(days=more))).retrain


@settings(deadline=None)
@given(anything, st.floats(0, 50))
def test_never_means_never(known: Facts, cooldown: float) -> None:
    assert not decide(policy("never", cooldown_days=cooldown), known).retrain


@settings(deadline=None)
@given(policies, anything)
def test_every_answer_is_explained_in_a_sentence(rule: Any, known: Facts) -> None:
    reason = decide(rule, known).reason
    assert reason == reason.strip() and reason[-1] in ".!?" and reason[0] == reason[0].upper() and "\n" not in reason


@settings(deadline=None)
@given(policies, anything, st.integers(-23, 23), st.integers(-23, 23))
def test_the_answer_does_not_depend_on_the_time_zone_of_a_clock(rule: Any, known: Facts, one: int, two: int) -> None:
    def elsewhere(moment: datetime | None, hours: int) -> Any:
        return None if moment is None else moment.astimezone(timezone(timedelta(hours=hours)))

    moved = replace(
        known,
        now=elsewhere(known.now, one),
        last_attempt_at=elsewhere(known.last_attempt_at, two),
        drift_confirmed_at=elsewhere(known.drift_confirmed_at, one),
        promoted_at=elsewhere(known.promoted_at, two),
    )
    assert decide(rule, moved) == decide(rule, known)


@settings(deadline=None)
@given(policies, anything)
def test_a_person_is_asked_for_no_age_and_no_drift(rule: Any, known: Facts) -> None:
    known = replace(known, cause="person", champion=None, labelled_rows=None)
    assert decide(rule, known).retrain == (rule.kind != "never")


def own(tmp_path: Path, body: str, **fields: Any) -> CustomPolicy:
    (tmp_path / "own.py").write_text(
        f"import itertools\ncount = itertools.count()\ndef ask(facts, least=1):\n    {body}\n"
    )
    found: CustomPolicy = policy("custom", ref="own.py:ask", **fields)
    return found


def test_a_policy_of_ones_own_decides_from_the_facts_and_its_arguments(tmp_path: Path) -> None:
    body = "return (facts.new_labelled_rows or 0) >= least, f'{facts.new_labelled_rows} new rows'"
    assert decide(own(tmp_path, body, args={"least": 20}), facts(), tmp_path).retrain
    decision = decide(own(tmp_path, body, args={"least": 21}), facts(cause="person"), tmp_path)
    assert (decision.retrain, decision.reason) == (False, "20 new rows.")
    early = decide(own(tmp_path, body, cooldown_days=11), facts(), tmp_path)
    assert not early.retrain and "cooldown_days" in early.reason
    assert check_policy(own(tmp_path, body), tmp_path) == [
        "answers with (bool, sentence)",
        "the same facts, the same answer",
    ]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return True", "gives bool, not a pair"),
        ("return 1, 'because'", r"gives \(int, str\)"),
        ("return True, ''", r"gives \(bool, nothing\)"),
        ("return True, '  '", r"gives \(bool, str\)"),
        ("return None", "gives NoneType"),
        ("return facts.nothing", "raises AttributeError"),
    ],
)
def test_a_policy_of_ones_own_that_gives_something_else_is_refused_by_name(
    tmp_path: Path, body: str, says: str
) -> None:
    for ask in (lambda rule: decide(rule, facts(), tmp_path), lambda rule: check_policy(rule, tmp_path)):
        with pytest.raises(RequestError, match=f"^retraining.ref: the policy 'own.py:ask' {says}") as caught:
            ask(own(tmp_path, body))
        assert caught.value.remedy and caught.value.exit_code == 2


def test_a_policy_of_ones_own_that_throws_dice_is_found_out(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="two different answers to the same facts"):
        check_policy(own(tmp_path, "return next(count) % 2 == 0, 'dice'"), tmp_path)
