"""Alerts as flows send them: which hooks, once per outcome, what the ledger keeps, and that no secret is kept."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flows.alerting import alert, alert_outcome, alert_stop, settle
from flows.outcome import Outcome
from tasks.core.home import Home
from tasks.stores.ledger import Ledger
from tasks.stores.registry import champion_version

WHY = "30 rows are fewer than 50."


def hook(url: str, *events: str) -> dict[str, Any]:
    return {"kind": "webhook", "url": url, **({"on": list(events)} if events else {})}


def program(code: str, *words: str) -> dict[str, Any]:
    return {"kind": "command", "argv": [sys.executable, "-c", code, *words]}


def send(loaded: Any, home: Home, told: list[str] | None = None, **changes: Any) -> list[str]:
    values = {
        "subject": "the run was stopped by volume",
        "reason": WHY,
        "tell": (told if told is not None else []).append,
        **changes,
    }
    return alert(loaded, home, values.pop("event", "stopped"), **values)


def ended(status: str, reason: str = WHY, decision: str | None = None, version: str | None = None) -> Outcome:
    gates = [{"name": "volume", "state": "failed"}, {"name": "schema", "state": "passed"}]
    payload = {
        "gates": gates if status in ("stopped", "rejected") else [],
        "decision": {"id": decision} if decision else None,
        "model": {"name": "claims", "version": version},
    }
    return Outcome(status, reason, 3, payload)  # type: ignore[arg-type]


def alert_lines(home: Home) -> list[dict[str, Any]]:
    return [entry.body for entry in Ledger(home.ledger).entries("claims") if entry.kind == "alert"]


def files_with(folder: Path, text: str) -> list[str]:
    """Every file below a folder whose bytes hold this text."""
    return [path.name for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_delivered_alert_leaves_no_line_and_says_nothing(load: Callable[..., Any], receiver: Any, home: Home):
    told: list[str] = []
    assert send(load(hook(receiver.url)), home, told, details={"rows": 30}) == []
    (body,) = receiver.posts
    assert (body["event"], body["model"], body["reason"], body["champion"]) == ("stopped", "claims", WHY, None)
    assert "rows: 30" in body["text"]
    assert any(f"--home {home.root} check" in command for command in body["next"])
    assert told == []
    assert not home.ledger.exists()


def test_what_prefect_acts_on_twice_in_one_moment_is_told_once(load: Callable[..., Any], home: Home, tmp_path: Path):
    slow = "import pathlib, sys, time; time.sleep(0.3); pathlib.Path(sys.argv[1]).open('a').write('told ')"
    loaded = load(program(slow, str(tmp_path / "told")))
    with ThreadPoolExecutor(4) as pool:
        missed = list(pool.map(lambda _: send(loaded, home, once="run 7"), range(4)))
    assert missed == [[]] * 4
    assert (tmp_path / "told").read_text() == "told "


def test_every_hook_gets_the_events_it_asks_for(load: Callable[..., Any], receiver: Any, home: Home):
    loaded = load(hook(receiver.url + "/a", "drifted"), hook(receiver.url + "/b", "stopped", "drifted"))
    send(loaded, home)
    assert [path[-1] for path in receiver.paths] == ["b"]
    send(loaded, home, event="drifted")
    assert sorted(path[-1] for path in receiver.paths) == ["a", "b", "b"]
    send(loaded, home, event="crashed")
    assert len(receiver.posts) == 3


def test_what_does_not_arrive_leaves_a_line_each_without_address_or_argument(
    load: Callable[..., Any], dead_url: str, secret: str, home: Home, capfd: pytest.CaptureFixture[str]
):
    told: list[str] = []
    loaded = load(hook(dead_url), program("raise SystemExit(7)", secret))
    assert send(loaded, home, told) == ["alerts.0 (webhook)", "alerts.1 (command)"]
    assert alert_lines(home) == [
        {
            "event": "stopped",
            "kind": "webhook",
            "position": 0,
            "about": WHY,
            "attempts": 3,
            "reason": "it could not be reached",
        },
        {
            "event": "stopped",
            "kind": "command",
            "position": 1,
            "about": WHY,
            "attempts": 1,
            "reason": "the program ended with status 7",
        },
    ]
    assert [line.split(":")[0] for line in told] == ["claims", "claims"]
    captured = capfd.readouterr()
    assert secret not in "".join(told) + captured.out + captured.err + repr(loaded)
    assert files_with(home.root, secret) == []


def test_the_same_thing_is_told_once_and_another_one_again(load: Callable[..., Any], receiver: Any, home: Home):
    loaded = load(hook(receiver.url))
    for once in ("first", "first", "second", "second"):
        send(loaded, home, once=once)
    assert len(receiver.posts) == 2
    send(loaded, home, event="drifted", once="second")
    assert len(receiver.posts) == 3
    settle(home, "claims", "stopped", print)
    send(loaded, home, once="second")
    assert len(receiver.posts) == 4


def test_an_alert_that_was_made_but_did_not_arrive_counts_as_told(load: Callable[..., Any], dead_url: str, home: Home):
    loaded = load(hook(dead_url))
    assert send(loaded, home, once="x") == ["alerts.0 (webhook)"]
    assert send(loaded, home, once="x") == []
    assert len(alert_lines(home)) == 1


def test_a_damaged_note_of_what_was_told_tells_again(load: Callable[..., Any], receiver: Any, home: Home):
    loaded = load(hook(receiver.url))
    send(loaded, home, once="x")
    (home.root / "alerts" / "claims.json").write_text("{")
    send(loaded, home, once="x")
    assert len(receiver.posts) == 2


def test_an_isolated_home_tells_nobody(load: Callable[..., Any], receiver: Any, home: Home):
    assert send(load(hook(receiver.url)), Home(home.root, isolated=True)) == []
    assert receiver.posts == []


def test_a_ledger_that_cannot_be_written_ends_nothing(load: Callable[..., Any], dead_url: str, home: Home):
    home.ledger.write_bytes(b"not a database " * 100)
    told: list[str] = []
    assert send(load(hook(dead_url)), home, told, once="x") == ["alerts.0 (webhook)"]
    assert "ServiceError" in told[-1]


def test_where_the_registry_is_away_the_ledger_says_who_is_champion(
    load: Callable[..., Any], receiver: Any, dead_url: str, home: Home, monkeypatch: pytest.MonkeyPatch
):
    Ledger(home.ledger).append("observed", "claims", {"from": None, "to": "4"})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", dead_url.partition("/hooks")[0])
    send(load(hook(receiver.url)), home)
    assert receiver.posts[0]["champion"] == "4"


def test_a_rejection_is_told_once_per_decision(load: Callable[..., Any], receiver: Any, home: Home):
    loaded = load(hook(receiver.url))
    for decision in ("d1", "d1", "d2"):
        alert_outcome(loaded, home, ended("rejected", decision=decision, version="2"), print)
    assert [body["event"] for body in receiver.posts] == ["rejected", "rejected"]
    assert receiver.posts[0]["text"].startswith("claims: a new model was rejected by volume")
    assert "explain claims/2" in receiver.posts[0]["next"][0]


def test_a_stop_is_told_once_until_a_run_ends_another_way(load: Callable[..., Any], receiver: Any, home: Home):
    loaded = load(hook(receiver.url))
    for outcome in (ended("stopped"), ended("stopped"), ended("stopped", "The file is empty.")):
        alert_outcome(loaded, home, outcome, print)
    assert [body["reason"] for body in receiver.posts] == [WHY, "The file is empty."]
    alert_outcome(loaded, home, ended("unchanged"), print)
    alert_outcome(loaded, home, ended("stopped", "The file is empty."), print)
    assert len(receiver.posts) == 3
    alert_stop(loaded, home, "the run could not begin", "There is no file rows.csv.", print)
    assert receiver.posts[-1]["text"].startswith("claims: the run could not begin")


@pytest.mark.parametrize("status", ["promoted", "held", "unchanged", "waiting", "completed"])
def test_other_ends_page_nobody(load: Callable[..., Any], receiver: Any, home: Home, status: str):
    assert alert_outcome(load(hook(receiver.url)), home, ended(status), print) == []
    assert receiver.posts == []


def test_the_resolved_recipe_shows_neither_address_nor_arguments(
    load: Callable[..., Any], receiver: Any, secret: str, home: Home, capfd: pytest.CaptureFixture[str]
):
    from flows.cli import main

    loaded = load(hook(receiver.url), {"kind": "command", "argv": ["./page", "--token", secret]})
    for words in (["--json"], []):
        assert main(["check", str(loaded.folder), "--resolved", *words]) == 0
        captured = capfd.readouterr()
        assert "./page" in captured.out
        assert secret not in captured.out + captured.err
    assert receiver.posts == []


def test_an_override_of_a_hook_is_hidden_from_prefects_parameters(secret: str):
    from tasks.core.secrets import shown

    for key in ("alerts", "++alerts", "+alerts"):
        assert secret not in shown(f"{key}=[{{kind: webhook, url: 'https://{secret}'}}]")
    assert shown("training.epochs=5") == "training.epochs=5"


def rows(count: int) -> str:
    draw = random.Random(0)
    lines = ["age,income,outcome"]
    for _ in range(count):
        age, income = draw.randrange(18, 90), draw.gauss(3000, 800)
        lines.append(f"{age},{income:.1f},{'yes' if age + draw.gauss(0, 9) > 50 else 'no'}")
    return "\n".join(lines) + "\n"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_real_runs_tell_of_a_stop_and_of_a_rejection_once_and_keep_no_secret(
    load: Callable[..., Any],
    receiver: Any,
    dead_url: str,
    secret: str,
    home: Home,
    root: Path,
):
    threshold = {"thresholds": {"accuracy": 0.9999}}
    hooks = [hook(receiver.url), hook(dead_url, "rejected"), program("raise SystemExit(7)", secret)]
    loaded = load(*hooks, gates=threshold, training={"epochs": 2})
    source = loaded.folder / "rows.csv"

    def run(*words: str) -> dict[str, Any]:
        # A process each: Prefect reads its settings once, and each run has a server of its own.
        command = [sys.executable, "-m", "flows.cli", "--home", str(home.root), "--json", *words, str(loaded.folder)]
        ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
        said.append(ended.stdout + ended.stderr)
        return json.loads(ended.stdout)

    said: list[str] = []
    source.write_text(rows(20))
    assert run("check")["status"] == "stopped"
    assert receiver.posts == []

    assert [run("run")["status"] for _ in range(2)] == ["stopped", "stopped"]
    assert [body["event"] for body in receiver.posts] == ["stopped"]
    assert "volume" in receiver.posts[0]["text"]

    source.write_text(rows(400))
    assert [run("run")["status"] for _ in range(2)] == ["rejected", "rejected"]
    assert [body["event"] for body in receiver.posts] == ["stopped", "rejected"]
    assert "thresholds" in receiver.posts[1]["text"]
    assert champion_version(home, "claims") is None
    assert [(line["event"], line["kind"]) for line in alert_lines(home)] == [
        ("stopped", "command"),
        ("rejected", "webhook"),
        ("rejected", "command"),
    ]
    with sqlite3.connect(home.prefect / "prefect.db") as prefect:
        assert prefect.execute("SELECT count(*) FROM flow_run").fetchone()[0] >= 2
    assert secret not in "".join(said)
    assert files_with(home.root, secret) == []
