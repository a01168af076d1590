"""Validate a recipe and its data without training."""

from __future__ import annotations

from typing import Any

import click

from flows.cli.output import Answer, Invocation, note, pass_invocation


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--resolved", is_flag=True, help="Print the recipe with every default filled in, and nothing else.")
@click.option("--find-lr", is_flag=True, help="Try learning rates for a moment, and suggest one.")
@click.option("--find-batch-size", is_flag=True, help="Try batch sizes for a moment, and suggest one.")
@pass_invocation
def command(
    invocation: Invocation,
    recipe: str,
    overrides: tuple[str, ...],
    resolved: bool,
    find_lr: bool,
    find_batch_size: bool,
) -> Answer:
    """Validate RECIPE, read its data, evaluate the data gates, try network and custom parts on it; train nothing.

    Nothing is written to the home. What is found by trying is told, and used by no run: a recipe whose settings
    depended on the moment would not give the same model twice. Exit 2: the recipe or its data cannot be used; 3: a data
    gate fails.
    """
    from tasks.core.load import load_recipe

    loaded = load_recipe(recipe, overrides)
    values = loaded.recipe.model_dump(mode="json")
    if resolved:
        return Answer({"status": "completed", "recipe": values}, _yaml(values))
    from flows.checking import LOOKED_FOR, check

    wanted = zip(LOOKED_FOR, (find_lr, find_batch_size), strict=True)
    found = check(loaded, tell=note, look_for=[name for name, asked in wanted if asked])
    gates = [f"  {gate.state:<8}{gate.name:<18}{gate.evidence.get('reason', '')}".rstrip() for gate in found.gates]
    columns = [f"  {name:<28}{kind}" for name, kind in found.features.items()]
    shown = columns if len(columns) <= 40 else [*columns[:40], f"  … and {len(columns) - 40} more"]
    blocked = [gate.name for gate in found.gates if gate.blocks]
    verdict = f"stopped by {', '.join(blocked)}" if blocked else "ready to run"
    lines = [f"{loaded.recipe.name}: {verdict}", f"  {found.rows} rows", "", "Features", *shown, "", "Gates", *gates]
    if found.parts:
        lines += ["", "Custom parts", *(f"  {part}" for part in found.parts)]
    if found.found:
        lines += ["", "Found by trying; write it into the recipe, so that every run has the same", *_found(found.found)]
    payload: dict[str, Any] = {
        "status": "stopped" if blocked else "completed",
        "recipe": loaded.recipe.name,
        "rows": found.rows,
        "features": found.features,
        "gates": found.gates,
        "parts": found.parts,
        "found": found.found,
    }
    return Answer(payload, "\n".join(lines), 3 if blocked else 0)


def _found(found: dict[str, Any]) -> list[str]:
    """A line for each setting: what to write, and why."""
    lines = []
    if rate := found.get("training.optimizer.lr"):
        why = f"the loss fell fastest there, and was lowest at {rate['lowest_loss_at']:g}"
        lines.append(f"  training.optimizer.lr={rate['suggested']:g}   {why}")
    if sizes := found.get("training.batch_size"):
        chosen = next(size for size in sizes["tried"] if size["rows"] == sizes["suggested"])
        why = (
            f"{chosen['rows_per_second']:,.0f} rows a second; larger ones are hardly faster or leave an epoch few steps"
        )
        lines.append(f"  training.batch_size={sizes['suggested']}   {why}; up to {sizes['largest']:,} fit in memory")
    return lines


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True)).rstrip()
