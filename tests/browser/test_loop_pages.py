"""The pages of a running `up`: deployments, a triggered retraining, and the form by which a person approves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tasks.core.contracts import GATES, STAGES
from tests.loop.looping import Loop, new_loop, rows
from tests.up.conftest import end_all
from tests.up.serving import Prefect, Up, start_up, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

MANUAL = {"promotion": {"margin": 0.1, "approval": "manual"}}


@dataclass(frozen=True)
class Waiting:
    """A challenger that a triggered retraining made, and that waits for a person."""

    loop: Loop
    monitor_run: str
    """Ids of flow runs: the one that found the drift …"""
    retrain_run: str
    """… the one its event started …"""
    stages_run: str
    """… and the life cycle that one led to."""

    @property
    def prefect(self) -> Prefect:
        return self.loop.up.prefect

    @property
    def page(self) -> str:
        """Where Prefect's pages begin."""
        return self.prefect.api.removesuffix("/api")


@pytest.fixture(scope="module")
def up(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("loop-pages")
    started = [start_up(folder, folder / "home")]
    yield started[0]
    end_all(started)


@pytest.fixture(scope="module")
def waiting(up: Up) -> Waiting:
    """First champion by form, then a shifted batch: everything but the first run is started through the server."""
    loop = new_loop(up, "claims", gates=MANUAL)
    first = up.prefect.ended(up.prefect.start("approve/claims", version="1", reason="the first one"))
    assert first["state_name"] == "Promoted", first["state"]
    loop.append(rows(40_000, 240, coast=0.9))
    looked = up.prefect.ended(up.prefect.start("monitor/claims"))
    assert looked["state_name"] == "Drift confirmed", looked["state"]
    (trigger,) = loop.triggers
    loop.ended(trigger.id)
    (retrained,) = loop.flow_runs_ended(trigger.id)
    assert retrained["state_name"] == "Waiting", retrained["state"]
    question = {"flow_runs": {"parent_flow_run_id": {"any_": [retrained["id"]]}}}
    (part,) = up.prefect.ask("flow_runs/filter", question)
    return Waiting(loop, looked["id"], retrained["id"], part["id"])


def visit(window: Any, address: str, until: str) -> Any:
    shown = window(width=1400)
    shown.page.set_default_timeout(90_000)
    shown.page.goto(address, timeout=90_000)
    shown.page.get_by_text(until).first.wait_for(timeout=90_000)
    return shown


def artifact_of(waiting: Waiting, run: str, key: str) -> str:
    question = {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"any_": [key]}}}
    (artifact,) = waiting.prefect.ask("artifacts/filter", question)
    return f"{waiting.page}/artifacts/artifact/{artifact['id']}"


def test_every_deployment_of_the_recipe_is_listed(waiting: Waiting, window: Any, picture: Any) -> None:
    shown = visit(window, f"{waiting.page}/deployments", "roll-back")
    for flow in ("monitor", "retrain", "approve", "roll-back", "alert"):
        shown.page.get_by_text(flow, exact=True).first.wait_for(timeout=90_000)
    picture(shown.page, "loop-deployments", whole=False)
    assert shown.text().count("Ready") == 5 and "evergreen" in shown.text()


def test_what_the_monitoring_found_stands_beside_its_run(waiting: Waiting, window: Any, picture: Any) -> None:
    shown = visit(window, f"{waiting.page}/runs/flow-run/{waiting.monitor_run}", "Drift confirmed")
    picture(shown.page, "loop-monitor")
    shown = visit(window, artifact_of(waiting, waiting.monitor_run, "claims-monitoring"), "drift confirmed")
    picture(shown.page, "loop-monitoring-verdict")
    assert "Drift is confirmed: region by" in shown.text()
    shown = visit(window, artifact_of(waiting, waiting.monitor_run, "claims-drift"), "as before")
    picture(shown.page, "loop-drift-table")
    assert "region" in shown.page.get_by_role("row").filter(has_text="drifted").inner_text()


def test_the_triggered_run_shows_its_stages_as_a_graph(waiting: Waiting, window: Any, picture: Any) -> None:
    shown = visit(window, f"{waiting.page}/runs/flow-run/{waiting.retrain_run}", "Waiting")
    shown.page.locator("canvas").first.wait_for(timeout=90_000)
    shown.page.wait_for_timeout(3000)
    picture(shown.page, "loop-retrain")
    shown = visit(window, f"{waiting.page}/runs/flow-run/{waiting.stages_run}", "Waiting")
    shown.page.locator("canvas").first.wait_for(timeout=90_000)
    shown.page.wait_for_timeout(3000)
    picture(shown.page, "loop-graph")
    tasks = waiting.prefect.ask("task_runs/filter", {"task_runs": {"flow_run_id": {"any_": [waiting.stages_run]}}})
    assert {task["name"] for task in tasks} == set(STAGES)


def test_gates_and_decision_say_why_a_person_is_asked(waiting: Waiting, window: Any, picture: Any) -> None:
    shown = visit(window, artifact_of(waiting, waiting.stages_run, "claims-gates"), "better_than_champion")
    picture(shown.page, "loop-gates")
    assert all(gate in shown.text() for gate in GATES)
    shown = visit(window, artifact_of(waiting, waiting.stages_run, "claims-decision"), "claims: waiting")
    picture(shown.page, "loop-decision")
    text = shown.text()
    assert "approve/claims" in text and "version 2" in text and "version 1" in text and "non inferior" in text


def test_a_person_approves_with_the_form(waiting: Waiting, window: Any, picture: Any) -> None:
    assert waiting.loop.champion == "1"
    deployment = waiting.prefect.deployments["approve/claims"]["id"]
    shown = visit(window, f"{waiting.page}/deployments/deployment/{deployment}/run", "Parameters")
    picture(shown.page, "loop-form-empty")
    for name, text in (("version", "2"), ("reason", "It answers the coast rightly.")):
        field = shown.page.locator(".schema-form-property", has=shown.page.get_by_text(name, exact=True))
        field.get_by_role("textbox").fill(text)
    picture(shown.page, "loop-form")
    submit(shown.page)
    wait_for(lambda: waiting.loop.champion == "2", 120, "the promotion")
    (*_, run) = waiting.prefect.runs("approve/claims")
    ended = waiting.prefect.ended(run["id"])
    assert (ended["state_name"], ended["parameters"]["reason"]) == ("Promoted", "It answers the coast rightly.")
    shown = visit(window, f"{waiting.page}/runs/flow-run/{run['id']}", "Promoted")
    picture(shown.page, "loop-approved")
    waiting.loop.check_books()
    assert waiting.loop.story()[-3:] == ["promote", "intent", "done"]


def submit(page: Any) -> None:
    """Press the form's button, as a person does: again, where the server says that its database is busy (503).

    The page's requests pass through this process (`Window.guard`): it must not sleep before they are answered.
    """
    answers = []
    while not answers or (answers[-1] == 503 and len(answers) < 5):
        with page.expect_response(lambda answer: answer.url.endswith("/create_flow_run"), timeout=90_000) as started:
            page.get_by_role("button", name="Submit").click()
        answers.append(started.value.status)
        page.wait_for_timeout(1000)
    assert answers[-1] == 201, answers


def test_mlflow_shows_who_is_champion_and_why(waiting: Waiting, window: Any, picture: Any) -> None:
    mlflow = waiting.loop.up.about["mlflow_url"]
    shown = visit(window, f"{mlflow}/#/models/claims", "champion")
    picture(shown.page, "loop-model")
    shown = visit(window, f"{mlflow}/#/models/claims/versions/2", "champion")
    picture(shown.page, "loop-version")
    assert "dataset" in shown.text()
