"""Show what stands behind a model, and verify it."""

from __future__ import annotations

import click

from flows.cli.output import Answer, Invocation, pass_invocation


@click.command()
@click.argument("model", required=False)
@click.option("--prediction", metavar="ID", help="Explain one prediction, by its prediction_id.")
@click.option("--verify", is_flag=True, help="Recompute every hash; exit with 3 if one differs.")
@pass_invocation
def command(invocation: Invocation, model: str | None, prediction: str | None, verify: bool) -> Answer:
    """Show the chain from MODEL (or one prediction) to decision, run, gates, data and source.

    MODEL is a name, name@alias or name/version; the alias is champion where none is given.
    """
    from tasks.core.names import parse_model

    if (model is None) == (prediction is None):
        raise click.UsageError("Name either a MODEL or a prediction with --prediction ID.")
    if model is not None:
        parse_model(model)
    home = invocation.open_home()
    from tasks.trace.lineage import explain, explain_prediction

    found = (
        explain_prediction(home, prediction, verify=verify) if prediction else explain(home, str(model), verify=verify)
    )
    broken = [link["kind"] for link in found["links"] if link["ok"] is False]
    marks = {
        True: click.style("ok     ", fg="green"),
        False: click.style("BROKEN ", fg="red", bold=True),
        None: "       ",
    }
    lines = [f"{found['model']['name']}/{found['model']['version']}", ""]
    for link in found["links"]:
        lines.append(f"  {marks[link['ok']]}{link['kind']:<12}{(link['hash'] or '-')[:12]:<14}{link['detail']}")
    if verify:
        unchecked = [link["kind"] for link in found["links"] if link["ok"] is None]
        but = f" but that of {' and '.join(unchecked)}" if unchecked else ""
        holds = f"verified: every hash{but} was recomputed and holds"
        lines += ["", f"broken: {', '.join(broken)}" if broken else holds]
    else:
        lines += ["", "--verify recomputes every hash"]
    return Answer({"status": "completed", **found}, "\n".join(lines), 3 if found["verified"] is False else 0)
