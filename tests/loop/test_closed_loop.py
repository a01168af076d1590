"""The closed loop with real servers: rows come, drift is confirmed, an event starts a retraining, and it is decided."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from flows.events import announce
from tasks.stores import triggers
from tasks.stores.ledger import parse_time
from tests.alerts.conftest import Receiver
from tests.loop.looping import Loop, new_loop, rows
from tests.up.serving import Up, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LOOP = ["drift", "pending", "taken", "begun"]
"""The ledger's lines up to the run that a trigger leads to."""
SHOWN_BETTER = {"rule": "superior", "gain": 0.1}


def hooked(receiver: Receiver, **changes: Any) -> dict[str, Any]:
    return {"alerts": [{"kind": "webhook", "url": receiver.url}], **changes}


def alerts(receiver: Receiver, model: str) -> list[dict[str, Any]]:
    return [post for post in receiver.posts if post["model"] == model]


@pytest.fixture(scope="module")
def claims(up: Up, receiver: Receiver) -> Loop:
    """One window confirms, and an equal or better model is promoted."""
    return new_loop(up, "claims", **hooked(receiver))


def test_rows_as_before_start_nothing(claims: Loop, receiver: Receiver):
    claims.append(rows(10_000, 90))
    before = len(claims.entries)
    answer = claims.monitor("--fail-on-drift")
    assert (answer["code"], answer["drift"]["detected"], answer["trigger_id"]) == (0, False, None), answer
    assert answer["window"]["rows"] == 90
    # Long enough for an event, or for a trigger that was left in the ledger, to be acted on.
    time.sleep(20)
    assert claims.story(before) == ["drift"]
    assert claims.up.prefect.runs("retrain/claims") == []
    assert (claims.champion, alerts(receiver, "claims")) == ("1", [])


def test_rows_that_cannot_be_true_stop_the_run_and_the_champion_stays(claims: Loop, receiver: Receiver):
    bad = rows(20_000, 120, visits=-900)
    claims.append(bad)
    before = len(claims.entries)
    answer = claims.monitor()
    assert answer["drift"]["confirmed"], answer
    trigger = claims.ended(answer["trigger_id"])
    assert trigger.state == "ran" and "expectations" in trigger.outcome, trigger
    assert claims.story(before) == [*LOOP, "stop", "ran"]
    (run,) = claims.flow_runs_ended(trigger.id)
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Stopped"), run["state"]
    assert (claims.champion, claims.versions) == ("1", ["1"])
    drifted, stopped = wait_for(lambda: alerts(receiver, "claims")[1:] and alerts(receiver, "claims"), 30, "alerts")
    assert (drifted["event"], stopped["event"]) == ("drifted", "stopped")
    assert "expectations" in str(stopped) and stopped["champion"] == "1", stopped
    claims.take_back(bad)


def test_rows_that_cannot_be_read_are_looked_at_by_nobody_and_somebody_is_told(claims: Loop, receiver: Receiver):
    bad = [line.replace(",", ",many ", 1) for line in rows(30_000, 60)]
    claims.append(bad)
    before, told = len(claims.entries), len(receiver.posts)
    looked = claims.up.prefect.ended(claims.up.prefect.start("monitor/claims"))
    assert (looked["state_type"], looked["state_name"]) == ("FAILED", "Refused"), looked["state"]
    assert "'visits'" in looked["state"]["message"] and "many" not in looked["state"]["message"]
    run = claims.up.prefect.ended(claims.up.prefect.start("retrain/claims", reason="a person asks"))
    assert (run["state_type"], run["state_name"]) == ("FAILED", "Stopped"), run["state"]
    assert claims.story(before) == ["pending", "taken", "begun", "stop", "ran"]
    assert claims.champion == "1"
    wait_for(lambda: len(receiver.posts) >= told + 2, 30, "the alerts")
    assert [post["event"] for post in receiver.posts[told:]] == ["stopped", "stopped"]
    assert "many" not in str(receiver.posts[told:]), "a value of a row left the machine"
    claims.take_back(bad)


def test_a_subpopulation_the_champion_gets_wrong_leads_to_a_promotion(claims: Loop, receiver: Receiver):
    claims.append(rows(40_000, 240, coast=0.9))
    before, told = len(claims.entries), len(receiver.posts)
    answer = claims.monitor()
    assert answer["drift"]["confirmed"] and answer["announced"], answer
    assert "region" in {column["name"] for column in answer["drift"]["columns"] if column["drifted"]}
    assert answer["performance"]["worse"] is True, "the labels show what the champion gets wrong"

    trigger = claims.ended(answer["trigger_id"])
    assert trigger.state == "ran" and trigger.outcome.startswith("promoted"), trigger
    assert claims.story(before) == [*LOOP, "promote", "intent", "done", "ran"]
    drift, pending, *_ = claims.entries[before:]
    assert pending.body["evidence"] == drift.hash
    assert (claims.champion, claims.versions) == ("2", ["1", "2"])

    (event,) = claims.events(trigger.id)
    assert event["payload"]["statistic"] == drift.body["statistic"]
    (run,) = claims.flow_runs_ended(trigger.id)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Promoted"), run["state"]
    assert run["created_by"]["type"] == "AUTOMATION", "the event started it"
    (drifted,) = receiver.posts[told:]
    assert (drifted["event"], drifted["model"], drifted["champion"]) == ("drifted", "claims", "1")

    again = claims.monitor()
    assert (again["window"]["rows"], again["trigger_id"]) == (0, None), "what was trained on is no longer new"
    claims.check_books()


def test_two_windows_confirm_and_a_model_that_is_not_shown_to_be_better_is_held(up: Up, receiver: Receiver):
    loans = new_loop(
        up,
        "loans",
        **hooked(receiver, monitoring={"windows_to_confirm": 2}, gates={"promotion": SHOWN_BETTER}),
    )
    before = len(loans.entries)
    # The same rule holds for these rows: there is nothing to gain.
    loans.append(rows(50_000, 80, along=3))
    first = loans.monitor()
    assert (first["drift"]["detected"], first["drift"]["confirmed"], first["trigger_id"]) == (True, False, None)
    loans.append(rows(51_000, 80, along=3))
    second = loans.monitor()
    assert second["drift"]["confirmed"], second

    trigger = loans.ended(second["trigger_id"])
    assert trigger.state == "ran" and trigger.outcome.startswith("held"), trigger
    assert loans.story(before) == ["drift", *LOOP, "hold", "ran"]
    (run,) = loans.flow_runs_ended(trigger.id)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Held"), run["state"]
    assert (loans.champion, loans.versions) == ("1", ["1", "2"])
    assert [post["event"] for post in alerts(receiver, "loans")] == ["drifted"], "a hold alerts nobody"
    loans.check_books()


def test_five_alarms_within_a_minute_make_one_model(up: Up):
    storms = new_loop(up, "storms")
    storms.append(rows(60_000, 240, coast=0.9))
    before = len(storms.entries)
    looking = threading.Thread(target=storms.monitor)
    looking.start()
    # Before its run can have come far, four others sound the alarm at one moment.
    (first,) = wait_for(lambda: storms.triggers, 180, "the trigger of the verdict")
    names = [first.id, *(f"alarm-{number}" for number in range(4))]
    threads = [threading.Thread(target=sound, args=(storms, name)) for name in names[1:]]
    for thread in threads:
        thread.start()
    for thread in [*threads, looking]:
        thread.join()
    known = [parse_time(trigger.time) for trigger in storms.triggers]
    assert len(known) == 5 and max(known) - min(known) < timedelta(minutes=1)

    found = [storms.ended(name) for name in names]
    assert Counter(trigger.state for trigger in found) == {"ran": 1, "coalesced": 4}, storms.story(before)
    ran = next(trigger for trigger in found if trigger.state == "ran")
    assert {trigger.into for trigger in found if trigger.state == "coalesced"} == {ran.id}
    assert ran.outcome.startswith("promoted")
    assert Counter(storms.story(before))["begun"] == 1, "one run"
    assert (storms.champion, storms.versions) == ("2", ["1", "2"])
    runs = [run for name in names for run in storms.flow_runs_ended(name)]
    assert len(runs) == 5, "each has a short flow of its own, which took its line first"
    assert Counter(run["state_name"] for run in runs) == {"Promoted": 1, "Coalesced": 4}
    storms.check_books()


def sound(loop: Loop, name: str) -> None:
    """An alarm of its own: the trigger in the ledger, then its event."""
    trigger = triggers.propose(loop.home, loop.name, "somebody else saw it too", "drift", trigger_id=name)
    assert announce(loop.home, trigger, str(loop.folder / "recipe.yaml"))
