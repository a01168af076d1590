"""Triggers that need no run: refused, coalesced, waited for, taken over, delivered twice; ledger and lease are real."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.attempts import known
from flows.retraining import Retrained, retrain
from tasks.core import clock
from tasks.core.errors import RequestError
from tasks.core.home import Home
from tasks.core.load import LoadedRecipe, load_recipe
from tasks.ingest.readers import fingerprint
from tasks.stores import triggers
from tasks.stores.lease import LeaseTaken
from tasks.stores.ledger import Ledger

RECIPE: dict[str, Any] = {
    "name": "claims",
    "problem": "classification",
    "data": {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome", "id": "id"},
}
HOLD = """
import sys
from pathlib import Path
from tasks.core.home import Home
from tasks.stores.lease import hold
with hold(Home(Path(sys.argv[1])), "claims", sys.argv[2]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., LoadedRecipe]:
    """A recipe whose policy says no, unless the keyword arguments say something else; 60 rows, 57 with a label."""

    def make(**retraining: Any) -> LoadedRecipe:
        folder = tmp_path / "claims"
        folder.mkdir(exist_ok=True)
        rows = [f"{number},{number % 7},{'' if number < 3 else 'yes' if number % 2 else 'no'}" for number in range(60)]
        (folder / "rows.csv").write_text("\n".join(["id,age,outcome", *rows]) + "\n")
        block = retraining or {"kind": "never"}
        (folder / "recipe.yaml").write_text(json.dumps({**RECIPE, "retraining": block}))
        return load_recipe(str(folder))

    return make


@pytest.fixture
def busy(home: Home, root: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts another process that holds the lease of claims for a purpose, until a line is written to it."""
    started = []

    def start(purpose: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(home.root), purpose]
        process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ask(loaded: LoadedRecipe, home: Home, cause: Any = "drift", **more: Any) -> Retrained:
    said: list[str] = more.pop("said", [])
    return retrain(loaded, home, reason=f"{cause} it is", cause=cause, tell=said.append, **more)


def source_of(loaded: LoadedRecipe) -> str:
    return fingerprint(loaded.recipe.data.reader, loaded.folder)


def began(home: Home, source: str, trigger_id: str = "earlier") -> triggers.Trigger:
    """A trigger whose run is under way, or was when its flow was killed."""
    triggers.propose(home, "claims", "drift", "drift", trigger_id=trigger_id)
    return triggers.begin(home, "claims", trigger_id, source, "Drift was confirmed.")


def states(home: Home) -> dict[str, str]:
    return {trigger.id: trigger.state for trigger in triggers.every(home, "claims")}


def test_what_the_policy_refuses_ends_with_its_sentence_in_the_ledger(home: Home, recipe: Any) -> None:
    found = ask(recipe(), home, "schedule")
    assert (found.decision.retrain, found.outcome, found.trigger.state) == (False, None, "refused")
    lines = Ledger(home.ledger).entries("claims")
    assert [(line.kind, line.body["state"]) for line in lines] == [
        ("trigger", "pending"),
        ("trigger", "taken"),
        ("refused", "refused"),
    ]
    assert lines[-1].body["outcome"] == found.decision.reason
    assert "evergreen run" in found.decision.reason


def test_labelled_rows_are_counted_before_anything_is_ingested(home: Home, recipe: Any) -> None:
    found = ask(recipe(kind="hybrid", min_rows=58), home, "person")
    assert found.trigger.outcome == "There are 57 labelled rows, and retraining.min_rows is 58: 1 more is needed."


def test_a_source_that_cannot_be_read_is_for_the_gates_and_not_for_the_policy(home: Home, recipe: Any) -> None:
    loaded = recipe(kind="hybrid", min_rows=58)
    (loaded.folder / "rows.csv").write_text("id,age,outcome\n1,2,yes,4,5\n")
    trigger = triggers.propose(home, "claims", "why", "schedule")
    facts = known(loaded, home, trigger, source_of(loaded))
    assert (facts.labelled_rows, facts.new_labelled_rows) == (None, None)


def test_a_cool_down_counts_from_the_last_decision_of_a_run(home: Home, recipe: Any) -> None:
    loaded = recipe(kind="hybrid", cooldown_days=7)
    now = datetime(2030, 5, 1, 12, tzinfo=UTC)
    with clock.at(now - timedelta(days=2)):
        Ledger(home.ledger).append("hold", "claims", {"version": "2", "champion": "1", "recipe_hash": loaded.hash})
    with clock.at(now - timedelta(days=1)):
        Ledger(home.ledger).append("promote", "claims", {"version": "2", "champion": "1", "by_person": True})
        Ledger(home.ledger).append("drift", "claims", {"confirmed": True, "performance": None})
        Ledger(home.ledger).append("drift", "claims", {"confirmed": False, "performance": {"worse": True}})
    trigger = triggers.propose(home, "claims", "why", "drift")
    with clock.at(now):
        facts = known(loaded, home, trigger, source_of(loaded))
    assert facts.last_attempt_at == now - timedelta(days=2) and facts.now == now
    assert facts.drift_confirmed_at == facts.performance_worse_at == now - timedelta(days=1)
    assert (facts.recipe_changed, facts.source_changed, facts.cause, facts.champion) == (False, True, "drift", None)


def test_a_trigger_about_data_joins_the_run_on_these_data_and_does_not_wait(home: Home, recipe: Any, busy: Any) -> None:
    loaded = recipe()
    running = began(home, source_of(loaded))
    busy("retrain")
    found = ask(loaded, home)
    assert (found.trigger.state, found.trigger.into, found.decision.retrain) == ("coalesced", running.id, False)
    assert states(home)[running.id] == "taken"


def test_a_trigger_about_other_data_waits_and_is_judged(home: Home, recipe: Any, busy: Any) -> None:
    loaded, said = recipe(), []
    running = began(home, "another source")
    other = busy("retrain")
    threading.Timer(1.0, lambda: other.communicate("\n")).start()
    triggers.end(home, "claims", running.id, "ran", "held: not shown", decision="d" * 64)
    found = ask(loaded, home, said=said)
    assert found.trigger.state == "refused" and "evergreen run" in found.trigger.outcome
    assert said == [f"claims: waiting for 'retrain' (process {other.pid}, since {said[0].rpartition(' ')[2]}"]


@pytest.mark.parametrize("purpose", ["run", "promote claims/3"])
def test_what_holds_the_lease_for_another_purpose_answers_no_trigger(
    home: Home, recipe: Any, busy: Any, purpose: str
) -> None:
    """A trigger whose flow died stays open; the one who comes next must not lean on it."""
    loaded = recipe()
    began(home, source_of(loaded))
    busy(purpose)
    with pytest.raises(LeaseTaken):
        ask(loaded, home, trigger_id="mine", wait=False)
    assert states(home) == {"earlier": "taken", "mine": "taken"}


def test_a_person_who_does_not_want_to_wait_is_refused_and_the_ledger_says_so(
    home: Home, recipe: Any, busy: Any
) -> None:
    other = busy("run")
    with pytest.raises(LeaseTaken) as caught:
        ask(recipe(), home, "person", wait=False)
    assert caught.value.exit_code == 2
    (trigger,) = triggers.every(home, "claims")
    assert trigger.state == "refused" and f"'run' (process {other.pid}" in trigger.outcome


@pytest.mark.parametrize(
    ("cause", "since", "decided", "same", "becomes"),
    [
        ("drift", True, False, True, "coalesced"),  # that run was stopped, but began after the drift
        ("drift", False, True, True, "coalesced"),  # that run trained on these very rows
        ("performance", False, True, True, "coalesced"),
        ("drift", False, False, True, "refused"),  # that run was stopped long ago: the policy is asked
        ("drift", True, True, False, "refused"),
        ("person", True, True, True, "refused"),
        ("schedule", False, True, True, "refused"),
    ],
)
def test_data_that_were_trained_on_are_not_trained_on_for_another_alarm(
    home: Home, recipe: Any, cause: str, since: bool, decided: bool, same: bool, becomes: str
) -> None:
    loaded = recipe()
    source = source_of(loaded) if same else "another source"
    if since:
        triggers.propose(home, "claims", "drift", cause, trigger_id="mine")
    began(home, source)
    decision = "d" * 64 if decided else None
    triggers.end(home, "claims", "earlier", "ran", "held: not shown", decision=decision)
    found = ask(loaded, home, cause, trigger_id="mine")
    assert (found.trigger.state, found.trigger.into) == (becomes, "earlier" if becomes == "coalesced" else None)


def test_a_trigger_that_is_delivered_again_is_not_answered_again(home: Home, recipe: Any) -> None:
    loaded = recipe()
    first = ask(loaded, home, trigger_id="event-1")
    before = Ledger(home.ledger).entries("claims")
    again = ask(loaded, home, trigger_id="event-1")
    assert again.trigger == first.trigger and Ledger(home.ledger).entries("claims") == before
    assert not again.decision.retrain and again.decision.reason.startswith("Trigger event-1 was refused: ")


def test_whoever_holds_the_lease_answers_all_triggers_that_wait(home: Home, recipe: Any) -> None:
    for cause in ("drift", "schedule"):
        triggers.propose(home, "claims", cause, cause, trigger_id=cause)
    triggers.take(home, "claims", "drift", "a source of long ago")
    found = ask(recipe(), home, "person", trigger_id="mine")
    assert states(home) == {"drift": "refused", "schedule": "refused", "mine": "refused"}
    assert found.trigger.outcome == triggers.find(home, "claims", "drift").outcome


@pytest.mark.parametrize("kind", ["hold", "reject"])
def test_a_run_that_had_decided_before_its_flow_was_killed_is_not_made_again(
    home: Home, recipe: Any, kind: str
) -> None:
    loaded = recipe()
    triggers.propose(home, "claims", "before", "schedule", trigger_id="waited")
    began(home, source_of(loaded))
    decided = Ledger(home.ledger).append(kind, "claims", {"version": "2", "champion": "1", "reason": "Not shown."})
    found = ask(loaded, home, trigger_id="earlier")
    past = {"hold": "held", "reject": "rejected"}[kind]
    assert (found.trigger.state, found.trigger.outcome) == ("ran", f"{past}: Not shown.")
    assert found.trigger.decision == decided.hash and found.outcome is None
    assert triggers.find(home, "claims", "waited").into == "earlier"


def test_a_request_that_cannot_be_carried_out_refuses_the_trigger(home: Home, recipe: Any) -> None:
    loaded = recipe()
    (loaded.folder / "rows.csv").unlink()
    with pytest.raises(RequestError, match=r"rows\.csv"):
        ask(loaded, home, trigger_id="mine")
    trigger = triggers.find(home, "claims", "mine")
    assert trigger.state == "refused" and "rows.csv" in trigger.outcome
    own = recipe(kind="custom", ref="own.py:ask")
    (own.folder / "own.py").write_text("def ask(facts):\n    return 3\n")
    with pytest.raises(RequestError, match=r"^retraining\.ref: the policy 'own\.py:ask' gives int"):
        ask(load_recipe(str(own.folder)), home, trigger_id="other")
    assert states(home)["other"] == "refused"
