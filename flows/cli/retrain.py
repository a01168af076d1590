"""Ask the recipe's policy for a new model, and make it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flows.cli.output import Answer, Invocation, Ticker, pass_invocation

if TYPE_CHECKING:
    from flows.retraining import Retrained


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--reason", default="asked for at the command line", metavar="TEXT", help="Why; kept in the ledger.")
@click.option("--no-wait", is_flag=True, help="Exit with 2 if another command works on this model.")
@pass_invocation
def command(invocation: Invocation, recipe: str, overrides: tuple[str, ...], reason: str, no_wait: bool) -> Answer:
    """Do what a schedule or a drift alarm does: ask the policy in `retraining`, and run where it says yes.

    The request and what became of it stand in the ledger. Reasons to retrain that were left open, for
    example by a flow that was killed, are answered by the same run. `evergreen run` asks no policy.
    """
    from flows.retraining import retrain
    from tasks.core.errors import RequestError
    from tasks.core.load import load_recipe

    if not reason.strip():
        raise RequestError("The reason is empty.", remedy="Say why with --reason, or leave it out.", code="reason")
    loaded = load_recipe(recipe, overrides)
    home = invocation.open_home()
    ticker = Ticker()
    try:
        found = retrain(loaded, home, reason=reason.strip(), cause="person", wait=not no_wait, tell=ticker)
    finally:
        ticker.wipe()
    return answer(loaded.recipe.name, found, home.tracking_uri)


def answer(name: str, found: Retrained, tracking_uri: str) -> Answer:
    """The decision, the run and the trigger, as the contract has them."""
    from flows.cli.run import text_of

    trigger, outcome = found.trigger, found.outcome
    payload: dict[str, Any] = {
        "status": outcome.status if outcome else "completed",
        "model": name,
        "policy": {"decision": "retrain" if found.decision.retrain else "skip", "reason": found.decision.reason},
        "trigger": {"id": trigger.id, "state": trigger.state, "outcome": trigger.outcome, "into": trigger.into},
        "run": {"status": outcome.status, **outcome.payload} if outcome else None,
    }
    lines = [f"{name}: {payload['policy']['decision'].upper()}", f"  {found.decision.reason}"]
    lines.append(f"  trigger {trigger.id[:8]}: {trigger.state}")
    if outcome is not None:
        lines += ["", text_of(outcome, tracking_uri)]
    elif trigger.state == "refused":
        lines += ["", "Next", f"  without asking the policy:  evergreen run {name}"]
    return Answer(payload, "\n".join(lines), outcome.exit_code if outcome else 0)
