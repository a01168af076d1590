"""Train and judge a recipe on each of k folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flows.cli.output import Answer, Invocation, Ticker, pass_invocation, table

if TYPE_CHECKING:
    from flows.cross_validation import Fold
    from flows.outcome import Outcome
    from tasks.core.load import LoadedRecipe


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--folds", type=click.IntRange(2, 100), default=5, metavar="K", help="How many, 2 to 100.")
@click.option("--all-rows", is_flag=True, help="Take the test rows in as well, as published protocols do.")
@pass_invocation
def command(invocation: Invocation, recipe: str, overrides: tuple[str, ...], folds: int, all_rows: bool) -> Answer:
    """Train RECIPE once without each of K folds, judge it on that fold, and give mean and spread.

    The test rows stay out, so that they go on judging what is promoted; --all-rows takes them in. Classes
    are spread evenly over the folds, groups and duplicates stay in one; with a time split each fold is judged on rows
    that are newer than all it learned from. The same command goes on where a killed one stopped.
    """
    from flows.cross_validating import carry_out
    from flows.dataset import bring_in
    from tasks.core.load import load_recipe

    loaded = load_recipe(recipe, overrides)
    home = invocation.open_home()
    ticker = Ticker()
    try:
        begun = bring_in(loaded, home, ticker)
        if begun.exit_code:
            return _stopped(loaded, begun, home.tracking_uri)
        found = carry_out(loaded, home, begun, folds, all_rows=all_rows, tell=ticker)
    finally:
        ticker.wipe()
    return _answer(loaded, found, all_rows=all_rows)


def _stopped(loaded: LoadedRecipe, begun: Outcome, tracking_uri: str) -> Answer:
    """The data did not come as far as their version: there is nothing to train on."""
    from flows.cli.run import text_of

    payload = {"status": begun.status, "model": loaded.recipe.name, "reason": begun.reason}
    return Answer(payload | {"gates": begun.payload["gates"]}, text_of(begun, tracking_uri), begun.exit_code)


def _answer(loaded: LoadedRecipe, found: list[Fold], *, all_rows: bool) -> Answer:
    from flows.cross_validation import spreads
    from tasks.core.contracts import to_json

    recipe = loaded.recipe
    network, constant = spreads([fold.metrics for fold in found]), spreads([fold.baseline for fold in found])
    note = (
        "Test rows took part: this says nothing about a promotion."
        if all_rows
        else "The test rows took no part: they judge what is promoted."
    )
    payload: dict[str, Any] = {
        "status": "completed",
        "model": recipe.name,
        "folds": len(found),
        "rows": sum(fold.rows["test"] for fold in found),
        "test_rows_included": all_rows,
        "metric": recipe.metric,
        "metrics": to_json(network),
        "baseline": to_json(constant),
        "results": to_json(found),
        "note": note,
    }
    rows = [
        [
            name,
            spread.mean,
            spread.sd,
            min(spread.values),
            max(spread.values),
            getattr(constant.get(name), "mean", None),
        ]
        for name, spread in network.items()
    ]
    text = [
        f"{recipe.name}: {len(found)} folds, {payload['rows']} rows held out in turn",
        table(["metric", "mean", "sd", "min", "max", "best constant"], rows),
        *_undefined(found),
        note,
    ]
    return Answer(payload, "\n".join(text))


def _undefined(found: list[Fold]) -> list[str]:
    return [f"fold {fold.number}: no {name}: {why}" for fold in found for name, why in fold.undefined.items()]
