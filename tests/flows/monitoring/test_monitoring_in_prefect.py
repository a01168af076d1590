"""Monitoring as a run of a real Prefect server: its tasks, what people see beside it, and the event it emits."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks.stores import triggers


@pytest.fixture
def server(prefect_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Ask the session's server, to which the commands of this test talk: `server("flow_runs/filter", {…})`."""
    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def ask(path: str, question: dict[str, Any]) -> Any:
        body, kind = json.dumps(question).encode(), {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(f"{prefect_server}/{path}", body, kind)) as response:
            return json.loads(response.read())

    # Prefect reads the environment when it is imported, which an earlier test may have done.
    with temporary_settings({PREFECT_API_URL: prefect_server}):
        yield ask


def newest_run(server: Callable[..., Any]) -> dict[str, Any]:
    """The newest run of the flow `monitor`."""
    question = {"flows": {"name": {"any_": ["monitor"]}}, "sort": "START_TIME_DESC", "limit": 1}
    (run,) = server("flow_runs/filter", question)
    return dict(run)


def eventually(found: Callable[[], list[Any]], seconds: float = 20.0) -> list[Any]:
    deadline = time.monotonic() + seconds
    while not found() and time.monotonic() < deadline:
        time.sleep(0.1)
    return found()


def test_a_confirmed_drift_is_a_completed_run_with_its_table_and_its_event(
    claims: Any, server: Callable[..., Any]
) -> None:
    for day in ("monday", "tuesday"):
        rows = claims.rows(5000 if day == "monday" else 6000, 80, older=25)
        code, answer = claims.monitor("--data", claims.file(f"{day}.csv", rows))
        assert (code, answer["status"]) == (0, "completed"), answer
    assert answer["drift"]["confirmed"] is True
    assert answer["announced"] is True

    run = newest_run(server)
    assert (run["name"], run["state"]["type"], run["state"]["name"]) == ("claims", "COMPLETED", "Drift confirmed")
    assert run["parameters"] == {"recipe": str(claims.folder / "recipe.yaml"), "data": "tuesday.csv"}
    mine = {"flow_runs": {"id": {"any_": [run["id"]]}}}
    tasks = ["champion", "window", "judge", "report", "record", "pictures"]

    def recorded() -> list[dict[str, Any]]:
        # The server writes task runs down some time after they ended, and not all in one piece.
        found = [task for task in server("task_runs/filter", mine) if task["state"]]
        return found if len(found) >= len(tasks) else []

    assert {task["name"] for task in eventually(recorded)} == set(tasks)
    artifacts = {item["key"]: item for item in server("artifacts/filter", mine)}
    assert set(artifacts) == {"claims-monitoring", "claims-drift"}
    assert artifacts["claims-monitoring"]["data"].startswith("# claims: drift confirmed")
    table = json.loads(artifacts["claims-drift"]["data"])
    assert {row["column"] for row in table if row["verdict"] == "drifted"} >= {"age"}

    asked = {"filter": {"event": {"name": ["evergreen.drift.detected"]}}, "limit": 50}

    def events() -> list[dict[str, Any]]:
        found = server("events/filter", asked)["events"]
        return [event for event in found if event["payload"]["trigger_id"] == answer["trigger_id"]]

    (event,) = eventually(events)
    assert event["resource"]["prefect.resource.id"] == "evergreen.model.claims"
    payload = event["payload"]
    assert (payload["model"], payload["home"]) == ("claims", str(claims.home.root))
    assert payload["recipe"] == str(claims.folder / "recipe.yaml")
    assert payload["statistic"] == pytest.approx(answer["drift"]["statistic"])
    assert payload["threshold"] == pytest.approx(answer["drift"]["threshold"])
    assert f"prefect.flow-run.{run['id']}" in {item["prefect.resource.id"] for item in event["related"]}


def test_nothing_new_is_a_completed_run_that_says_so(claims: Any, server: Callable[..., Any]) -> None:
    code, answer = claims.monitor()
    assert (code, answer["window"]["rows"]) == (0, 0)
    run = newest_run(server)
    assert (run["state"]["type"], run["state"]["name"]) == ("COMPLETED", "Nothing new")


def test_inside_another_flow_no_second_run_is_made(claims: Any, server: Callable[..., Any]) -> None:
    from prefect import flow

    from flows.monitoring import monitor
    from tasks.core.load import load_recipe

    @flow(name="outer")
    def outer() -> None:
        monitor(load_recipe(str(claims.folder)), claims.home, tell=lambda text: None)

    count = {"flows": {"name": {"any_": ["monitor"]}}}
    before = server("flow_runs/count", count)
    outer()
    assert server("flow_runs/count", count) == before
    (run,) = server("flow_runs/filter", {"flows": {"name": {"any_": ["outer"]}}, "limit": 1})
    found = server("artifacts/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    assert [item["key"] for item in found] == ["claims-monitoring"]


def test_rows_that_cannot_be_read_are_told_in_the_same_words(claims: Any, server: Callable[..., Any]) -> None:
    broken = claims.file("broken.csv", ["1,30"], header="id,age")
    code, answer = claims.monitor("--data", broken)
    assert (code, answer["error"]["code"]) == (2, "schema")
    assert newest_run(server)["state"]["type"] == "FAILED"


def test_a_silent_server_is_said_after_the_verdict_is_kept(claims: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    claims.monitor("--data", claims.file("monday.csv", claims.rows(5000, 80, older=25)))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    code, answer = claims.monitor("--data", claims.file("tuesday.csv", claims.rows(6000, 80, older=25)))
    assert (code, answer["error"]["code"]) == (4, "prefect")
    assert "127.0.0.1:9" in answer["error"]["message"] and "ledger" in answer["error"]["message"]
    assert claims.kinds == ["drift", "drift", "trigger"]
    (trigger,) = triggers.every(claims.home, "claims")
    assert trigger.state == "pending"
