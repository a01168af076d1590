"""How the models of a home stand: champion, age, drift, what waits, what did not arrive and what is overdue."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.core import clock
from tasks.core.home import Home
from tasks.core.upkeep import Timetable
from tasks.stores import triggers
from tasks.stores.ledger import Ledger
from tasks.trace.overview import Standing, last_tick, next_tick, overdue, overview

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
"""A Friday."""
LONG_AGO = NOW - timedelta(days=400)


@pytest.fixture
def claims(home: Home, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes the recipe `claims`, as long ago as the clock says, and lets the home know it."""
    from tasks.core.load import claim, load_recipe

    def make(**fields: Any) -> Path:
        file = tmp_path / "claims" / "recipe.yaml"
        file.parent.mkdir(exist_ok=True)
        data = {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome"}
        file.write_text(json.dumps({"name": "claims", "problem": "classification", "data": data, **fields}))
        os.utime(file, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        claim(home, load_recipe(str(file)))
        return file

    return make


def write(home: Home, days_ago: float, kind: str, body: dict[str, Any], model: str = "claims") -> Any:
    with clock.at(NOW - timedelta(days=days_ago)):
        return Ledger(home.ledger).append(kind, model, body)


def standing(home: Home, name: str = "claims") -> Standing:
    with clock.at(NOW):
        return next(item for item in overview(home) if item.name == name)


def test_an_empty_home_has_no_models(home: Home):
    assert overview(home) == []


def test_a_model_that_was_never_run_has_nothing_yet(home: Home, claims: Callable[..., Path]):
    file = claims(schedule={"retrain": "0 3 * * 1"})
    found = standing(home)
    assert (found.recipe, found.champion, found.since, found.age_days) == (str(file), None, None, None)
    assert (found.last_decision, found.last_drift, found.overdue, found.problem) == (None, None, (), None)


def test_the_newest_decision_and_the_newest_verdict_on_drift_are_told(home: Home):
    write(home, 9, "promote", {"version": "1", "reason": "the first"})
    write(home, 8, "drift", {"detected": True, "confirmed": True})
    write(home, 3, "hold", {"version": "2", "reason": "not shown"})
    write(home, 2, "drift", {"detected": True, "confirmed": False})
    write(home, 1, "data", {"version": "x"})
    found = standing(home)
    assert found.last_decision == {
        "kind": "hold",
        "time": "2026-11-17T12:00:00.000000+00:00",
        "version": "2",
        "reason": "not shown",
    }
    assert found.last_drift == {
        "kind": "drift",
        "time": "2026-11-18T12:00:00.000000+00:00",
        "detected": True,
        "confirmed": False,
    }


def test_models_do_not_mix_and_come_by_name(home: Home):
    write(home, 2, "promote", {"version": "1", "reason": "b"}, "beta")
    write(home, 1, "reject", {"version": "7", "reason": "a"}, "alpha")
    assert [item.name for item in overview(home)] == ["alpha", "beta"]
    assert standing(home, "beta").last_decision["kind"] == "promote"  # type: ignore[index]


def test_triggers_wait_until_they_have_come_to_an_end(home: Home):
    first = triggers.propose(home, "claims", "drift was confirmed", "drift")
    second = triggers.propose(home, "claims", "it is Monday", "schedule")
    triggers.take(home, "claims", first.id, "source")
    assert [(item["id"], item["state"], item["cause"]) for item in overview(home)[0].pending_triggers] == [
        (first.id, "taken", "drift"),
        (second.id, "pending", "schedule"),
    ]
    triggers.end(home, "claims", first.id, "ran", "promoted")
    triggers.end(home, "claims", second.id, "refused", "too soon")
    assert overview(home)[0].pending_triggers == ()


def test_alerts_that_did_not_arrive_are_shown_for_a_month(home: Home):
    body = {"event": "stopped", "kind": "webhook", "position": 1, "attempts": 3, "about": "x"}
    write(home, 31, "alert", {**body, "reason": "it answered 503"})
    write(home, 2, "alert", {**body, "reason": "it could not be reached"})
    assert standing(home).undelivered_alerts == (
        {
            "time": "2026-11-18T12:00:00.000000+00:00",
            "event": "stopped",
            "hook": "alerts.1 (webhook)",
            "reason": "it could not be reached",
        },
    )


@pytest.mark.parametrize(
    ("days_ago", "kind", "body", "late"),
    [
        (5.0, "hold", {"version": "2"}, True),
        (4.0, "hold", {"version": "2"}, False),
        (4.3, "trigger", {"id": "t", "state": "pending", "cause": "schedule", "reason": "", "evidence": None}, False),
        (4.3, "trigger", {"id": "t", "state": "pending", "cause": "drift", "reason": "", "evidence": None}, True),
        (4.0, "drift", {"detected": False, "confirmed": False}, True),
    ],
    ids=["decided before", "decided after", "asked by the schedule", "asked by drift", "only monitored"],
)
def test_a_retraining_is_overdue_when_nothing_shows_that_it_began(
    home: Home, claims: Callable[..., Path], days_ago: float, kind: str, body: dict[str, Any], late: bool
):
    claims(schedule={"retrain": "0 3 * * 1"})  # last: Monday the 16th at 3, 4.375 days ago
    write(home, 300, "promote", {"version": "1", "reason": "the first"})
    write(home, days_ago, kind, body)
    assert standing(home).overdue == (({"what": "retrain", "due": "2026-11-16T03:00:00+00:00"},) if late else ())


def test_a_schedule_counts_from_when_it_was_written_and_not_in_its_first_minutes():
    daily = Timetable(retrain="0 3 * * *")
    due = NOW.replace(hour=3)
    with clock.at(NOW):
        assert overdue(daily, [], due - timedelta(seconds=1)) != []
        assert overdue(daily, [], due + timedelta(seconds=1)) == []
        assert overdue(Timetable(monitor="0 3 * * *"), [], LONG_AGO) == []
    with clock.at(due + timedelta(minutes=5)):
        # The one of today may be about to begin; that of yesterday is what counts.
        assert overdue(daily, [], LONG_AGO)[0]["due"] == "2026-11-19T03:00:00+00:00"


def test_a_recipe_that_is_gone_or_cannot_be_read_is_said(
    home: Home, claims: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLAIMS_HOOK", "https://hooks.example/secret-part")
    file = claims(alerts=[{"kind": "webhook", "url": "${oc.env:CLAIMS_HOOK}"}])
    assert standing(home).problem is None
    monkeypatch.delenv("CLAIMS_HOOK")
    assert "CLAIMS_HOOK" in str(standing(home).problem)
    file.unlink()
    assert standing(home).problem == f"There is no recipe at {file} any more."
    (home.results("claims") / "folder.json").write_text("{")
    assert overview(home) == []


def test_ticks_are_those_of_the_schedules_own_time_zone():
    assert last_tick("0 3 * * 1", "Europe/Paris", NOW) == datetime(2026, 11, 16, 2, 0, tzinfo=UTC)
    assert next_tick("0 3 * * 1", "Europe/Paris", NOW) == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    # In summer Paris is two hours ahead.
    assert next_tick("0 3 * * *", "Europe/Paris", NOW.replace(month=7)) == datetime(2026, 7, 21, 1, 0, tzinfo=UTC)


def test_a_real_champion_has_an_age_until_somebody_else_moves_the_alias(champion: Home, tmp_path: Path):
    import shutil
    import sqlite3

    (found,) = overview(champion)
    move = Ledger(champion.ledger).moves("toy")[-1]
    assert (found.name, found.champion, found.since) == ("toy", "1", move.since)
    assert found.age_days is not None and 0 <= found.age_days < 1
    with clock.at(datetime.fromisoformat(move.since) + timedelta(days=10, hours=6)):
        assert overview(champion)[0].age_days == 10.25
    # In a copy, as somebody would in MLflow's own pages.
    other = Home(tmp_path / "copy")
    (other.root / "mlflow").mkdir(parents=True)
    shutil.copy(champion.ledger, other.ledger)
    shutil.copy(champion.mlflow / "mlflow.db", other.mlflow / "mlflow.db")
    with sqlite3.connect(other.mlflow / "mlflow.db") as database:
        database.execute("UPDATE registered_model_aliases SET version = 2 WHERE alias = 'champion'")
    (found,) = overview(other)
    assert (found.champion, found.since, found.age_days) == ("2", None, None)
