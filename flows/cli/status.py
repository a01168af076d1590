"""Show every model: champion, age, drift, next runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flows.cli.output import Answer, Invocation, pass_invocation, table

if TYPE_CHECKING:
    from flows.upcoming import Upcoming
    from tasks.trace.overview import Standing

HEADINGS = ("model", "champion", "since (UTC)", "days", "last decision", "last drift", "waiting", "next run (UTC)")


@click.command()
@pass_invocation
def command(invocation: Invocation) -> Answer:
    """Show how every model of the home stands, and what needs a person.

    Next runs are shown where a Prefect server is known and answers. Nothing is written.
    """
    from flows.upcoming import upcoming
    from tasks.core.home import find_home
    from tasks.trace.overview import overview

    if not find_home(invocation.home).exists():
        return Answer({"status": "completed", "models": []}, _nothing(str(find_home(invocation.home))))
    home = invocation.open_home()
    standings = overview(home)
    coming = upcoming(home)
    runs = {standing.name: [run for run in coming or [] if run.model == standing.name] for standing in standings}
    payload = {
        "status": "completed",
        "scheduler": "unknown" if coming is None else "answers",
        "models": [_model(standing, runs[standing.name]) for standing in standings],
    }
    if not standings:
        return Answer(payload, _nothing(str(home.root)))
    lines = [table(HEADINGS, [_row(standing, runs[standing.name]) for standing in standings])]
    notes = [note for standing in standings for note in _notes(standing)]
    if notes:
        lines += ["", "For a person", *(f"  {note}" for note in notes)]
    if coming is None:
        lines += ["", "No Prefect server answers, so nothing is started by itself: `evergreen up`"]
    return Answer(payload, "\n".join(lines))


def _nothing(home: str) -> str:
    return f"There is no model in {home} yet.\n  begin with: evergreen run digits"


def _model(standing: Standing, runs: list[Upcoming]) -> dict[str, Any]:
    return {
        "name": standing.name,
        "recipe": standing.recipe,
        "champion": standing.champion,
        "since": standing.since,
        "age_days": standing.age_days,
        "last_decision": standing.last_decision,
        "last_drift": standing.last_drift,
        "pending_triggers": standing.pending_triggers,
        "next_runs": [{"what": run.what, "time": run.time} for run in runs],
        "undelivered_alerts": standing.undelivered_alerts,
        "overdue": standing.overdue,
        "problem": standing.problem,
    }


def _row(standing: Standing, runs: list[Upcoming]) -> tuple[Any, ...]:
    decision, drift = standing.last_decision, standing.last_drift
    return (
        standing.name,
        standing.champion,
        _minute(standing.since) if standing.since else None,
        None if standing.age_days is None else f"{standing.age_days:.1f}",
        f"{decision['kind']} {_minute(decision['time'])}" if decision else None,
        f"{_verdict(drift)} {_minute(drift['time'])}" if drift else None,
        len(standing.pending_triggers) or None,
        f"{runs[0].what} {_minute(runs[0].time)}" if runs else None,
    )


def _verdict(drift: dict[str, Any]) -> str:
    if drift["confirmed"]:
        return "confirmed"
    return "suspected" if drift["detected"] else "none"


def _notes(standing: Standing) -> list[str]:
    """What somebody should look at, one line each."""
    name = standing.name
    notes = [f"{name}: {late['what']} was due at {_minute(late['due'])} and left no trace" for late in standing.overdue]
    if standing.champion and standing.since is None:
        notes.append(f"{name}: the champion was moved outside Evergreen; `evergreen history {name}` enters it")
    for trigger in standing.pending_triggers:
        notes.append(f"{name}: {trigger['state']} since {_minute(trigger['time'])}: {trigger['reason']}")
    if standing.undelivered_alerts:
        last = standing.undelivered_alerts[-1]
        count = len(standing.undelivered_alerts)
        text = f"{count} alert{'s' * (count > 1)} not delivered, last at {_minute(last['time'])} to {last['hook']}"
        notes.append(f"{name}: {text}: {last['reason']}")
    if standing.problem:
        notes.append(f"{name}: its schedule is not known: {standing.problem}")
    return notes


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")
