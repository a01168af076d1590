"""A confirmed drift reaches a real Prefect server as an event, and no server is no harm."""

from __future__ import annotations

import fcntl
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from flows.events import DRIFT_DETECTED, announce
from flows.server import known_url
from tasks.core.home import Home
from tasks.stores import triggers
from tasks.stores.ledger import Ledger
from tests.up.serving import Prefect


def drifted(home: Home) -> triggers.Trigger:
    body = {"statistic": 3.25, "threshold": 2.5, "reason": "Drift is confirmed.", "confirmed": True}
    line = Ledger(home.ledger).append("drift", "claims", body)
    return triggers.propose(home, "claims", "Drift is confirmed.", "drift", evidence=line.hash)


def events(url: str, home: Home) -> list[dict[str, Any]]:
    question = {"filter": {"event": {"name": [DRIFT_DETECTED]}}, "limit": 50}
    found = Prefect(url).ask("events/filter", question)["events"]
    return [event for event in found if event["payload"]["home"] == str(home.root)]


def wait_for_events(url: str, home: Home, seconds: float = 20.0) -> list[dict[str, Any]]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = events(url, home)
        if found:
            return found
        time.sleep(0.1)
    return []


def test_the_event_arrives_with_all_that_the_triggered_flow_needs(
    home: Home, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    trigger = drifted(home)
    assert announce(home, trigger, "/somewhere/claims/recipe.yaml")
    (event,) = wait_for_events(prefect_server, home)
    assert event["event"] == "evergreen.drift.detected"
    assert event["resource"] == {"prefect.resource.id": "evergreen.model.claims", "prefect.resource.name": "claims"}
    assert event["payload"] == {
        "model": "claims",
        "trigger_id": trigger.id,
        "recipe": "/somewhere/claims/recipe.yaml",
        "home": str(home.root),
        "reason": "Drift is confirmed.",
        "statistic": 3.25,
        "threshold": 2.5,
    }


def test_a_trigger_announced_twice_is_one_event(
    home: Home, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    trigger = drifted(home)
    assert announce(home, trigger, "recipe.yaml")
    assert len(wait_for_events(prefect_server, home)) == 1
    assert announce(home, trigger, "recipe.yaml")
    other = triggers.propose(home, "claims", "Another reason.", "performance")
    assert announce(home, other, "recipe.yaml")
    deadline = time.monotonic() + 20
    while other.id not in {event["payload"]["trigger_id"] for event in events(prefect_server, home)}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    found = [event["payload"]["trigger_id"] for event in events(prefect_server, home)]
    assert sorted(found) == sorted([trigger.id, other.id])


def test_without_a_server_the_trigger_stays_pending(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    trigger = drifted(home)
    assert not announce(home, trigger, "recipe.yaml")
    assert triggers.find(home, "claims", trigger.id).state == "pending"


@pytest.mark.parametrize("answering", ["nobody listens", "listens and says nothing"])
def test_a_server_that_is_away_costs_two_seconds_and_raises_nothing(
    home: Home, answering: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if answering == "listens and says nothing":
            listener.listen()
        monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/api")
        trigger = drifted(home)
        started = time.monotonic()
        assert not announce(home, trigger, "recipe.yaml")
        assert time.monotonic() - started < 3.5
    assert triggers.find(home, "claims", trigger.id).state == "pending"


def test_what_up_serves_is_used_only_while_it_lives(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert known_url(home) is None
    lock = home.root / "up.lock"
    Path(home.root / "up.json").write_text(json.dumps({"prefect_api_url": "http://127.0.0.1:1/api"}))
    assert known_url(home) is None
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert known_url(home) == "http://127.0.0.1:1/api"
    assert known_url(home) is None, "it was killed: its lock is free, whatever it wrote"
