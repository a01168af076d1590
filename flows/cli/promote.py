"""Make a model version the champion by hand."""

from __future__ import annotations

import click

from flows.cli.output import Answer, Invocation, note, pass_invocation


@click.command()
@click.argument("model", metavar="MODEL/VERSION")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it enters the ledger.")
@click.option("--unblock", is_flag=True, help="Also if a rollback has ruled this version out.")
@click.option("--no-wait", is_flag=True, help="Exit with 2 if another command works on this model.")
@pass_invocation
def command(invocation: Invocation, model: str, reason: str, unblock: bool, no_wait: bool) -> Answer:
    """Make MODEL/VERSION the champion, once it has repeated its golden predictions in a bare environment."""
    from flows.champion import promote
    from tasks.core.names import parse_version

    name, version = parse_version(model)
    moved = promote(
        invocation.open_home(),
        name,
        version,
        reason=stated(reason),
        unblock=unblock,
        wait=not no_wait,
        tell=note,
    )
    payload = {
        "status": "promoted",
        "reason": reason,
        "model": {"name": name, "version": moved.version, "aliases": ["champion"]},
        "previous_champion": moved.previous,
        "decision": {"id": moved.decision_id},
    }
    before = f" in place of version {moved.previous}" if moved.previous else ""
    return Answer(payload, f"{name}: version {moved.version} is champion{before}")


def stated(reason: str) -> str:
    """The reason, if it says anything.

    Raises:
        RequestError: it is blank.
    """
    from tasks.core.errors import RequestError

    if not reason.strip():
        raise RequestError(
            "--reason is empty.", remedy="Say why: whoever reads the ledger later needs it.", code="reason"
        )
    return reason.strip()
