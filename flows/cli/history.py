"""Show who was champion when, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flows.cli.output import Answer, Invocation, pass_invocation, table

if TYPE_CHECKING:
    from tasks.core.home import Home


@click.command()
@click.argument("model")
@pass_invocation
def command(invocation: Invocation, model: str) -> Answer:
    """List every decision about MODEL and every move of its champion, oldest first."""
    from flows.champion import check_known
    from tasks.core.names import parse_model
    from tasks.stores import registry
    from tasks.trace.history import history

    home = invocation.open_home()
    name = parse_model(model).name
    if history(home, name):
        _notice(home, name)
    entries = history(home, name)
    champion = registry.champion_version(home, name)
    if not entries:
        check_known(home, name)
    payload = {"status": "completed", "model": name, "champion": champion, "entries": entries}
    rows = [
        (
            entry["time"][:19].replace("T", " "),
            entry["kind"],
            entry["version"],
            f"{entry['from'] or '-'} → {entry['to']}" if entry["to"] else "",
            entry["actor"],
            entry["reason"],
        )
        for entry in entries
    ]
    heading = f"{name}: champion is version {champion}" if champion else f"{name}: no champion"
    return Answer(payload, f"{heading}\n\n{table(('time (UTC)', 'what', 'version', 'champion', 'who', 'why'), rows)}")


def _notice(home: Home, name: str) -> None:
    """Enter what somebody else moved, unless a command that changes the model is at work: it will do so itself."""
    from flows.cli.output import note
    from tasks.core.errors import RequestError
    from tasks.release.promotion import recover
    from tasks.stores.lease import hold

    try:
        with hold(home, name, "history", wait=False):
            for line in recover(home, name):
                note(line)
    except RequestError as error:
        if error.code != "lease":
            raise
