"""What people see of a run in the Prefect UI: gates, decision, links, training progress."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flows.engine import Execution
from flows.outcome import Outcome
from tasks.core.home import Home
from tasks.report.numbers import in_words, show

REPORTS = {
    "validation": "validation of the data",
    "data": "what the data looks like",
    "evaluation": "evaluation of the model",
    "card": "model card",
}
"""Report → what its link says."""


def publish(home: Home, execution: Execution, outcome: Outcome) -> None:
    """Put the decision, the gates and the links beside the flow run."""
    from prefect.artifacts import create_markdown_artifact, create_table_artifact

    name = execution.loaded.recipe.name
    slug = _slug(name)
    create_markdown_artifact(
        decision_text(outcome), key=f"{slug}-decision", description=f"What became of {name}, and the evidence"
    )
    gates = outcome.payload["gates"]
    if gates:
        rows = [gate_row(gate) for gate in gates]
        create_table_artifact(rows, key=f"{slug}-gates", description=f"Every gate of {name}, in the order it was asked")
    links = links_text(home, outcome)
    if links:
        create_markdown_artifact(links, key=f"{slug}-links", description="Reports on the disk, and the MLflow run")


def gate_row(gate: dict[str, Any]) -> dict[str, str]:
    """One line of the table of gates: what it said, against which limit, and why."""
    why = gate["evidence"].get("reason") or in_words(gate["evidence"])
    threshold = "" if gate["threshold"] is None else show(gate["threshold"])
    return {"gate": gate["name"], "state": gate["state"], "threshold": threshold, "why": why}


def decision_text(outcome: Outcome) -> str:
    """The decision and its evidence as Markdown."""
    payload = outcome.payload
    version = payload["model"]["version"]
    lines = [f"# {payload['recipe']}: {outcome.status}", "", payload["reason"], ""]
    if outcome.status == "waiting":
        form = f"the form of the deployment `approve/{payload['recipe']}` does the same"
        lines += [f"Where `evergreen up` or `deploy` serves this recipe, {form}.", ""]
    if payload["decision"]:
        rows = [f"| **{label}** | {text} |" for label, text in _evidence(payload["decision"], version)]
        # The first line is the head: an empty one would be drawn as an empty line.
        lines += [rows[0], "|---|---|", *rows[1:], ""]
    lines += _metrics(payload["metrics"])
    return "\n".join([*lines, *_gates(payload["gates"])]).rstrip() + "\n"


def _evidence(decision: dict[str, Any], version: str | None) -> list[tuple[str, str]]:
    facts = [("challenger", f"version {version}" if version else "none was packaged")]
    facts.append(("champion", f"version {decision['champion']}" if decision["champion"] else "none yet"))
    facts.append(("rule", decision["rule"].replace("_", " ")))
    if decision["difference"] is not None:
        low, high = decision["interval"]
        facts.append(
            ("difference", f"{decision['difference']:+.4f} in {decision['metric']} on {decision['rows']:,} rows")
        )
        facts.append(("interval", f"{low:+.4f} to {high:+.4f}"))
    if decision["detectable"] is not None:
        facts.append(("smallest difference these rows can show", f"{decision['detectable']:.4f}"))
    facts.append(("entry in the ledger", f"`{decision['id'][:12]}`"))
    return facts


def _metrics(metrics: dict[str, dict[str, float]]) -> list[str]:
    if not metrics:
        return []
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    lines = [f"| metric | {' | '.join(metrics)} |", "|---" * (len(metrics) + 1) + "|"]
    for name in names:
        values = (f"{split[name]:.4f}" if name in split else "undefined" for split in metrics.values())
        lines.append(f"| {name} | {' | '.join(values)} |")
    return [*lines, ""]


def _gates(gates: list[dict[str, Any]]) -> list[str]:
    if not gates:
        return []
    lines = [f"{sum(gate['state'] == 'passed' for gate in gates)} of {len(gates)} gates passed.", ""]
    others = (gate for gate in gates if gate["state"] != "passed")
    return [*lines, *(f"- **{gate['name']}** {gate['state']}: {gate_row(gate)['why']}" for gate in others)]


def links_text(home: Home, outcome: Outcome) -> str:
    """Where the reports and the MLflow run are, as Markdown."""
    reports = outcome.payload["reports"]
    lines = []
    if reports:
        lines += ["| open | file on the machine that ran it |", "|---|---|"]
        lines += [f"| {REPORTS[label]} | `{path}` |" for label, path in reports.items()]
    run_id = outcome.payload["run_id"]
    if run_id and home.tracking_uri.startswith("http"):
        lines += ["", f"[The MLflow run]({home.tracking_uri}/#/runs/{run_id}): `{run_id}`"]
    elif run_id:
        lines += ["", f"MLflow run `{run_id}` in experiment **{outcome.payload['recipe']}**: `{home.tracking_uri}`"]
    return "\n".join(lines)


def state_of(outcome: Outcome) -> Any:
    """The flow run's final state: a hold must not page anyone, so only a stopped run is Failed."""
    from prefect.states import Completed, Failed

    kind = Failed if outcome.status == "stopped" else Completed
    return kind(name=outcome.status.capitalize(), message=outcome.reason)


class Progress:
    """What a long stage reports to: lines for the terminal, and one progress artifact made at the first report."""

    def __init__(self, recipe: str, stage: str, tell: Callable[[str], None]) -> None:
        self._recipe, self._stage, self._tell = recipe, stage, tell
        self._artifact: Any = None
        self._shown = 0.0

    def __call__(self, share: float, text: str) -> None:
        """Say how far the stage has come: share in [0, 1] and one line of text."""
        self._tell(f"{self._stage} {share:4.0%} {text}")
        self._show(share, text)

    def finish(self) -> None:
        """The stage has ended well: what was begun is shown as done, with what it said last."""
        if self._artifact is not None and self._shown < 1:
            self._show(1.0, None)

    def _show(self, share: float, text: str | None) -> None:
        try:
            self._draw(share, text)
        except Exception as error:  # noqa: BLE001 - a server that went away must not cost a training
            self._tell(f"{self._stage}: progress is not shown in Prefect ({type(error).__name__})")

    def _draw(self, share: float, text: str | None) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        self._shown, percent = share, round(100 * share, 1)
        if self._artifact is None:
            key = f"{_slug(self._recipe)}-{self._stage}-progress"
            self._artifact = create_progress_artifact(percent, key=key, description=text)
        else:
            update_progress_artifact(self._artifact, percent, description=text)


def _slug(name: str) -> str:
    """An artifact key: lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")
