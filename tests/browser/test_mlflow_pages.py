"""MLflow's pages of real runs: parameters and curves of the run, the registered model with alias and tags."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

TRAINING_VIEW = "?workflowType=machine_learning"
DRAWN = """() => document.querySelectorAll('.js-plotly-plot').length === 5
    && document.querySelectorAll('.js-plotly-plot .scatterlayer path.js-line').length >= 2"""


def visit(served: dict[str, str], window: Any, path: str, until: str) -> Any:
    shown = window(width=1400, height=1600)
    shown.page.goto(f"{served['mlflow']}/#{path}{TRAINING_VIEW}")
    shown.page.get_by_text(until).first.wait_for(timeout=60_000)
    return shown


def run_path(runs: Any) -> str:
    import sqlite3

    with sqlite3.connect(runs.home / "mlflow" / "mlflow.db") as database:
        (experiment,) = database.execute(
            "select experiment_id from runs where run_uuid = ?", [runs.digits["run_id"]]
        ).fetchone()
    return f"/experiments/{experiment}/runs/{runs.digits['run_id']}"


def test_the_experiments_are_named_for_the_recipes(served: Any, window: Any, picture: Any) -> None:
    shown = visit(served, window, "/experiments", "breast_cancer")
    picture(shown.page, "mlflow-experiments")
    assert "digits" in shown.text()
    assert "Prompts" not in shown.text(), "the view for language-model applications is open"


def test_a_run_shows_its_parameters_and_final_metrics(runs: Any, served: Any, window: Any, picture: Any) -> None:
    shown = visit(served, window, run_path(runs), "test_accuracy")
    shown.page.get_by_text("training.epochs").first.wait_for(timeout=60_000)
    text = shown.text()
    picture(shown.page, "mlflow-run")
    assert all(name in text for name in ("training.epochs", "training.optimizer.kind", "model.kind", "Finished"))
    assert all(name in text for name in ("test_accuracy", "validation_accuracy", "epoch_accuracy", "train_loss"))
    assert f"{runs.digits['metrics']['test']['accuracy']:.6f}" in text
    assert runs.digits["run_id"] in text


def test_a_run_shows_its_curves(runs: Any, served: Any, window: Any, picture: Any) -> None:
    shown = visit(served, window, f"{run_path(runs)}/model-metrics", "Model metrics")
    shown.page.get_by_placeholder("Search metric charts").fill("loss")
    # Only the five charts of a loss are left, and the two that have an epoch are lines.
    shown.page.wait_for_function(DRAWN, timeout=60_000)
    picture(shown.page, "mlflow-curves")
    assert "train_loss" in shown.text() and "validation_loss" in shown.text()


def test_the_registered_model_shows_versions_and_who_is_champion(served: Any, window: Any, picture: Any) -> None:
    shown = visit(served, window, "/models/digits", "Version 2")
    picture(shown.page, "mlflow-model")
    rows = shown.page.get_by_role("row")
    champion = rows.filter(has_text="champion")
    assert champion.count() == 1
    assert "Version 1" in champion.inner_text()


def test_a_version_shows_its_alias_tags_and_signature(runs: Any, served: Any, window: Any, picture: Any) -> None:
    shown = visit(served, window, "/models/digits/versions/1", "Inputs (64)")
    text = "".join(shown.text().split())
    picture(shown.page, "mlflow-version")
    assert runs.digits["dataset"]["version"] in text
    assert "champion" in text and "Inputs(64)" in text and "Outputs(11)" in text
    assert all(f"evergreen.{name}" in text for name in ("content", "decision", "key", "recipe"))
