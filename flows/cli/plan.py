"""Say what a run would do, and why."""

from __future__ import annotations

import click

from flows.cli.output import Answer, Invocation, pass_invocation
from tasks.core.contracts import GATES, STAGES


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--until", type=click.Choice(STAGES), metavar="STAGE", help="End after this stage.")
@click.option("--no-promote", is_flag=True, help="Plan a run that ends with the packaged model.")
@pass_invocation
def command(
    invocation: Invocation, recipe: str, overrides: tuple[str, ...], until: str | None, no_promote: bool
) -> Answer:
    """Say which stages would run or are cached, why, how long it should take and which gates apply."""
    from flows.training import Order, plan_of
    from tasks.core.load import claim, load_recipe

    loaded = load_recipe(recipe, overrides)
    order = Order(loaded, invocation.open_home(), until=until, promote=not no_promote)
    claim(order.home, loaded, write=False)
    plan = plan_of(order)
    stages = [
        {
            "name": step.name,
            "action": step.action,
            "cause": step.cause,
            "detail": step.detail,
            "expected_seconds": step.expected_seconds,
        }
        for step in plan.steps
    ]
    planned = {step.name for step in plan.steps}
    gates = [gate for gate, stage in GATES.items() if stage in planned]
    payload = {
        "status": "completed",
        "recipe": loaded.recipe.name,
        "stages": stages,
        "gates": gates,
        "expected_seconds": plan.expected_seconds,
    }
    lines = [f"{loaded.recipe.name}: {len(plan.runs)} of {len(plan.steps)} stages will run"]
    for step in plan.steps:
        seconds = "" if step.expected_seconds is None or step.action == "cached" else f"~{step.expected_seconds:.1f} s"
        lines.append(f"  {step.action:<7}{step.name:<10}{seconds:>9}  {step.cause:<20}{step.detail}".rstrip())
    total = "unknown until it has run once" if plan.expected_seconds is None else f"about {plan.expected_seconds:.0f} s"
    lines += ["", f"expected time: {total}", f"gates: {', '.join(gates)}"]
    return Answer(payload, "\n".join(lines))
