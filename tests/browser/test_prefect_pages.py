"""Prefect's pages of real runs: one readable task per stage, the gates, the decision with its evidence, the links."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from tasks.core.contracts import GATES, STAGES

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


def asked(served: dict[str, str], path: str, question: dict[str, Any]) -> list[dict[str, Any]]:
    request = urllib.request.Request(
        f"{served['prefect']}/api/{path}/filter",
        data=json.dumps(question).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return list(json.load(response))


def run_of(served: dict[str, str], name: str, state: str) -> str:
    found = asked(served, "flow_runs", {})
    (run,) = [entry for entry in found if (entry["name"], entry["state_name"]) == (name, state)]
    assert run["state_type"] == "COMPLETED", "a hold must not page anyone"
    return str(run["id"])


def artifact_of(served: dict[str, str], run: str, key: str) -> str:
    found = asked(served, "artifacts", {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"any_": [key]}}})
    (artifact,) = [entry for entry in found if entry["key"] == key and entry["flow_run_id"] == run]
    return str(artifact["id"])


def visit(window: Any, address: str, until: str) -> Any:
    shown = window(width=1300)
    shown.page.goto(address)
    shown.page.get_by_text(until).first.wait_for(timeout=60_000)
    return shown


def test_the_list_of_runs_names_what_became_of_each(served: Any, window: Any, picture: Any) -> None:
    shown = visit(window, f"{served['prefect']}/runs", "Held")
    # The list is filled bit by bit: each word is waited for.
    for word in ("Promoted", "Held", "Unchanged", "digits", "breast_cancer", "11 Task runs"):
        shown.page.get_by_text(word).first.wait_for(state="attached", timeout=60_000)
        assert shown.page.get_by_text(word).count() >= 1, word
    picture(shown.page, "prefect-runs", whole=False)


def test_a_promoted_run_has_a_readable_task_for_every_stage(served: Any, window: Any, picture: Any) -> None:
    run = run_of(served, "digits", "Promoted")
    shown = visit(window, f"{served['prefect']}/runs/flow-run/{run}", "Promoted")
    shown.page.get_by_text("Task Runs", exact=True).click()
    shown.page.get_by_text("(11 Completed)").wait_for(timeout=60_000)
    # The list is filled as it is scrolled.
    shown.page.get_by_role("link", name="validate", exact=True).last.scroll_into_view_if_needed()
    shown.page.mouse.wheel(0, 5000)
    shown.page.get_by_role("link", name="ingest", exact=True).first.wait_for(timeout=60_000)
    for stage in STAGES:
        assert shown.page.get_by_role("link", name=stage, exact=True).count() == 1, stage
    picture(shown.page, "prefect-promoted")


def test_a_run_that_mended_one_stage_shows_the_others_as_cached(served: Any, window: Any, picture: Any) -> None:
    run = run_of(served, "digits", "Unchanged")
    shown = visit(window, f"{served['prefect']}/runs/flow-run/{run}", "Unchanged")
    shown.page.get_by_text("Task Runs", exact=True).click()
    shown.page.get_by_text("Cached", exact=True).first.wait_for(timeout=60_000)
    picture(shown.page, "prefect-cached")
    tasks = asked(served, "task_runs", {"task_runs": {"flow_run_id": {"any_": [run]}}})
    states = {task["name"]: task["state_name"] for task in tasks}
    assert states == {**dict.fromkeys(STAGES, "Cached"), "explore": "Completed"}


def test_the_gates_are_a_table_with_state_threshold_and_reason(served: Any, window: Any, picture: Any) -> None:
    run = run_of(served, "digits", "Promoted")
    artifact = artifact_of(served, run, "digits-gates")
    shown = visit(window, f"{served['prefect']}/artifacts/artifact/{artifact}", "better_than_champion")
    text = shown.text()
    picture(shown.page, "prefect-gates")
    assert all(gate in text for gate in GATES)
    assert "passed" in text and "skipped" in text and "The recipe names no gates.thresholds." in text
    assert "16 Items" in text


def test_the_decision_is_shown_with_its_evidence(runs: Any, served: Any, window: Any, picture: Any) -> None:
    run = run_of(served, "digits", "Held")
    artifact = artifact_of(served, run, "digits-decision")
    shown = visit(window, f"{served['prefect']}/artifacts/artifact/{artifact}", "digits: held")
    text = shown.text()
    picture(shown.page, "prefect-decision")
    decision = runs.held["decision"]
    assert runs.held["reason"].rstrip(".") in text
    assert "challenger" in text and "version 2" in text and "version 1" in text and "superior" in text
    low, high = decision["interval"]
    assert f"{decision['difference']:+.4f} in accuracy on {decision['rows']} rows" in text
    assert f"{low:+.4f} to {high:+.4f}" in text and f"{decision['detectable']:.4f}" in text
    assert decision["id"][:12] in text
    assert f"{runs.held['metrics']['test']['accuracy']:.4f}" in text
    assert "14 of 16 gates passed." in text and "better_than_champion failed" in text


def test_the_links_name_every_report_and_the_run_in_mlflow(runs: Any, served: Any, window: Any, picture: Any) -> None:
    run = run_of(served, "breast_cancer", "Promoted")
    artifact = artifact_of(served, run, "breast-cancer-links")
    shown = visit(window, f"{served['prefect']}/artifacts/artifact/{artifact}", "model card")
    text = shown.text()
    picture(shown.page, "prefect-links")
    assert all(path in text for path in runs.breast_cancer["reports"].values())
    assert runs.breast_cancer["run_id"] in text and "mlflow.db" in text


@pytest.mark.parametrize("stage", ["train", "validate"])
def test_what_reports_progress_is_shown_as_done(stage: str, served: Any, window: Any, picture: Any) -> None:
    run = run_of(served, "digits", "Promoted")
    artifact = artifact_of(served, run, f"digits-{stage}-progress")
    shown = visit(window, f"{served['prefect']}/artifacts/artifact/{artifact}", "Progress: 100%")
    picture(shown.page, f"prefect-progress-{stage}")
    assert stage != "train" or "epoch 2, train loss" in shown.text()
