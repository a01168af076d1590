"""Which earlier windows count, which verdict asks for what, and that a line and its trigger are written once."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.core.errors import RequestError
from tasks.monitor import record
from tasks.stores import triggers
from tasks.stores.ledger import Ledger


def body(fingerprint: str, *, detected: bool = True, **changes: Any) -> dict[str, Any]:
    window = {"rows": 80, "labelled": 0, "from": None, "to": None, "fingerprint": fingerprint, "origin": "data"}
    window |= {key: changes.pop(key) for key in ("origin", "to") if key in changes}
    found = {"window": window, "champion": "1", "settings": "s", "judged": True, "detected": detected}
    return {**found, "confirmed": False, "performance": None, "reason": "Because.", **changes}


def counted(home: Any, *bodies: dict[str, Any], fingerprint: str = "now", origin: str = "data") -> list[bool]:
    for number, found in enumerate(bodies):
        record.record(home, "claims", {**found, "number": number})
    return record.detections(record.drift_lines(home, "claims"), fingerprint, "1", origin)


def test_windows_count_in_their_order(home: Any) -> None:
    assert counted(home, body("a"), body("b", detected=False), body("c")) == [True, False, True]


def test_windows_of_another_champion_and_windows_nobody_could_judge_do_not_count(home: Any) -> None:
    assert counted(home, body("a", champion="2"), body("b", judged=False), body("c", detected=False)) == [False]


def test_files_and_the_source_confirm_each_other_and_the_journal_itself_alone(home: Any) -> None:
    lines = (body("a"), body("b", origin="source", detected=False), body("c", origin="journal"))
    assert counted(home, *lines) == [True, False]
    assert record.detections(record.drift_lines(home, "claims"), "now", "1", "journal") == [True]


def test_a_window_judged_again_counts_once_where_it_was_judged_last_and_never_confirms_itself(home: Any) -> None:
    again = body("a", settings="other", detected=False)
    assert counted(home, body("a"), body("b"), again) == [True, False]
    assert record.detections(record.drift_lines(home, "claims"), "b", "1", "data") == [False]


def test_the_same_verdict_is_one_line(home: Any) -> None:
    first = record.record(home, "claims", body("a"))
    assert record.record(home, "claims", body("a", reason="In other words.")).hash == first.hash
    assert record.record(home, "claims", body("a", settings="other")).hash != first.hash
    assert record.record(home, "claims", body("a", champion="2")).hash != first.hash
    assert len(record.drift_lines(home, "claims")) == 3


def test_what_json_cannot_say_is_none(home: Any) -> None:
    line = record.record(home, "claims", body("a", statistic=float("inf"), columns=[{"effect": float("nan")}]))
    assert (line.body["statistic"], line.body["columns"]) == (None, [{"effect": None}])


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"confirmed": True}, "drift"),
        ({"confirmed": True, "performance": {"worse": True}}, "drift"),
        ({"performance": {"worse": True}}, "performance"),
        ({"performance": {"worse": False}}, None),
        ({}, None),
    ],
)
def test_a_verdict_asks_for_a_retraining_where_drift_is_confirmed_or_the_champion_does_worse(
    home: Any, changes: dict[str, Any], cause: str | None
) -> None:
    line = record.record(home, "claims", body("a", **changes))
    trigger = record.trigger_of(home, line)
    assert (trigger.cause if trigger else None) == cause
    assert record.trigger_of(home, line) == trigger
    assert len(triggers.every(home, "claims")) == (cause is not None)


def test_settling_writes_what_is_owed_and_nothing_twice(home: Any) -> None:
    told = record.record(home, "claims", body("a", confirmed=True))
    known = record.trigger_of(home, told)
    owed = record.record(home, "claims", body("b", confirmed=True))
    record.record(home, "claims", body("c"))
    (late,) = record.settle(home, "claims")
    assert late.evidence == owed.hash and known is not None and late.id != known.id
    assert record.settle(home, "claims") == []
    assert record.line_behind(home, late) == owed


def test_the_journal_is_read_from_where_its_last_window_ended(home: Any) -> None:
    assert record.journal_seen(record.drift_lines(home, "claims")) == ""
    record.record(home, "claims", body("a", origin="journal", to="2026-01-02T00:00:00+00:00"))
    record.record(home, "claims", body("b", origin="source", to="2026-05-05"))
    record.record(home, "claims", body("c", origin="journal", to="2026-01-03T00:00:00+00:00"))
    assert record.journal_seen(record.drift_lines(home, "claims")) == "2026-01-03T00:00:00+00:00"


def test_a_model_without_a_champion_is_refused_with_a_way_out(home: Any) -> None:
    with pytest.raises(RequestError, match="no champion") as refused:
        record.champion_of(home, "claims", "claims/recipe.yaml")
    assert "evergreen run claims/recipe.yaml" in refused.value.remedy
    assert Ledger(home.ledger).entries() == []
