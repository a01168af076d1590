"""Look for better settings, then run with the best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flows.cli.output import Answer, Invocation, Ticker, pass_invocation

if TYPE_CHECKING:
    from flows.outcome import Outcome
    from flows.tuning import Tuned
    from tasks.core.load import LoadedRecipe


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--trials", type=int, metavar="N", help="How many; else tuning.trials of the recipe.")
@click.option("--search", metavar="KIND", help="grid, random or bayesian; else tuning.search of the recipe.")
@click.option("--folds", type=int, metavar="K", help="Judge by the mean over K folds; else tuning.folds.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Trials that are trained at once.")
@click.option("--out", type=click.Path(), metavar="FILE", help="Where the best recipe is written, as YAML.")
@click.option("--no-run", is_flag=True, help="End with the best recipe; run nothing with it.")
@pass_invocation
def command(
    invocation: Invocation,
    recipe: str,
    overrides: tuple[str, ...],
    trials: int | None,
    search: str | None,
    folds: int | None,
    jobs: int,
    out: str | None,
    no_run: bool,
) -> Answer:
    """Try other settings of RECIPE, write the best recipe as YAML, and run with it.

    What is searched, and how, says the recipe's section `tuning`; without one, learning rate, weight decay, batch
    size, and the width and dropout of its network. The test rows take no part: they judge the run at the end. The
    same command goes on where a killed one stopped, and a larger --trials adds to what is there.
    """
    from flows import tuning
    from tasks.core.load import load_recipe

    options = {"trials": trials, "search": search, "folds": folds}
    given = tuple(f"tuning.{name}={value}" for name, value in options.items() if value is not None)
    loaded = load_recipe(recipe, (*overrides, *given))
    file = _writable(out)
    home = invocation.open_home()
    ticker = Ticker()
    try:
        begun = tuning.begin(loaded, home, ticker)
        if begun.exit_code:
            return _stopped(loaded, begun, home.tracking_uri)
        tuned = tuning.search(loaded, home, begun, jobs=jobs, out=file, tell=ticker)
        outcome = None if no_run else _run(tuning.best_recipe(loaded, tuned), home, ticker)
    finally:
        ticker.wipe()
    return _answer(loaded, tuned, outcome, home.tracking_uri)


def _writable(out: str | None) -> Path | None:
    """The file a person named, looked at before hours are spent on what goes into it."""
    from tasks.core.errors import RequestError

    if out is None:
        return None
    file = Path(out).absolute()
    if file.is_dir() or not file.parent.is_dir() or file.suffix not in (".yaml", ".yml"):
        raise RequestError(
            f"The best recipe cannot be written to {out}.",
            remedy="Name a .yaml file in a folder that exists.",
            code="out",
        )
    return file


def _run(loaded: LoadedRecipe, home: Any, tell: Ticker) -> Outcome:
    from flows.training import Order, execute

    return execute(Order(loaded, home), tell)


def _stopped(loaded: LoadedRecipe, begun: Outcome, tracking_uri: str) -> Answer:
    """The data did not come as far as their version: there is nothing to train on."""
    from flows.cli.run import text_of

    payload = {
        "status": begun.status,
        "model": loaded.recipe.name,
        "reason": begun.reason,
        "gates": begun.payload["gates"],
        "trials": 0,
        "best": None,
        "default": None,
        "recipe": None,
        "run": {"status": begun.status, **begun.payload},
    }
    return Answer(payload, text_of(begun, tracking_uri), begun.exit_code)


def _answer(loaded: LoadedRecipe, tuned: Tuned, outcome: Outcome | None, tracking_uri: str) -> Answer:
    from flows.cli.run import text_of
    from tasks.tune.page import written
    from tasks.tune.trials import UNCHANGED

    study, best, tuning = tuned.study, tuned.best, loaded.recipe.tuning
    states = [trial.state for trial in study.trials]
    unchanged = best.number == UNCHANGED
    payload: dict[str, Any] = {
        "status": outcome.status if outcome else "completed",
        "model": loaded.recipe.name,
        "metric": tuned.metric,
        "search": tuning.search,
        "trials": study.finished,
        **{state: states.count(state) for state in ("complete", "pruned", "failed")},
        "best": {
            "value": best.value,
            "trial": None if unchanged else best.number,
            "parameters": best.parameters,
        },
        "default": {"value": tuned.unchanged.value, "parameters": tuned.unchanged.parameters},
        "importance": tuned.importance,
        "recipe": str(tuned.recipe),
        "report": str(tuned.report),
        "run_id": tuned.run_id,
        "run": {"status": outcome.status, **outcome.payload} if outcome else None,
    }
    who = "the recipe as it stands: no trial was better" if unchanged else f"trial {best.number}"
    lines = [
        f"{loaded.recipe.name}: {study.finished} trials ({_counts(payload)})",
        f"  best       {tuned.metric} {_number(best.value)}, {who}; {_number(tuned.unchanged.value)} as it stands",
        *(f"             {field} = {written(value)}" for field, value in best.parameters.items()),
        f"  recipe     {tuned.recipe}",
        f"  report     {tuned.report}",
    ]
    if outcome is not None:
        lines += ["", text_of(outcome, tracking_uri)]
    else:
        lines += ["", "Next", f"  put {tuned.recipe} in the place of {loaded.file}, and run it"]
    return Answer(payload, "\n".join(lines), outcome.exit_code if outcome else 0)


def _counts(payload: dict[str, Any]) -> str:
    return ", ".join(f"{payload[state]} {state}" for state in ("complete", "pruned", "failed") if payload[state])


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
