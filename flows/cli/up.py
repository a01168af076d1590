"""Serve schedules, triggers and web pages until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flows.cli.output import Answer, Invocation, note, pass_invocation

if TYPE_CHECKING:
    from flows.up import Addresses
    from tasks.core.home import Home


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port of the Prefect server; else 4200 or a free one."
)
@pass_invocation
def command(invocation: Invocation, port: int | None) -> Answer:
    """Prefect server, MLflow server and runner in one terminal, with every recipe's schedules and triggers.

    Recipes are those this home has worked on, and those under ./data that have a schedule. What dies is started
    again; triggers that nobody acted on are acted on. Ctrl-C ends all of it.
    """
    from flows.up import up

    home = invocation.open_home()

    def ready(addresses: Addresses, recipes: list[str]) -> None:
        note(text_of(home, addresses, recipes))

    ended = up(home, Path.cwd(), port=port, ready=ready, tell=note)
    payload = {
        "status": "completed",
        "prefect_api_url": ended.addresses.prefect_api_url,
        "mlflow_url": ended.addresses.mlflow_url,
        "recipes": ended.recipes,
        "restarts": ended.restarts,
    }
    return Answer(payload, "stopped; schedules and pending triggers wait for the next `evergreen up`")


def text_of(home: Home, addresses: Addresses, recipes: list[str]) -> str:
    """Where to look, and what happens next."""
    from flows.deployments import find_recipes, next_times
    from flows.pages import pages_at

    pages = pages_at(addresses.prefect, addresses.mlflow_url)
    lines = [
        f"runs, gates, decisions   {pages.prefect}",
        f"schedules and forms      {addresses.prefect}/deployments",
        f"metrics and models       {pages.mlflow}",
        "",
    ]
    found = [loaded for loaded in find_recipes(home, Path.cwd()).recipes if loaded.recipe.name in recipes]
    for loaded in found:
        due = [f"{flow} {times[0]:%a %d %b %H:%M %Z}" for flow, times in next_times(loaded.recipe).items()]
        lines.append(f"{loaded.recipe.name:<24} {', '.join(due) or 'no schedule: events and people only'}")
    if found:
        lines += ["", f"In another terminal: evergreen status, or evergreen retrain {found[0].recipe.name}"]
    else:
        lines.append("no recipe yet: run one, or give one under ./data a schedule")
    return "\n".join([*lines, "", "Ctrl-C ends it."])
