"""Validate a recipe and its data without training."""

from __future__ import annotations

from typing import Any

import click

from flows.cli.output import Answer, Invocation, note, pass_invocation


@click.command()
@click.argument("recipe")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--resolved", is_flag=True, help="Print the recipe with every default filled in, and nothing else.")
@pass_invocation
def command(invocation: Invocation, recipe: str, overrides: tuple[str, ...], resolved: bool) -> Answer:
    """Validate RECIPE, read its data, evaluate the data gates, try network and custom parts on it; train nothing.

    Nothing is written to the home. Exit 2: the recipe or its data cannot be used; 3: a data gate fails.
    """
    from tasks.core.load import load_recipe

    loaded = load_recipe(recipe, overrides)
    values = loaded.recipe.model_dump(mode="json")
    if resolved:
        return Answer({"status": "completed", "recipe": values}, _yaml(values))
    from flows.checking import check

    found = check(loaded, tell=note)
    gates = [f"  {gate.state:<8}{gate.name:<18}{gate.evidence.get('reason', '')}".rstrip() for gate in found.gates]
    columns = [f"  {name:<28}{kind}" for name, kind in found.features.items()]
    shown = columns if len(columns) <= 40 else [*columns[:40], f"  … and {len(columns) - 40} more"]
    blocked = [gate.name for gate in found.gates if gate.blocks]
    verdict = f"stopped by {', '.join(blocked)}" if blocked else "ready to run"
    lines = [f"{loaded.recipe.name}: {verdict}", f"  {found.rows} rows", "", "Features", *shown, "", "Gates", *gates]
    if found.parts:
        lines += ["", "Custom parts", *(f"  {part}" for part in found.parts)]
    payload: dict[str, Any] = {
        "status": "stopped" if blocked else "completed",
        "recipe": loaded.recipe.name,
        "rows": found.rows,
        "features": found.features,
        "gates": found.gates,
        "parts": found.parts,
    }
    return Answer(payload, "\n".join(lines), 3 if blocked else 0)


def _yaml(values: dict[str, Any]) -> str:
    import yaml

    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True)).rstrip()
