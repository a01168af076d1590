"""Print the recipe's JSON Schema."""

from __future__ import annotations

import json

import click

from flows.cli.output import Answer, Invocation, pass_invocation


@click.command()
@pass_invocation
def command(invocation: Invocation) -> Answer:
    """Print the recipe's JSON Schema, so that an editor can complete and check recipe.yaml."""
    from tasks.core.recipe import Recipe

    schema = Recipe.model_json_schema()
    return Answer({"status": "completed", "schema": schema}, json.dumps(schema, indent=2))
