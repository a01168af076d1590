"""Write a first recipe for a data file."""

from __future__ import annotations

from pathlib import Path

import click

from flows.cli.output import Answer, Invocation, note, pass_invocation


@click.command()
@click.argument("source", metavar="DATA")
@click.option("--target", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--out", metavar="DIR", help="Folder to write to; otherwise one named after the data.")
@pass_invocation
def command(invocation: Invocation, source: str, target: str, out: str | None) -> Answer:
    """Look at DATA (a CSV, Parquet or JSON-lines file, or a folder of them) and write a recipe for it.

    Writes recipe.yaml, which `run` takes as it is, a first expectation suite and a data card. Says which columns are
    left out and why.
    """
    from flows.initialise import initialise

    made = initialise(Path(source).expanduser(), target, Path(out) if out else None, note)
    blocked = [gate for gate in made.gates if gate.blocks]
    payload = {
        "status": "completed",
        "recipe": made.name,
        "folder": str(made.folder),
        "problem": made.problem,
        "target": made.target,
        "rows": made.rows,
        "features": made.features,
        "left_out": made.left_out,
        "notes": made.notes,
        "gates": made.gates,
        "files": [str(file) for file in made.files],
    }
    kinds = sorted(set(made.features.values()))
    counts = ", ".join(f"{list(made.features.values()).count(kind)} {kind}" for kind in kinds)
    lines = [f"{made.name}: {made.problem} of {made.target}, {made.rows} rows, features: {counts or 'none'}", ""]
    lines += [f"  {sentence}" for sentence in made.notes]
    lines += [f"  gate {gate.name} would stop a run: {gate.reason}" for gate in blocked]
    lines += ["", "Written", *(f"  {file}" for file in made.files)]
    lines += ["", "Next", f"  evergreen check {made.folder}", f"  evergreen run {made.folder}"]
    return Answer(payload, "\n".join(lines))
