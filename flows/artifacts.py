"""What people see of a run in the Prefect UI: gates, decision, links, training progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flows.engine import Execution
from flows.outcome import Outcome
from tasks.core.home import Home


def publish(home: Home, execution: Execution, outcome: Outcome) -> None:
    """Put the gates, the decision and the links beside the flow run."""
    from prefect.artifacts import create_markdown_artifact, create_table_artifact

    slug = _slug(execution.loaded.recipe.name)
    gates = [
        {"gate": gate.name, "state": gate.state, "threshold": gate.threshold, "reason": gate.evidence.get("reason", "")}
        for gate in execution.gates
    ]
    if gates:
        create_table_artifact(gates, key=f"{slug}-gates", description=f"Gates of {execution.loaded.recipe.name}")
    create_markdown_artifact(
        decision_text(outcome), key=f"{slug}-decision", description="The decision and its evidence"
    )
    links = links_text(home, outcome)
    if links:
        create_markdown_artifact(links, key=f"{slug}-links", description="Reports and the MLflow run")


def decision_text(outcome: Outcome) -> str:
    """The decision and its evidence as Markdown."""
    payload = outcome.payload
    lines = [f"# {payload['recipe']}: {outcome.status}", "", outcome.reason, ""]
    decision = payload["decision"]
    if decision:
        lines += ["| | |", "|---|---|"]
        for label in ("rule", "metric", "rows", "difference", "interval", "detectable", "champion", "id"):
            lines.append(f"| {label} | {decision[label]} |")
        lines.append("")
    for split, metrics in payload["metrics"].items():
        lines.append(f"**{split}**: " + ", ".join(f"{name} {value:.4f}" for name, value in metrics.items()))
        lines.append("")
    return "\n".join(lines)


def links_text(home: Home, outcome: Outcome) -> str:
    """Where the reports and the MLflow run are, as Markdown."""
    lines = [f"- {label} report: `{path}`" for label, path in outcome.payload["reports"].items()]
    run_id = outcome.payload["run_id"]
    if run_id:
        uri = home.tracking_uri
        if uri.startswith("http"):
            lines.append(f"- [MLflow run {run_id}]({uri}/#/runs/{run_id})")
        else:
            lines.append(f"- MLflow run `{run_id}` in `{uri}`")
    return "\n".join(lines)


def state_of(outcome: Outcome) -> Any:
    """The flow run's final state: a hold must not page anyone, so only a stopped run is Failed."""
    from prefect.states import Completed, Failed

    kind = Failed if outcome.status == "stopped" else Completed
    return kind(name=outcome.status.capitalize(), message=outcome.reason)


def progress_of(stage: str, tell: Callable[[str], None]) -> Callable[[float, str], None]:
    """What a long stage reports to: one progress artifact, made at the first report."""
    made: list[Any] = []

    def report(share: float, text: str) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        tell(f"{stage} {share:4.0%} {text}")
        percent = round(100 * share, 1)
        if not made:
            made.append(create_progress_artifact(percent, key=f"{stage}-progress", description=text))
        else:
            update_progress_artifact(made[0], percent, description=text)

    return report


def _slug(name: str) -> str:
    """An artifact key: lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")
