"""The command `status`: JSON, table, what it says where a person is needed, and that it stays quick."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.upcoming import starts, upcoming
from tasks.core import clock
from tasks.core.home import Home
from tasks.stores import triggers
from tasks.stores.ledger import Ledger

NOW = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)


def deployment(name: str, flow: str, cron: str | None, **more: Any) -> dict[str, Any]:
    schedules = [{"active": True, "schedule": {"cron": cron, "timezone": "UTC"}}] if cron else []
    return {"name": name, "entrypoint": f"flows.scheduled.{flow}", "paused": False, "schedules": schedules, **more}


DEPLOYMENTS = [
    deployment("claims", "retrain", "0 3 * * 1"),
    deployment("claims", "monitor", "0 * * * *"),
    deployment("claims", "approve", None),
    deployment("wine", "monitor", "0 0 * * *", paused=True),
]


class Prefect:
    """Answers the one question that `status` asks, as a Prefect server does."""

    def __init__(self, answer: bytes) -> None:
        self.questions: list[tuple[str, Any, str | None]] = []
        self.hold = threading.Event()
        self.hold.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.questions.append((self.path, body, self.headers["Authorization"]))
                server.hold.wait(30)
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/api"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.hold.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def prefect() -> Iterator[Prefect]:
    made = Prefect(json.dumps(DEPLOYMENTS).encode())
    yield made
    made.close()


@pytest.fixture
def busy(home: Home) -> Home:
    """A home with a model that needs a person."""
    ledger = Ledger(home.ledger)
    with clock.at(NOW - timedelta(days=2)):
        ledger.append("hold", "claims", {"version": "2", "reason": "not shown to be better"})
        ledger.append("drift", "claims", {"detected": True, "confirmed": True})
        triggers.propose(home, "claims", "drift was confirmed", "drift")
    body = {"event": "stopped", "kind": "webhook", "position": 0, "attempts": 3, "about": "x"}
    ledger.append("alert", "claims", {**body, "reason": "it could not be reached"})
    return home


def test_a_home_that_does_not_exist_has_no_models_and_is_not_made(evergreen: Callable[..., Any], tmp_path: Path):
    ended = evergreen("status", "--json", home=tmp_path / "none")
    assert (ended.exit_code, ended.json["models"]) == (0, [])
    assert "evergreen run digits" in evergreen("status", home=tmp_path / "none").stdout
    assert not (tmp_path / "none").exists()


def test_the_json_has_every_field_for_every_model(evergreen: Callable[..., Any], busy: Home):
    answer = evergreen("status", "--json", home=busy.root).json
    assert (answer["status"], answer["scheduler"]) == ("completed", "unknown")
    (model,) = answer["models"]
    assert (model["name"], model["champion"], model["since"], model["age_days"]) == ("claims", None, None, None)
    assert model["last_decision"]["kind"] == "hold"
    assert model["last_drift"]["confirmed"] is True
    assert [trigger["reason"] for trigger in model["pending_triggers"]] == ["drift was confirmed"]
    assert [alert["hook"] for alert in model["undelivered_alerts"]] == ["alerts.0 (webhook)"]
    assert (model["next_runs"], model["overdue"], model["problem"]) == ([], [], None)


def test_the_table_names_what_a_person_has_to_look_at(evergreen: Callable[..., Any], busy: Home):
    text = evergreen("status", home=busy.root).stdout
    assert "hold 2026-11-18 12:30" in text
    assert "confirmed 2026-11-18 12:30" in text
    assert "claims: pending since 2026-11-18 12:30: drift was confirmed" in text
    assert "1 alert not delivered" in text
    assert "evergreen up" in text


def test_next_runs_come_from_the_server_that_is_known(
    evergreen: Callable[..., Any], busy: Home, prefect: Prefect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PREFECT_API_URL", prefect.url)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "user:password")
    with clock.at(NOW):
        answer = evergreen("status", "--json", home=busy.root).json
        assert answer["models"][0]["next_runs"] == [
            {"what": "monitor", "time": "2026-11-20T13:00:00+00:00"},
            {"what": "retrain", "time": "2026-11-23T03:00:00+00:00"},
        ]
        assert answer["scheduler"] == "answers"
        assert "monitor 2026-11-20 13:00" in evergreen("status", home=busy.root).stdout
    path, question, authorization = prefect.questions[0]
    assert path == "/api/deployments/filter"
    assert question["deployments"]["tags"]["all_"] == ["evergreen"]
    assert str(authorization).startswith("Basic ")


def test_a_schedule_that_is_paused_or_switched_off_starts_nothing():
    off = {"active": False, "schedule": {"cron": "0 0 * * *"}}
    interval = {"active": True, "schedule": {"interval": 3600}}
    assert starts([{**DEPLOYMENTS[0], "schedules": [off, interval]}, DEPLOYMENTS[3], DEPLOYMENTS[2]], NOW) == []


def test_a_server_that_hangs_or_is_gone_or_speaks_of_something_else_costs_two_seconds_at_most(
    home: Home, prefect: Prefect, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PREFECT_API_URL", prefect.url)
    prefect.hold.clear()
    assert upcoming(home, seconds=0.3) is None
    prefect.hold.set()
    assert upcoming(home, seconds=20) != []
    prefect.close()
    assert upcoming(home, seconds=20) is None
    other = Prefect(b'{"detail": "Not Found"}')
    monkeypatch.setenv("PREFECT_API_URL", other.url)
    assert upcoming(home, seconds=20) is None
    other.close()


def test_it_imports_nothing_heavy_and_costs_less_than_a_second_and_a_half(busy: Home, root: Path):
    code = (
        "import sys; from flows.cli import main; main(['--home', sys.argv[1], 'status', '--json'])\n"
        "heavy = {'torch', 'mlflow', 'prefect', 'pandas', 'numpy', 'great_expectations', 'dvc', 'hydra', 'requests'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    file = busy.root.parent / "claims" / "recipe.yaml"
    file.parent.mkdir()
    data = {"reader": {"kind": "csv", "path": "rows.csv"}, "target": "outcome"}
    file.write_text(json.dumps({"name": "claims", "problem": "classification", "data": data}))
    marker = busy.results("claims") / "folder.json"
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({"recipe": str(file)}))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([sys.executable, "-c", code, busy.root], cwd=root, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["models"][0]["recipe"] == str(file)
    # Processor time: how long the wall clock says depends on what else the machine is doing.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 1.5
