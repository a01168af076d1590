"""Go back to an earlier champion."""

from __future__ import annotations

import click

from flows.cli.output import Answer, Invocation, note, pass_invocation
from flows.cli.promote import stated


@click.command()
@click.argument("model")
@click.option("--to", metavar="VERSION|TIME", help="A version, or the champion at that time (ISO 8601, UTC).")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it enters the ledger.")
@click.option("--no-wait", is_flag=True, help="Exit with 2 if another command works on this model.")
@pass_invocation
def command(invocation: Invocation, model: str, to: str | None, reason: str, no_wait: bool) -> Answer:
    """Make an earlier champion of MODEL champion again; without --to, the one before.

    The version that is left is blocked: nothing promotes it by itself until `evergreen promote --unblock`.
    """
    from flows.champion import roll_back
    from tasks.core.names import parse_model

    name = parse_model(model).name
    moved = roll_back(invocation.open_home(), name, to=to, reason=stated(reason), wait=not no_wait, tell=note)
    payload = {
        "status": "completed",
        "reason": reason,
        "model": {"name": name, "version": moved.version, "aliases": ["champion"]},
        "previous_champion": moved.previous,
        "blocked": moved.previous,
        "decision": {"id": moved.decision_id},
    }
    text = f"{name}: version {moved.version} is champion again; version {moved.previous} is blocked"
    return Answer(payload, text)
