"""Register schedules, triggers and forms with Prefect."""

from __future__ import annotations

import click

from flows.cli.output import Answer, Invocation, pass_invocation, table


@click.command()
@click.argument("recipe")
@click.option("--pool", metavar="NAME", help="Work pool whose workers carry the flows out; else `up` does.")
@pass_invocation
def command(invocation: Invocation, recipe: str, pool: str | None) -> Answer:
    """Register what starts a recipe's flows: schedules, the drift trigger, and forms to approve and roll back.

    The server is PREFECT_API_URL, else the one `evergreen up` runs on this home. Doing it again changes nothing;
    a schedule that was taken out of the recipe is removed.
    """
    from flows.deploying import deploy
    from flows.deployments import specs
    from tasks.core.load import claim, load_recipe

    loaded = load_recipe(recipe)
    home = invocation.open_home()
    claim(home, loaded)
    found = specs(loaded, home)
    server = deploy(home, found, pool)
    summaries = [spec.summary for spec in found]
    rows = [[item["name"], item["schedule"], ", ".join(item["triggers"]) or None] for item in summaries]
    lines = [table(["deployment", "schedule", "started by"], rows), "", f"server  {server}"]
    lines.append(f"pool    {pool or 'none: `evergreen up` carries the flows out'}")
    return Answer({"status": "completed", "deployments": summaries, "pool": pool, "server": server}, "\n".join(lines))
