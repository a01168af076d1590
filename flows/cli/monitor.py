"""Say whether new rows still look as the champion knew them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.output import Answer, Invocation, Ticker, pass_invocation, table

if TYPE_CHECKING:
    from flows.monitored import Monitored

DRIFTED = 3
MOST_COLUMNS = 20
"""Columns that are listed."""


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--data", metavar="FILE", help="Rows to look at: .csv, .parquet, .jsonl or .npz.")
@click.option("--fail-on-drift", is_flag=True, help="Exit with 3 where these rows drifted.")
@pass_invocation
def command(
    invocation: Invocation, recipe: str, overrides: tuple[str, ...], data: str | None, fail_on_drift: bool
) -> Answer:
    """Compare new rows with those the champion was made from, and its answers with what came true.

    Without --data: the rows of the source that no run has taken in yet, else the champion's predictions since
    the last look. The verdict enters the ledger; confirmed drift asks for a retraining. A window with fewer than
    monitoring.min_rows rows is left to the next one.
    """
    from flows.monitoring import monitor
    from tasks.core.load import load_recipe

    loaded = load_recipe(recipe, overrides)
    home = invocation.open_home()
    ticker = Ticker()
    try:
        found = monitor(loaded, home, data=Path(data).expanduser() if data else None, tell=ticker)
    finally:
        ticker.wipe()
    code = DRIFTED if fail_on_drift and found.detected else 0
    return Answer({"status": "completed", **found.payload}, text_of(found), code)


def text_of(found: Monitored) -> str:
    """The verdict for a person: what it is, which columns moved, what happens next, where to look."""
    from flows.monitored import verdict_word

    payload = found.payload
    lines = [f"{found.order.name}: {verdict_word(found).upper()}", f"  {found.reason}", ""]
    if found.line is not None:
        lines += [*_looked_at(found, payload), *_columns(payload["drift"]), *_performance(payload)]
    lines += _next(found)
    if payload["report"]:
        lines += ["", "Report", f"  {payload['report']}"]
    return "\n".join(lines).rstrip()


def _looked_at(found: Monitored, payload: dict[str, Any]) -> list[str]:
    window = payload["window"]
    origins = {"data": "of the file", "source": "new in the source", "journal": "predictions of the journal"}
    span = f", {window['from']} to {window['to']}" if window["from"] else ""
    lines = [f"  looked at  {window['rows']:,} rows {origins[window['origin']]}{span}"]
    if window["labelled"]:
        what = "rows" if found.order.loaded.recipe.data.target is None else "rows with a label"
        lines.append(f"             {window['labelled']:,} {what} that the champion was not trained on")
    lines.append(f"  against    the rows that version {payload['champion']}, the champion, was made from")
    if found.repeated and found.line is not None:
        lines.append(f"  noted      {found.line.time[:16].replace('T', ' ')} UTC, when these rows were looked at first")
    return lines


def _columns(drift: dict[str, Any]) -> list[str]:
    """Columns that moved, the furthest first; the others are only counted."""
    ordered = sorted(drift["columns"], key=lambda column: -(column["effect"] or 0))
    moved = [column for column in ordered if column["drifted"]]
    shown = moved[:MOST_COLUMNS] or ordered[:3]
    if not shown:
        return []
    heading = ("column", "moved by", "usual", "")
    rows = [(column["name"], *_measured(column)) for column in shown]
    lines = ["", *(f"  {line}" for line in table(heading, rows).splitlines())]
    if len(moved) > len(shown):
        lines.append(f"  {len(moved) - len(shown)} more drifted; the report has them all")
    rest = len(ordered) - max(len(moved), len(shown))
    if rest:
        lines.append(f"  {rest} other {'columns' if rest > 1 else 'column'} moved less than that")
    return [*lines, "  (0: as before; 1: nothing in common with before)"]


def _measured(column: dict[str, Any]) -> tuple[str, str, str]:
    found = (column["effect"], column["threshold"])
    effect, noise = (f"{value:.3f}" if value is not None else "-" for value in found)
    return effect, f"up to {noise}", "DRIFTED" if column["drifted"] else ""


def _performance(payload: dict[str, Any]) -> list[str]:
    performance = payload["performance"]
    if performance:
        return ["", f"  live       {performance['reason']}"]
    return ["", f"  not known  {payload['note']}"] if payload["note"] else []


def _next(found: Monitored) -> list[str]:
    name, trigger = found.order.name, found.trigger
    if trigger is not None and trigger.state == "pending":
        how = (
            "Prefect was told; its deployment starts a retraining"
            if found.announced
            else "it waits in the ledger; `evergreen up` delivers it"
        )
        steps = [f"asked for a retraining (trigger {trigger.id[:12]}): {how}"]
        steps += [f"now, by hand:   evergreen retrain {found.order.loaded.file}"]
        steps += [f'or go back:     evergreen rollback {name} --reason "…"']
    elif trigger is not None:
        steps = [f"trigger {trigger.id[:12]} {trigger.state}: {trigger.outcome or 'a retraining has begun'}"]
    elif found.detected:
        steps = ["nothing yet: one window is no proof; the next one confirms it or not"]
    else:
        return []
    return ["", "Next", *(f"  {step}" for step in steps)]
