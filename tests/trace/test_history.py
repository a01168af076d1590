"""History shows decisions and moves, and a move only where the champion did move."""

from __future__ import annotations

from typing import Any

from tasks.stores import triggers
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


def test_the_life_of_a_trigger_is_told_in_sentences(home: Any) -> None:
    verdict = {"champion": "2", "window": {"rows": 80}, "detected": True, "reason": "Drift is confirmed in 2 windows."}
    line = Ledger(home.ledger).append("drift", "claims", verdict)
    first = triggers.propose(home, "claims", "Drift is confirmed in 2 windows.", "drift", evidence=line.hash)
    second = triggers.propose(home, "claims", "The schedule says so.", "schedule")
    third = triggers.propose(home, "claims", "Ann wants to see.", "person")
    triggers.take(home, "claims", first.id, "source")
    triggers.end(home, "claims", first.id, "ran", "Version 3 was promoted.")
    triggers.end(home, "claims", second.id, "coalesced", "The same rows.", into=first.id)
    triggers.end(home, "claims", third.id, "refused", "The cooldown lasts another 3 hours.")
    shown = [(entry["kind"], entry["version"], entry["reason"]) for entry in history(home, "claims")]
    assert shown == [
        ("drift", "2", "Drift is confirmed in 2 windows."),
        ("trigger", None, f"trigger {first.id[:8]} asks for a retraining: Drift is confirmed in 2 windows."),
        ("trigger", None, f"trigger {second.id[:8]} asks for a retraining: The schedule says so."),
        ("trigger", None, f"trigger {third.id[:8]} asks for a retraining: Ann wants to see."),
        ("trigger", None, f"trigger {first.id[:8]} is acted on"),
        ("trigger", None, f"trigger {first.id[:8]} ran: Version 3 was promoted."),
        ("trigger", None, f"trigger {second.id[:8]} coalesced into trigger {first.id[:8]}: The same rows."),
        ("refused", None, f"trigger {third.id[:8]} refused: The cooldown lasts another 3 hours."),
    ]


def test_a_decision_that_a_person_has_to_approve_says_how_far_that_has_come(home: Any) -> None:
    def shown(follow: str) -> str:
        model = f"digits{follow}"
        waits = ledger.append("promote", model, {"version": "2", "champion": "1", "reason": "Better.", "waiting": True})
        if follow == "-approved":
            ledger.append("promote", model, {"version": "2", "reason": "fine", "by_person": True, "basis": waits.hash})
        elif follow == "-overtaken":
            ledger.append("hold", model, {"version": "3", "champion": "1", "reason": "not shown"})
        return str(history(home, model)[0]["reason"])

    ledger = Ledger(home.ledger)
    assert shown("") == "Better. It waits for approval: `evergreen promote digits/2 --reason …`."
    assert shown("-approved") == "Better. A person approved it."
    assert shown("-overtaken") == "Better. It waited for approval, and was overtaken."


def test_a_trigger_is_told_from_asking_to_its_end(home: Any) -> None:
    one = triggers.propose(home, "digits", "drift was confirmed", "drift")
    triggers.take(home, "digits", one.id, "s")
    triggers.begin(home, "digits", one.id, "s", "Drift was confirmed today.")
    triggers.end(home, "digits", one.id, "ran", "held: not shown", decision="d" * 64)
    assert [(entry["kind"], entry["reason"].partition(" ")[2][9:]) for entry in history(home, "digits")] == [
        ("trigger", "asks for a retraining: drift was confirmed"),
        ("trigger", "is acted on"),
        ("trigger", "is run: Drift was confirmed today."),
        ("trigger", "ran: held: not shown"),
    ]
