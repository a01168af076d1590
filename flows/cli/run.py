"""Take data to a decision about the champion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flows.cli.output import Answer, Invocation, Ticker, pass_invocation
from tasks.core.contracts import STAGES

if TYPE_CHECKING:
    from flows.outcome import Outcome


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--until", type=click.Choice(STAGES), metavar="STAGE", help="End after this stage.")
@click.option("--no-promote", is_flag=True, help="End with the packaged model; decide and promote nothing.")
@click.option("--no-wait", is_flag=True, help="Exit with 2 if another command works on this model.")
@pass_invocation
def command(
    invocation: Invocation, recipe: str, overrides: tuple[str, ...], until: str | None, no_promote: bool, no_wait: bool
) -> Answer:
    """Ingest, validate, version, explore, prepare, train, evaluate, package, decide, promote.

    RECIPE is a folder, a YAML file, or the name of a folder under data/. KEY=VALUE changes one field for
    this run, for example training.epochs=5. What has not changed is not done again.
    """
    from flows.training import Order, execute
    from tasks.core.load import load_recipe
    from tasks.core.team import under_torchrun

    team = under_torchrun()
    if team is not None and team.rank > 0:
        from tasks.train.followers import follow_torchrun

        steps = follow_torchrun(team)
        return Answer({"status": "completed", "steps": steps}, f"process {team.rank}: took part in {steps} steps")
    loaded = load_recipe(recipe, overrides)
    home = invocation.open_home()
    order = Order(loaded, home, until=until, promote=not no_promote, wait=not no_wait)
    ticker = Ticker()
    try:
        outcome = execute(order, tell=ticker)
    finally:
        ticker.wipe()
        if team is not None:
            from tasks.train.followers import release_torchrun

            release_torchrun()
    return Answer({"status": outcome.status, **outcome.payload}, text_of(outcome, home.tracking_uri), outcome.exit_code)


def text_of(outcome: Outcome, tracking_uri: str) -> str:
    """The outcome for a person: the decision first, then the numbers, then where to look and go next."""
    payload = outcome.payload
    lines = [f"{payload['recipe']}: {outcome.status.upper()}", f"  {outcome.reason}", ""]
    lines += _stages(payload["stages"])
    lines += [f"  prepared   {note}" for note in payload["preparation"]]
    lines += [*_gates(payload["gates"]), *_metrics(payload["metrics"])]
    lines += [*_diagnosis(payload["diagnosis"]), *_decision(payload)]
    lines += _where(payload)
    lines += _next(outcome, tracking_uri)
    return "\n".join(lines).rstrip()


def _stages(stages: list[dict[str, Any]]) -> list[str]:
    ran = [f"{stage['name']} {stage['seconds']:.1f} s" for stage in stages if stage["state"] == "ran"]
    cached = [stage["name"] for stage in stages if stage["state"] == "cached"]
    lines = [f"  ran        {', '.join(ran) or 'nothing'}"]
    if cached:
        lines.append(f"  cached     {', '.join(cached)}")
    return lines


def _gates(gates: list[dict[str, Any]]) -> list[str]:
    if not gates:
        return []
    passed = [gate["name"] for gate in gates if gate["state"] == "passed"]
    lines = [f"  gates      {len(passed)} passed: {', '.join(passed)}"]
    for gate in gates:
        if gate["state"] != "passed":
            lines.append(f"             {gate['name']} {gate['state']}: {gate['evidence'].get('reason', '')}")
    return lines


def _metrics(metrics: dict[str, dict[str, float]]) -> list[str]:
    lines = []
    for split, values in metrics.items():
        text = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
        lines.append(f"  {split:<11}{text}")
    return lines


def _diagnosis(found: dict[str, Any] | None) -> list[str]:
    """What the learning curves say; the remedy on a line of its own."""
    if not found:
        return []
    return [f"  {'training':<11}{found['finding']}", *([f"{'':<13}{found['remedy']}"] if found["remedy"] else [])]


def _decision(payload: dict[str, Any]) -> list[str]:
    decision = payload["decision"]
    if not decision:
        return []
    line = f"  decision   {decision['verdict']} by the rule {decision['rule']}"
    if decision["difference"] is not None:
        low, high = decision["interval"]
        line += f": {decision['metric']} {decision['difference']:+.4f} (interval {low:+.4f} to {high:+.4f}"
        line += f", {decision['rows']} rows)"
    return [line]


def _where(payload: dict[str, Any]) -> list[str]:
    if not payload["reports"]:
        return []
    return ["", "Reports", *(f"  {label:<11}{path}" for label, path in payload["reports"].items())]


def _next(outcome: Outcome, tracking_uri: str) -> list[str]:
    payload = outcome.payload
    name, version = payload["recipe"], payload["model"]["version"]
    steps = {
        "promoted": [
            f'load it:     mlflow.set_tracking_uri("{tracking_uri}")',
            f'             mlflow.pyfunc.load_model("models:/{name}@champion")',
            "see it:      evergreen up, and open the pages it names",
            f"explain it:  evergreen explain {name} --verify",
            f"its past:    evergreen history {name}",
        ],
        "unchanged": [f"why:         evergreen explain {name}", f"its past:    evergreen history {name}"],
        "waiting": [f'approve:     evergreen promote {name}/{version} --reason "…"'],
        "held": [
            "look at:     the evaluation report",
            f"explain it:  evergreen explain {name}/{version}",
            f'overrule:    evergreen promote {name}/{version} --reason "…"',
        ],
        "rejected": ["look at the evaluation report, change the recipe, run again"],
        "stopped": ["mend what the gate names, then run again: what is done is kept"],
        "completed": [f"go on:       evergreen run {name}"],
    }[outcome.status]
    return ["", "Next", *(f"  {step}" for step in steps)]
