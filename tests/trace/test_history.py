"""History shows decisions and moves, and a move only where the champion did move."""

from __future__ import annotations

from typing import Any

from tasks.stores.ledger import Ledger
from tasks.trace.history import history


def test_a_home_without_a_ledger_has_no_history(home: Any) -> None:
    assert history(home, "digits") == []


def test_decisions_are_shown_with_the_move_they_led_to(home: Any) -> None:
    ledger = Ledger(home.ledger)
    first = ledger.append("promote", "digits", {"version": "1", "champion": None, "reason": "the first"}, "ann")
    ledger.append("intent", "digits", {"from": None, "to": "1", "decision": first.hash})
    ledger.append("done", "digits", {"from": None, "to": "1", "decision": first.hash, "outcome": "moved"})
    ledger.append("hold", "digits", {"version": "2", "champion": "1", "reason": "not shown"}, "ben")
    ledger.append("promote", "digits", {"version": "3", "champion": "1", "reason": "better", "waiting": True})
    ledger.append("observed", "digits", {"from": "1", "to": "3", "version": "3", "reason": "moved outside"})
    ledger.append("promote", "wine", {"version": "1", "reason": "another model"})
    shown = history(home, "digits")
    assert [(entry["kind"], entry["version"], entry["from"], entry["to"]) for entry in shown] == [
        ("promote", "1", None, "1"),
        ("hold", "2", None, None),
        ("promote", "3", None, None),
        ("observed", "3", "1", "3"),
    ]
    assert [entry["actor"] for entry in shown[:2]] == ["ann", "ben"]
    assert shown[0]["id"] == first.hash and shown[0]["time"] == first.time and shown[0]["reason"] == "the first"
